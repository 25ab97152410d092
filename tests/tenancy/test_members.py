"""Who is in a workspace."""

from __future__ import annotations

import pytest

from narthex.errors import AlreadyExists, Conflict, NotFound, PermissionDenied
from narthex.stores.database import Database
from narthex.tenancy.members import add_member, change_member, is_last_owner, remove_member
from narthex.tenancy.permissions import BUILT_IN
from tests.tenancy.towns import Town


def test_nobody_gives_or_takes_a_role_above_their_own(database: Database) -> None:
    """An admin makes members, and neither makes nor unmakes owners."""
    town = Town(database)
    home = town.organisation()
    where, admin = town.workspace(home), BUILT_IN["admin"]
    owner, person = town.member(where, "owner"), town.user(home)
    for role, allowed in (("owner", False), ("admin", True)):
        work = lambda one, role=role: add_member(  # noqa: E731 - two of a kind
            one, town.by(admin), workspace_id=where.id, user_id=person.id, role=role
        )
        if allowed:
            town.do(work)
            continue
        with pytest.raises(PermissionDenied):
            town.do(work)
    with pytest.raises(PermissionDenied):
        town.do(lambda one: change_member(one, town.by(admin), workspace_id=where.id, user_id=owner.id, role="viewer"))
    with pytest.raises(PermissionDenied):
        town.do(lambda one: remove_member(one, town.by(admin), workspace_id=where.id, user_id=owner.id))


def test_the_last_owner_stays(database: Database) -> None:
    """Neither another role nor leaving is open to the last one; to the last but one both are."""
    town = Town(database)
    where = town.workspace(town.organisation())
    one, other = town.member(where, "owner"), town.member(where, "owner")
    town.do(lambda c: change_member(c, town.by(), workspace_id=where.id, user_id=one.id, role="member"))
    assert town.do(lambda c: is_last_owner(c, where.id, other.id))
    with pytest.raises(Conflict, match="last owner"):
        town.do(lambda c: change_member(c, town.by(), workspace_id=where.id, user_id=other.id, role="member"))
    with pytest.raises(Conflict, match="last owner"):
        town.do(lambda c: remove_member(c, town.by(), workspace_id=where.id, user_id=other.id))
    town.do(lambda c: remove_member(c, town.by(), workspace_id=where.id, user_id=one.id))
    assert set(town.directory().members) == {f"{where.id}/{other.id}"}


def test_members_are_of_the_organisation(database: Database) -> None:
    """A stranger, a stranger's role and a second time are refused."""
    town = Town(database)
    home = town.organisation()
    where, stranger, person = town.workspace(home), town.user(town.organisation()), town.user(home)
    with pytest.raises(NotFound, match="no user"):
        town.do(lambda c: add_member(c, town.by(), workspace_id=where.id, user_id=stranger.id, role="member"))
    with pytest.raises(NotFound, match="no role"):
        town.do(lambda c: add_member(c, town.by(), workspace_id=where.id, user_id=person.id, role="king"))
    town.do(lambda c: add_member(c, town.by(), workspace_id=where.id, user_id=person.id, role="member"))
    with pytest.raises(AlreadyExists):
        town.do(lambda c: add_member(c, town.by(), workspace_id=where.id, user_id=person.id, role="viewer"))
