"""Roles that organisations make."""

from __future__ import annotations

import pytest

from narthex.errors import AlreadyExists, Conflict, NotFound, PermissionDenied
from narthex.stores.database import Database
from narthex.tenancy.roles import create_role, delete_role, permissions_of, role, update_role
from tests.tenancy.towns import Town


def test_a_role_is_made_changed_and_taken_away(database: Database) -> None:
    """It allows what it says; one that somebody has stays."""
    town = Town(database)
    home = town.organisation()
    made = town.do(
        lambda c: create_role(c, town.by(), organisation_id=home.id, name="auditor", permissions=["audit:read"])
    )
    assert town.do(lambda c: permissions_of(c, home.id, "auditor")) == {"audit:read"}
    person = town.member(town.workspace(home), "auditor")
    with pytest.raises(Conflict, match="somebody has"):
        town.do(lambda c: delete_role(c, town.by(), made.id))
    del person
    after = town.do(lambda c: update_role(c, town.by(), made.id, permissions=["usage:read"], version=1))
    assert (after.permissions, after.version) == (("usage:read",), 2)
    free = town.do(lambda c: create_role(c, town.by(), organisation_id=home.id, name="free", permissions=[]))
    town.do(lambda c: delete_role(c, town.by(), free.id))
    with pytest.raises(NotFound):
        town.do(lambda c: role(c, free.id))


def test_roles_are_one_organisations_own(database: Database) -> None:
    """Another one has no such role; built-in names and one's own are taken."""
    town = Town(database)
    home, other = town.organisation(), town.organisation()
    town.do(lambda c: create_role(c, town.by(), organisation_id=home.id, name="x", permissions=[]))
    with pytest.raises(NotFound):
        town.do(lambda c: permissions_of(c, other.id, "x"))
    for name in ("x", "owner"):
        with pytest.raises(AlreadyExists):
            town.do(create_role, town.by(), organisation_id=home.id, name=name, permissions=[])


def test_nobody_makes_a_role_above_their_own(database: Database) -> None:
    """Nor changes one that is."""
    town = Town(database)
    home, few = town.organisation(), frozenset({"roles:write"})
    with pytest.raises(PermissionDenied):
        town.do(lambda c: create_role(c, town.by(few), organisation_id=home.id, name="x", permissions=["keys:write"]))
    above = town.do(lambda c: create_role(c, town.by(), organisation_id=home.id, name="x", permissions=["keys:write"]))
    with pytest.raises(PermissionDenied):
        town.do(lambda c: update_role(c, town.by(few), above.id, permissions=[]))
    with pytest.raises(PermissionDenied):
        town.do(lambda c: delete_role(c, town.by(few), above.id))
