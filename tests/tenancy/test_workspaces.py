"""Workspaces."""

from __future__ import annotations

import pytest

from narthex.errors import AlreadyExists, Conflict, InvalidRequest, NotFound
from narthex.stores.database import Database
from narthex.tenancy.organisations import ensure_defaults
from narthex.tenancy.records import WorkspaceSettings
from narthex.tenancy.workspaces import (
    archive_workspace,
    merged_settings,
    restore_workspace,
    update_workspace,
    workspace,
)
from narthex.types.accounts import DEFAULT_WORKSPACE
from tests.tenancy.towns import Town


def test_a_workspace_is_made_from_a_template(database: Database) -> None:
    """It has the template's settings and words, and is its own from then on; only templates of one's own will do."""
    town = Town(database)
    home, other = town.organisation(), town.organisation()
    settings = WorkspaceSettings(default_model="a/b")
    template = town.workspace(home, is_template=True, settings=settings, description="For all")
    made = town.workspace(home, template_id=template.id)
    assert (made.settings, made.description, made.is_template) == (settings, "For all", False)
    for wrong in (made.id, town.workspace(other, is_template=True).id):
        with pytest.raises(NotFound, match="no template"):
            town.workspace(home, template_id=wrong)


def test_an_owner_is_in_it_from_the_start(database: Database) -> None:
    """Who makes a workspace in person owns it."""
    town = Town(database)
    home = town.organisation()
    person = town.user(home)
    made = town.workspace(home, owner_id=person.id)
    assert town.directory().members[f"{made.id}/{person.id}"].role == "owner"


def test_slugs_are_one_organisations_own(database: Database) -> None:
    """Two organisations may have the same, one may not have it twice."""
    town = Town(database)
    home, other = town.organisation(), town.organisation()
    town.workspace(home, slug="shop")
    town.workspace(other, slug="shop")
    second = town.workspace(home)
    with pytest.raises(AlreadyExists):
        town.workspace(home, slug="shop")
    with pytest.raises(AlreadyExists):
        town.do(lambda one: update_workspace(one, town.by(), second.id, {"slug": "shop"}))
    with pytest.raises(InvalidRequest):
        town.do(lambda one: update_workspace(one, town.by(), second.id, {"slug": "No"}))


def test_what_is_put_away_comes_back(database: Database) -> None:
    """Archived twice it keeps its first moment; the one of the configuration's keys cannot be."""
    town = Town(database)
    one = town.workspace(town.organisation())
    for _ in range(2):
        town.do(lambda connection: archive_workspace(connection, town.by(), one.id))
    assert town.do(lambda connection: workspace(connection, one.id)).archived_at is not None
    assert town.do(lambda connection: restore_workspace(connection, town.by(), one.id)).archived_at is None
    town.do(lambda connection: ensure_defaults(connection, town.by()))
    with pytest.raises(Conflict):
        town.do(lambda connection: archive_workspace(connection, town.by(), DEFAULT_WORKSPACE))


def test_editors_at_one_time_keep_what_the_other_changed(database: Database) -> None:
    """Settings are changed one by one, on what is there at that moment."""
    town = Town(database)
    one = town.workspace(town.organisation(), settings=WorkspaceSettings(default_model="a/b"))
    for change in ({"caching": False}, {"capture": "none"}):
        town.do(update_workspace, town.by(), one.id, {"settings": change})
    after = town.do(lambda connection: workspace(connection, one.id)).settings
    assert after == WorkspaceSettings(default_model="a/b", caching=False, capture="none")


def test_settings_that_are_not_named_stay() -> None:
    """Others are changed; what is none is refused by name."""
    before = WorkspaceSettings(default_model="a/b", caching=False)
    assert merged_settings(before, {"caching": True}) == WorkspaceSettings(default_model="a/b")
    with pytest.raises(InvalidRequest, match="EUR"):
        merged_settings(before, {"currency": "EUR"})
    with pytest.raises(InvalidRequest, match="colour"):
        merged_settings(before, {"colour": "red"})
