"""Workspaces to documents."""

from __future__ import annotations

import msgspec

from narthex.stores.database import Database
from narthex.tenancy.exporting import export_workspace
from narthex.tenancy.roles import create_role
from tests.tenancy.towns import Town


def test_a_document_holds_no_secret_and_no_id(database: Database) -> None:
    """Neither of keys nor of people; what is sealed is there if it is asked for, and cannot be read."""
    town = Town(database)
    home = town.organisation()
    town.do(create_role, town.by(), organisation_id=home.id, name="auditor", permissions=["audit:read"])
    where = town.workspace(home)
    person = town.member(where, "auditor")
    plain, key = town.key(where, user_id=person.id)
    mark = town.keyring.mark_of(b"here")
    bare = town.do(export_workspace, town.by(), where.id, marked_by=mark)
    sealed = town.do(export_workspace, town.by(), where.id, passphrase="correct horse battery", marked_by=mark)
    assert bare.sealed is None
    assert sealed.sealed is not None
    assert [role.name for role in bare.roles] == ["auditor"]
    for document in (bare, sealed):
        text = msgspec.json.encode(document).decode()
        assert not [word for word in (plain, plain[20:40], key.id, person.id, where.id, home.id) if word in text]
    assert town.audit.actions.count("workspace.export") == 2
