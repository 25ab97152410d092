"""Organisations."""

from __future__ import annotations

import pytest

from narthex.errors import NotFound, VersionConflict
from narthex.stores.database import Database
from narthex.tenancy.organisations import ensure_defaults, organisation, update_organisation
from narthex.types.accounts import DEFAULT_ORGANISATION, DEFAULT_WORKSPACE
from tests.tenancy.towns import Town


def test_an_organisation_is_made_and_renamed(database: Database) -> None:
    """What is done is written down; an old version changes nothing."""
    town = Town(database)
    one = town.organisation()
    town.do(lambda connection: update_organisation(connection, town.by(), one.id, name="New", version=1))
    after = database.read_now(lambda connection: organisation(connection, one.id))
    assert (after.name, after.slug, after.version) == ("New", one.slug, 2)
    with pytest.raises(VersionConflict):
        town.do(lambda connection: update_organisation(connection, town.by(), one.id, name="x", version=1))
    with pytest.raises(NotFound):
        town.do(lambda connection: update_organisation(connection, town.by(), "org_no", name="x"))
    assert town.audit.actions == ["organisation.create", "organisation.update"]


def test_the_first_start_makes_a_place_for_everybody(database: Database) -> None:
    """The default organisation and workspace are made once."""
    town = Town(database)
    for _ in range(2):
        town.do(lambda connection: ensure_defaults(connection, town.by()))
    directory = town.directory()
    assert set(directory.organisations) == {DEFAULT_ORGANISATION}
    assert set(directory.workspaces) == {DEFAULT_WORKSPACE}
    assert len(town.audit.actions) == 1
