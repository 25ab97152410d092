"""What a caller may do where."""

from __future__ import annotations

from dataclasses import replace

from narthex.stores.database import Database
from narthex.tenancy.keys import LOCAL
from narthex.tenancy.organisations import ensure_defaults
from narthex.tenancy.permissions import ALL, BUILT_IN
from narthex.tenancy.reach import in_organisation, in_workspace, on_installation, visible_workspaces
from narthex.tenancy.scopes import Scopes
from narthex.types.accounts import DEFAULT_ORGANISATION, DEFAULT_WORKSPACE
from tests.tenancy.towns import Town

NONE: frozenset[str] = frozenset()


def test_a_virtual_key_reaches_its_workspace(database: Database) -> None:
    """There what its scopes say, and nothing anywhere else; to the organisation what its user may as well."""
    town = Town(database)
    home = town.organisation()
    here, there = town.workspace(home), town.workspace(home)
    admin = town.user(home, "admin")
    scopes = Scopes(permissions=("keys:read", "users:read"))
    plain, _ = town.key(here, scopes=scopes)
    of_admin, _ = town.key(here, scopes=scopes, user_id=admin.id)
    directory = town.directory()
    caller, strong = (town.keyring.identify(one.encode()) for one in (plain, of_admin))
    assert in_workspace(directory, caller, here.id) == {"models:call", "keys:read", "users:read"}
    assert in_workspace(directory, strong, there.id) == in_workspace(directory, caller, there.id) == NONE
    assert in_organisation(directory, caller, home.id) == NONE
    assert in_organisation(directory, strong, home.id) == {"models:call", "keys:read", "users:read"}
    assert visible_workspaces(directory, caller, "keys:read") == [here.id]
    assert visible_workspaces(directory, caller, "usage:read") == []
    assert on_installation(directory, strong) == NONE


def test_a_person_reaches_where_they_are(database: Database) -> None:
    """By membership here, and by the role in the organisation everywhere in it; nothing in another one."""
    town = Town(database)
    home, other = town.organisation(), town.organisation()
    here, there, elsewhere = town.workspace(home), town.workspace(home), town.workspace(other)
    person, admin = town.member(here, "member"), town.user(home, "admin")
    directory = town.directory()
    caller, strong = directory.caller_of(person.id), directory.caller_of(admin.id)
    assert caller is not None
    assert strong is not None
    assert in_workspace(directory, caller, here.id) == BUILT_IN["member"]
    assert in_workspace(directory, caller, there.id) == NONE
    assert in_workspace(directory, strong, there.id) == in_organisation(directory, strong, home.id) == BUILT_IN["admin"]
    assert in_workspace(directory, strong, elsewhere.id) == in_organisation(directory, strong, other.id) == NONE
    assert visible_workspaces(directory, caller, "workspaces:read") == [here.id]
    assert sorted(visible_workspaces(directory, strong, "workspaces:read") or []) == sorted([here.id, there.id])
    assert on_installation(directory, strong) == NONE


def test_who_runs_the_server_reaches_everything(database: Database) -> None:
    """The local user and the keys of the configuration; of all others those who run the default organisation."""
    town = Town(database)
    town.do(lambda one: ensure_defaults(one, town.by()))
    home = town.organisation()
    where = town.workspace(home)
    directory = town.directory()
    assert in_workspace(directory, LOCAL, where.id) == in_organisation(directory, LOCAL, home.id) == ALL
    assert visible_workspaces(directory, LOCAL, "keys:read") is None
    chief = town.user(directory.organisations[DEFAULT_ORGANISATION], "owner")
    directory = town.directory()
    caller = directory.caller_of(chief.id)
    assert caller is not None
    assert caller.account.workspace_id == DEFAULT_WORKSPACE
    assert on_installation(directory, caller) == ALL
    assert on_installation(directory, replace(LOCAL, is_operator=False)) == NONE
