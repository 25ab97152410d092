"""Virtual keys, from their making to their end."""

from __future__ import annotations

import dataclasses

import pytest
from sqlalchemy import select

from narthex.errors import AuthenticationFailed, Conflict, NotFound, PermissionDenied
from narthex.stores.database import Database
from narthex.stores.database.schema import api_keys
from narthex.tenancy.issuing import Wish, change_key, issue_key, key, revoke_key, rotate_key
from narthex.tenancy.permissions import BUILT_IN, CALL_MODELS
from narthex.tenancy.scopes import Scopes
from narthex.tenancy.workspaces import archive_workspace
from tests.tenancy.towns import NOW, Town


def test_a_key_opens_and_is_not_kept(database: Database) -> None:
    """Who presents it is known with workspace and tags; the database holds neither it nor its secret."""
    town = Town(database)
    where = town.workspace(town.organisation())
    plain, made = town.key(where, tags={"team": "a"}, priority="low")
    town.directory()
    caller = town.keyring.identify(f"Bearer {plain}".encode())
    assert (caller.account.workspace_id, caller.account.key_id) == (where.id, made.id)
    assert caller.account.tags == (("team", "a"),)
    assert (caller.permissions, caller.priority.word, caller.owner) == (
        CALL_MODELS, "low", f"workspace:{where.id}",
    )  # fmt: skip
    rows = repr(database.read_now(lambda one: one.execute(select(api_keys)).all()))
    assert plain not in rows
    assert plain[20:60] not in rows
    assert made.shown in rows


def test_a_revoked_key_opens_nothing(database: Database) -> None:
    """It says so to whoever presents it; revoked twice it keeps its first moment, and nothing else is done with it."""
    town = Town(database)
    plain, made = town.key(town.workspace(town.organisation()))
    for now in (NOW + 1, NOW + 2):
        town.do(revoke_key, town.by(now=now), made.id)
    assert town.do(lambda c: key(c, made.id)).revoked_at == NOW + 1
    town.directory()
    with pytest.raises(AuthenticationFailed, match="is revoked"):
        town.keyring.identify(plain.encode())
    with pytest.raises(Conflict):
        town.do(lambda c: change_key(c, town.by(), made.id, {"name": "x"}))
    with pytest.raises(Conflict):
        town.do(lambda c: rotate_key(c, town.by(), made.id, overlap_s=0, mark=town.keyring.mark_of))


def test_a_key_is_followed_by_another(database: Database) -> None:
    """The new one is like it and good at once; the old one is good for as long as both are to be, once."""
    town = Town(database)
    where = town.workspace(town.organisation())
    _, old = town.key(where, scopes=Scopes(models=("a/*",)), tags={"t": "v"}, expires_at=NOW + 90_000)
    plain, new = town.do(lambda c: rotate_key(c, town.by(), old.id, overlap_s=60, mark=town.keyring.mark_of))
    assert (new.scopes, new.tags, new.name, new.expires_at) == (old.scopes, old.tags, old.name, NOW + 90_000)
    after = town.do(lambda c: key(c, old.id))
    assert (after.rotated_to, after.expires_at) == (new.id, NOW + 60_000)
    town.directory()
    assert town.keyring.identify(plain.encode()).name == new.id
    with pytest.raises(Conflict, match=new.id):
        town.do(lambda c: rotate_key(c, town.by(), old.id, overlap_s=60, mark=town.keyring.mark_of))
    _, last = town.do(lambda c: rotate_key(c, town.by(), new.id, overlap_s=3_600, mark=town.keyring.mark_of))
    assert town.do(lambda c: key(c, new.id)).expires_at == NOW + 90_000
    assert last.rotated_to is None


def test_nobody_issues_more_than_they_may(database: Database) -> None:
    """Neither in a new key, nor by changing one, nor by taking the place of one."""
    town = Town(database)
    where, member = town.workspace(town.organisation()), BUILT_IN["member"]
    strong = Scopes(permissions=("ledger:read",))
    with pytest.raises(PermissionDenied):
        town.do(lambda c: issue_key(c, town.by(member), _wish(where.id, strong), mark=town.keyring.mark_of))
    _, plain_one = town.do(
        lambda c: issue_key(c, town.by(member), _wish(where.id, Scopes()), mark=town.keyring.mark_of)
    )
    with pytest.raises(PermissionDenied):
        town.do(lambda c: change_key(c, town.by(member), plain_one.id, {"scopes": strong}))
    _, above = town.key(where, scopes=strong)
    with pytest.raises(PermissionDenied):
        town.do(lambda c: rotate_key(c, town.by(member), above.id, overlap_s=0, mark=town.keyring.mark_of))


def test_nobody_reaches_further_in_the_name_of_another(database: Database) -> None:
    """A key of a user reaches into all of the organisation: so must whoever makes, changes or follows it."""
    town = Town(database)
    home = town.organisation()
    where, chief = town.workspace(home), town.user(home, "owner")
    person = town.member(where, "admin")
    strong, local = Scopes(permissions=("users:write",)), BUILT_IN["admin"]
    who = dataclasses.replace(town.by(local), user_id=person.id, everywhere=frozenset())
    wish = Wish(name="k", workspace_id=where.id, user_id=chief.id, scopes=strong)
    with pytest.raises(PermissionDenied, match="users:write in all"):
        town.do(lambda c: issue_key(c, who, wish, mark=town.keyring.mark_of))
    _, theirs = town.key(where, user_id=chief.id, scopes=strong)
    with pytest.raises(PermissionDenied, match="users:write in all"):
        town.do(lambda c: rotate_key(c, who, theirs.id, overlap_s=0, mark=town.keyring.mark_of))
    _, weak = town.key(where, user_id=chief.id)
    with pytest.raises(PermissionDenied, match="users:write in all"):
        town.do(lambda c: change_key(c, who, weak.id, {"scopes": strong}))
    for user_id in (person.id, None):
        own = Wish(name="k", workspace_id=where.id, user_id=user_id, scopes=strong)
        assert town.do(issue_key, who, own, mark=town.keyring.mark_of)[1].scopes == strong


def test_a_member_makes_keys_in_their_own_name(database: Database) -> None:
    """Not in anybody else's, whom its calls would be charged to, nor by taking the place of theirs."""
    town = Town(database)
    home = town.organisation()
    where, chief = town.workspace(home), town.user(home, "owner")
    person = town.member(where, "member")
    who = dataclasses.replace(town.by(BUILT_IN["member"]), user_id=person.id, everywhere=frozenset())
    with pytest.raises(PermissionDenied, match="members:write"):
        town.do(issue_key, who, Wish(name="k", workspace_id=where.id, user_id=chief.id), mark=town.keyring.mark_of)
    _, theirs = town.key(where, user_id=chief.id)
    with pytest.raises(PermissionDenied, match="members:write"):
        town.do(lambda c: rotate_key(c, who, theirs.id, overlap_s=0, mark=town.keyring.mark_of))
    for user_id in (person.id, None):
        own = Wish(name="k", workspace_id=where.id, user_id=user_id)
        assert town.do(issue_key, who, own, mark=town.keyring.mark_of)[1].user_id == user_id
    admin = dataclasses.replace(town.by(BUILT_IN["admin"]), user_id=person.id, everywhere=frozenset())
    wish = Wish(name="k", workspace_id=where.id, user_id=chief.id)
    assert town.do(issue_key, admin, wish, mark=town.keyring.mark_of)[1].user_id == chief.id


def test_what_is_over_is_not_followed(database: Database) -> None:
    """One like it would open nothing: it has expired, or its workspace was put away."""
    town = Town(database)
    where = town.workspace(town.organisation())
    _, short = town.key(where, expires_at=NOW + 1_000)
    with pytest.raises(Conflict, match="expired"):
        town.do(lambda c: rotate_key(c, town.by(now=NOW + 1_000), short.id, overlap_s=0, mark=town.keyring.mark_of))
    _, key = town.key(where)
    town.do(lambda c: archive_workspace(c, town.by(), where.id))
    with pytest.raises(Conflict, match="archived"):
        town.do(lambda c: rotate_key(c, town.by(), key.id, overlap_s=0, mark=town.keyring.mark_of))


def test_a_key_is_of_its_place_and_time(database: Database) -> None:
    """For no stranger, in no archived workspace, and not of the past."""
    town = Town(database)
    home = town.organisation()
    where, stranger = town.workspace(home), town.user(town.organisation())
    with pytest.raises(NotFound, match="no user"):
        town.key(where, user_id=stranger.id)
    with pytest.raises(Conflict, match="over"):
        town.key(where, expires_at=NOW)
    town.do(lambda c: archive_workspace(c, town.by(), where.id))
    with pytest.raises(Conflict, match="archived"):
        town.key(where)


def _wish(workspace_id: str, scopes: Scopes) -> Wish:
    return Wish(name="k", workspace_id=workspace_id, scopes=scopes)
