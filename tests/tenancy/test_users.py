"""People and service accounts."""

from __future__ import annotations

import pytest

from narthex.errors import AlreadyExists, Conflict, InvalidRequest, NotFound, PermissionDenied
from narthex.stores.database import Database
from narthex.tenancy.permissions import BUILT_IN
from narthex.tenancy.users import address_of, create_user, set_current_workspace, update_user, user
from tests.tenancy.towns import Town


def test_an_address_is_one_users(database: Database) -> None:
    """However it is written; a service account has none."""
    town = Town(database)
    home = town.organisation()
    one = town.do(lambda c: create_user(c, town.by(), organisation_id=home.id, name="A", email=" A@B.org "))
    assert one.email == "a@b.org"
    with pytest.raises(AlreadyExists):
        town.do(lambda c: create_user(c, town.by(), organisation_id=home.id, name="A", email="a@B.ORG"))
    with pytest.raises(InvalidRequest, match="e-mail"):
        town.do(lambda c: create_user(c, town.by(), organisation_id=home.id, name="A"))
    robot = town.do(lambda c: create_user(c, town.by(), organisation_id=home.id, name="R", kind="service"))
    assert (robot.email, robot.kind) == (None, "service")


@pytest.mark.parametrize("text", ["", "a", "@b", "a@", "a b@c", "a@b\n.c", "a@" + "b" * 400])
def test_what_is_no_address_is_refused(text: str) -> None:
    """Nothing is sent to what cannot be one."""
    with pytest.raises(InvalidRequest):
        address_of(text)


def test_nobody_raises_anybody_above_themselves(database: Database) -> None:
    """An admin makes admins, and neither makes nor changes owners."""
    town = Town(database)
    home, admin = town.organisation(), BUILT_IN["admin"]
    owner = town.user(home, "owner")
    town.do(lambda c: create_user(c, town.by(admin), organisation_id=home.id, name="A", email="a@b", role="admin"))
    with pytest.raises(PermissionDenied):
        town.do(lambda c: create_user(c, town.by(admin), organisation_id=home.id, name="B", email="b@b", role="owner"))
    with pytest.raises(PermissionDenied):
        town.do(lambda c: update_user(c, town.by(admin), owner.id, {"name": "x"}))


def test_an_address_is_changed_by_who_may_as_much(database: Database) -> None:
    """Whoever has somebody's address has their account: also what that may in a workspace counts."""
    town = Town(database)
    where = town.workspace(town.organisation())
    person, few = town.member(where, "owner"), town.by(frozenset({"users:read", "users:write"}))
    town.do(lambda c: update_user(c, few, person.id, {"name": "Ada", "email": person.email}))
    with pytest.raises(PermissionDenied, match="keys:write"):
        town.do(lambda c: update_user(c, few, person.id, {"email": "mine@example.org"}))
    admin = town.by(BUILT_IN["admin"])
    assert town.do(lambda c: update_user(c, admin, person.id, {"email": "ada@example.com"})).email == "ada@example.com"


def test_the_last_owner_of_anything_stays(database: Database) -> None:
    """Of the organisation, and of a workspace: others may go, and come back."""
    town = Town(database)
    home = town.organisation()
    one, other = town.user(home, "owner"), town.user(home, "owner")
    town.do(lambda c: update_user(c, town.by(), one.id, {"disabled": True}))
    for change in ({"disabled": True}, {"role": "member"}):
        with pytest.raises(Conflict, match="last owner of the organisation"):
            town.do(update_user, town.by(), other.id, change)
    assert town.do(lambda c: update_user(c, town.by(), one.id, {"disabled": False})).disabled_at is None
    person = town.member(town.workspace(home), "owner")
    with pytest.raises(Conflict, match="last owner of the workspace"):
        town.do(lambda c: update_user(c, town.by(), person.id, {"disabled": True}))


def test_a_user_has_a_current_workspace(database: Database) -> None:
    """One of their organisation."""
    town = Town(database)
    home = town.organisation()
    where, person = town.workspace(home), town.user(home)
    town.do(lambda c: set_current_workspace(c, town.by(), person.id, where.id))
    assert town.do(lambda c: user(c, person.id)).current_workspace_id == where.id
    elsewhere = town.workspace(town.organisation())
    with pytest.raises(NotFound):
        town.do(lambda c: set_current_workspace(c, town.by(), person.id, elsewhere.id))
