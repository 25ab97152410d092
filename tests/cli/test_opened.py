"""The accounts, opened from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from narthex.cli.opened import opened_services
from narthex.errors import NotFound
from narthex.tenancy.organisations import create_organisation
from narthex.tenancy.users import create_user
from narthex.tenancy.workspaces import NewWorkspace, create_workspace
from narthex.types.accounts import DEFAULT_ORGANISATION, DEFAULT_WORKSPACE


def test_things_are_named_by_id_or_by_their_name(home: Path) -> None:
    """The default organisation is meant where none is named; what is not there, or there twice, is told."""
    (home / "narthex.toml").write_text('data_dir = "data"\n', encoding="utf-8")
    with opened_services() as opened:
        assert opened.organisation_id(None) == opened.organisation_id("default") == DEFAULT_ORGANISATION
        assert opened.workspace_id("default") == opened.workspace_id(DEFAULT_WORKSPACE) == DEFAULT_WORKSPACE
        other = opened.write(lambda one, who: create_organisation(one, who, slug="other", name="Other"))
        twin = NewWorkspace(organisation_id=other.id, slug="default", name="Twin")
        opened.write(lambda one, who: create_workspace(one, who, twin))
        with pytest.raises(NotFound, match="several"):
            opened.workspace_id("default")
        person = opened.write(
            lambda one, who: create_user(one, who, organisation_id=other.id, name="A", email="a@example.org")
        )
        assert opened.user_id("A@example.org") == opened.user_id(person.id) == person.id
        for look in (opened.user_id, opened.workspace_id, opened.organisation_id):
            with pytest.raises(NotFound, match="nobody"):
                look("nobody")
    with opened_services() as again:
        assert again.organisation_id("other") == other.id
