"""The directory in memory against the database as its reference."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest

from narthex.errors import AuthenticationFailed, NarthexError
from narthex.stores.database import Database
from narthex.tenancy.changes import read_changes
from narthex.tenancy.directory import Directory, Kind
from narthex.tenancy.issuing import change_key, revoke_key, rotate_key
from narthex.tenancy.keys import Keyring
from narthex.tenancy.listening import Listener
from narthex.tenancy.members import add_member, change_member, remove_member
from narthex.tenancy.permissions import ALL, BUILT_IN
from narthex.tenancy.records import WorkspaceSettings
from narthex.tenancy.roles import create_role, delete_role, update_role
from narthex.tenancy.rows import TABLES, read_all, read_some
from narthex.tenancy.scopes import Scopes
from narthex.tenancy.users import set_current_workspace, update_user
from narthex.tenancy.workspaces import archive_workspace, restore_workspace, update_workspace
from tests.tenancy.towns import Town


class Follower:
    """A directory that was empty once, and followed since."""

    def __init__(self, town: Town) -> None:
        self.keyring = Keyring([], pepper=b"p" * 32)
        self.directory = Directory(self.keyring)
        self._town = town
        self._last = 0
        self.directory.load({kind: [] for kind in TABLES})
        self._listeners: dict[str, Listener] = {kind: self._listener(kind) for kind in TABLES}

    def _listener(self, kind: Kind) -> Listener:
        return Listener(
            read=lambda connection, subjects: read_some(connection, kind, subjects),
            take=lambda subjects, found: self.directory.apply(kind, subjects, found),  # type: ignore[arg-type]
        )

    def follow(self) -> None:
        """Read on."""
        news = self._town.database.read_now(lambda one: read_changes(one, self._last, self._listeners))
        for listener, subjects, rows in news.told:
            listener.take(subjects, rows)
        self._last = news.last


def held(directory: Directory) -> object:
    """Return everything that a directory holds."""
    names = ("organisations", "workspaces", "users", "roles", "members", "keys")
    return [getattr(directory, name) for name in names]


def opened(keyring: Keyring, keys: list[str]) -> list[object]:
    """Return what each key opens."""

    def who(key: str) -> object:
        try:
            caller = keyring.identify(key.encode())
        except AuthenticationFailed as error:
            return error.message
        bounds = caller.bounds
        return (
            caller.account,
            caller.permissions,
            caller.priority,
            caller.tenant,
            bounds and (bounds.told(), bounds.ends_at, bounds.default_model),
        )

    return [who(key) for key in keys]


class Life:
    """Things that happen in a town, drawn by lot."""

    def __init__(self, town: Town, seed: int) -> None:
        self.town, self.lot = town, random.Random(seed)
        self.keys: list[str] = []
        self.ids: list[str] = []
        self.organisations = [town.organisation() for _ in range(2)]
        self.workspaces = [town.workspace(one) for one in self.organisations for _ in range(2)]
        self.people = [(workspace.id, town.member(workspace).id) for workspace in self.workspaces for _ in range(2)]
        self.roles: list[str] = []
        self._numbers = itertools.count(1)
        for _ in range(3):
            self._issue()

    def happen(self) -> None:
        """Let something happen; what is refused has not happened."""
        what: list[Callable[[], None]] = [
            self._issue, self._change_key, self._rotate, self._revoke, self._change_member, self._remove_member,
            self._change_workspace, self._archive, self._restore, self._disable, self._make_role, self._change_role,
            self._delete_role, self._promote,
        ]  # fmt: skip
        try:
            self.lot.choice(what)()
        except NarthexError:
            return

    def _do(self, work: Callable[..., object], *given: object, **more: object) -> object:
        return self.town.do(lambda connection: work(connection, self.town.by(), *given, **more))

    def _issue(self) -> None:
        where, who = self.lot.choice(self.people)
        workspace = next(one for one in self.workspaces if one.id == where)
        scopes = Scopes(models=("a/*",) * self.lot.randint(0, 1), permissions=("usage:read",))
        plain, key = self.town.key(workspace, user_id=self.lot.choice([None, who]), scopes=scopes)
        self.keys.append(plain)
        self.ids.append(key.id)

    def _change_key(self) -> None:
        self._do(change_key, self.lot.choice(self.ids), {"priority": self.lot.choice(["low", "high"])})

    def _rotate(self) -> None:
        made = self._do(rotate_key, self.lot.choice(self.ids), overlap_s=60, mark=self.town.keyring.mark_of)
        assert isinstance(made, tuple)
        self.keys.append(made[0])
        self.ids.append(made[1].id)

    def _revoke(self) -> None:
        self._do(revoke_key, self.lot.choice(self.ids))

    def _change_member(self) -> None:
        where, who = self.lot.choice(self.people)
        role = self.lot.choice(["owner", "viewer", "member", *self.roles])
        self._do(change_member, workspace_id=where, user_id=who, role=role)

    def _remove_member(self) -> None:
        where, who = self.lot.choice(self.people)
        self._do(remove_member, workspace_id=where, user_id=who)

    def _change_workspace(self) -> None:
        settings = WorkspaceSettings(allowed_models=("*",), default_model=self.lot.choice(["", "a/b"]))
        slug = f"s{next(self._numbers)}"
        self._do(update_workspace, self.lot.choice(self.workspaces).id, {"settings": settings, "slug": slug})

    def _archive(self) -> None:
        self._do(archive_workspace, self.lot.choice(self.workspaces).id)

    def _restore(self) -> None:
        self._do(restore_workspace, self.lot.choice(self.workspaces).id)

    def _disable(self) -> None:
        self._do(update_user, self.lot.choice(self.people)[1], {"disabled": self.lot.choice([True, False])})

    def _promote(self) -> None:
        role = self.lot.choice(["member", "admin", "billing", *self.roles])
        self._do(update_user, self.lot.choice(self.people)[1], {"role": role})

    def _make_role(self) -> None:
        name = f"role-{next(self._numbers)}"
        given = self.lot.sample(sorted(ALL), 3)
        self._do(create_role, organisation_id=self.organisations[0].id, name=name, permissions=given)
        self.roles.append(name)

    def _change_role(self) -> None:
        known = list(self.town.directory().roles)
        self._do(update_role, self.lot.choice(known or ["-"]), permissions=self.lot.sample(sorted(ALL), 4))

    def _delete_role(self) -> None:
        known = list(self.town.directory().roles)
        self._do(delete_role, self.lot.choice(known or ["-"]))


@pytest.mark.parametrize("seed", range(4))
def test_who_followed_knows_what_who_begins_now_knows(database: Database, seed: int) -> None:
    """Whatever happens, a directory that read the changes holds the same, and its keys open the same, as one new."""
    town = Town(database)
    life, follower = Life(town, seed), Follower(town)
    for _ in range(25):
        for _ in range(life.lot.randint(1, 4)):
            life.happen()
        follower.follow()
        fresh_ring = Keyring([], pepper=b"p" * 32)
        fresh = Directory(fresh_ring)
        fresh.load(database.read_now(read_all))
        assert held(follower.directory) == held(fresh)
        assert opened(follower.keyring, life.keys) == opened(fresh_ring, life.keys)


def test_roles_say_what_users_may(database: Database) -> None:
    """By the role in the workspace and the one in the organisation; not in another organisation, nor once disabled."""
    town = Town(database)
    ours, theirs = town.organisation(), town.organisation()
    here, there = town.workspace(ours), town.workspace(ours)
    elsewhere = town.workspace(theirs)
    viewer, admin = town.member(here, "viewer"), town.user(ours, "admin")
    directory = town.directory()
    assert directory.permissions(viewer.id, here.id) == BUILT_IN["viewer"]
    assert directory.permissions(viewer.id, there.id) == frozenset()
    assert directory.permissions(viewer.id) == frozenset()
    assert directory.permissions(admin.id, there.id) == directory.permissions(admin.id) == BUILT_IN["admin"]
    assert directory.permissions(admin.id, elsewhere.id) == frozenset()
    assert [one.id for one in directory.workspaces_of(viewer.id)] == [here.id]
    town.do(lambda connection: update_user(connection, town.by(), admin.id, {"disabled": True}))
    assert town.directory().permissions(admin.id, there.id) == frozenset()
    assert town.directory().caller_of(admin.id) is None


def test_a_user_calls_from_a_workspace(database: Database) -> None:
    """From the current one, else the first that they see; with what they may do there."""
    town = Town(database)
    here = town.workspace(town.organisation(), settings=WorkspaceSettings(default_model="a/b"))
    person = town.member(here)
    caller = town.directory().caller_of(person.id)
    assert caller is not None
    assert (caller.account.workspace_id, caller.account.user_id, caller.tenant) == (here.id, person.id, here.slug)
    assert caller.permissions == BUILT_IN["member"]
    assert caller.owner == f"workspace:{here.id}"
    assert caller.bounds is not None
    assert caller.bounds.default_model == "a/b"


def test_nobody_calls_from_a_workspace_that_was_put_away(database: Database) -> None:
    """Also where it is still the current one: another takes its place, or none."""
    town = Town(database)
    home = town.organisation()
    here, there = town.workspace(home), town.workspace(home)
    person = town.member(here)
    town.do(lambda c: set_current_workspace(c, town.by(), person.id, here.id))
    town.do(lambda c: archive_workspace(c, town.by(), here.id))
    caller = town.directory().caller_of(person.id)
    assert caller is not None
    assert (caller.workspace, caller.permissions) == ("", frozenset())
    town.do(lambda c: add_member(c, town.by(), workspace_id=there.id, user_id=person.id, role="member"))
    caller = town.directory().caller_of(person.id)
    assert caller is not None
    assert caller.workspace == there.id


def test_a_key_of_a_user_may_no_more_than_they(database: Database) -> None:
    """What a key was given and its user lost is lost; who is no more in the workspace has no key there."""
    town = Town(database)
    here = town.workspace(town.organisation())
    town.member(here, "owner")
    person = town.member(here, "owner")
    plain, _ = town.key(here, user_id=person.id, scopes=Scopes(permissions=("keys:write", "usage:read")))
    town.directory()
    assert town.keyring.identify(plain.encode()).permissions == {"models:call", "keys:write", "usage:read"}
    town.do(lambda one: change_member(one, town.by(), workspace_id=here.id, user_id=person.id, role="billing"))
    town.directory()
    assert town.keyring.identify(plain.encode()).permissions == {"usage:read"}
    town.do(lambda one: remove_member(one, town.by(), workspace_id=here.id, user_id=person.id))
    town.directory()
    with pytest.raises(AuthenticationFailed, match="no more in this workspace"):
        town.keyring.identify(plain.encode())
