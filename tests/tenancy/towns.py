"""Organisations, workspaces and people for tests: made in a database as the services make them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from narthex.audit.records import Actor
from narthex.stores.database import Database
from narthex.tenancy.acting import Acting
from narthex.tenancy.directory import Directory
from narthex.tenancy.issuing import Wish, issue_key
from narthex.tenancy.keys import Keyring
from narthex.tenancy.members import add_member
from narthex.tenancy.organisations import create_organisation
from narthex.tenancy.records import Organisation, User, VirtualKey, Workspace
from narthex.tenancy.rows import read_all
from narthex.tenancy.users import create_user
from narthex.tenancy.workspaces import NewWorkspace, create_workspace

T = TypeVar("T")
P = ParamSpec("P")
NOW = 1_700_000_000_000


class WrittenDown:
    """An audit log that a test reads."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, Mapping[str, object]]] = []

    def write(self, connection: Connection, action: str, **fields: object) -> None:
        """Keep a row."""
        self.rows.append((action, fields))

    def note(self, action: str, **fields: object) -> None:
        """Keep a note."""
        self.rows.append((action, fields))

    @property
    def actions(self) -> list[str]:
        """What was done, in order."""
        return [action for action, _ in self.rows]


class Town:
    """A database with what services wrote into it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.audit = WrittenDown()
        self.keyring = Keyring([], pepper=b"p" * 32)
        self._numbers = itertools.count(1)

    def by(self, permissions: frozenset[str] | None = None, *, now: int = NOW) -> Acting:
        """Return somebody who may do this, or everything."""
        return Acting(actor=Actor("cli", "test"), audit=self.audit, now=now, permissions=permissions)

    def do(self, work: Callable[Concatenate[Connection, P], T], *given: P.args, **named: P.kwargs) -> T:
        """Write in a transaction."""
        return self.database.write_now(lambda connection: work(connection, *given, **named))

    def organisation(self) -> Organisation:
        """Make an organisation."""
        slug = f"org-{next(self._numbers)}"
        return self.do(lambda connection: create_organisation(connection, self.by(), slug=slug, name=slug))

    def workspace(self, organisation: Organisation, **more: object) -> Workspace:
        """Make a workspace."""
        slug = f"ws-{next(self._numbers)}"
        values = {"organisation_id": organisation.id, "slug": slug, "name": slug, **more}
        wish = NewWorkspace(**values)  # type: ignore[arg-type]  # a test's own
        return self.do(lambda connection: create_workspace(connection, self.by(), wish))

    def user(self, organisation: Organisation, role: str = "member") -> User:
        """Make a person."""
        email = f"p{next(self._numbers)}@example.org"
        return self.do(
            lambda connection: create_user(
                connection, self.by(), organisation_id=organisation.id, name="P", email=email, role=role
            )
        )

    def member(self, workspace: Workspace, role: str = "member") -> User:
        """Make a person who is in a workspace."""
        person = self.user(
            Organisation(id=workspace.organisation_id, slug="", name="", settings={}, created_at=0, version=1)
        )
        self.do(
            lambda connection: add_member(
                connection, self.by(), workspace_id=workspace.id, user_id=person.id, role=role
            )
        )
        return person

    def key(self, workspace: Workspace, **more: object) -> tuple[str, VirtualKey]:
        """Issue a key."""
        values = {"name": "k", "workspace_id": workspace.id, **more}
        wish = Wish(**values)  # type: ignore[arg-type]  # a test's own
        return self.do(lambda connection: issue_key(connection, self.by(), wish, mark=self.keyring.mark_of))

    def directory(self) -> Directory:
        """Return a directory that was loaded now."""
        directory = Directory(self.keyring)
        directory.load(self.database.read_now(read_all))
        return directory
