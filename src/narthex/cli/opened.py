"""The accounts, opened from the command line: beside a running server, which learns of changes, or without one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, or_, select

from narthex.cli.accounts import Opened as OpenedAccounts
from narthex.cli.accounts import opened_accounts
from narthex.cli.rows import show_all
from narthex.errors import NotFound
from narthex.stores.database.schema import organisations, users, workspaces
from narthex.tenancy.editing import every
from narthex.tenancy.keys import KeyMark, Keyring
from narthex.tenancy.opening import KEYS_PURPOSE
from narthex.tenancy.organisations import ensure_defaults
from narthex.types.accounts import DEFAULT_ORGANISATION

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(OpenedAccounts):
    """The accounts, while a command runs."""

    mark: Callable[[bytes], KeyMark]
    """Returns what a key is held by."""

    @property
    def data_dir(self) -> Path:
        """The data folder."""
        return self.settings.data_dir.expanduser()

    def read(self, work: Callable[[Connection], T]) -> T:
        """Read."""
        return self.database.read_now(work)

    def organisation_id(self, named: str | None) -> str:
        """Return the ID of the organisation that is named by ID or slug; by default of the default one.

        Raises:
            NotFound: There is none.
        """
        wanted = named or DEFAULT_ORGANISATION
        query = select(organisations.c.id).where(or_(organisations.c.id == wanted, organisations.c.slug == wanted))
        return _one(self.read(lambda connection: connection.scalars(query).all()), f"organisation {wanted!r}")

    def workspace_id(self, named: str) -> str:
        """Return the ID of the workspace that is named by ID or slug.

        Raises:
            NotFound: There is none, or several organisations have one of this slug.
        """
        query = select(workspaces.c.id).where(or_(workspaces.c.id == named, workspaces.c.slug == named))
        return _one(self.read(lambda connection: connection.scalars(query).all()), f"workspace {named!r}")

    def user_id(self, named: str) -> str:
        """Return the ID of the user that is named by ID or e-mail address.

        Raises:
            NotFound: There is none.
        """
        query = select(users.c.id).where(or_(users.c.id == named, users.c.email == named.lower()))
        return _one(self.read(lambda connection: connection.scalars(query).all()), f"user {named!r}")


@contextmanager
def opened_services(file: Path | None = None) -> Iterator[Opened]:
    """Open the accounts of the configuration, which are made if they are not there, and close them again.

    Args:
        file: The configuration file; by default the one that would be found.

    Raises:
        NarthexError: The configuration or the database cannot be used.
    """
    with opened_accounts(file, is_made=True) as base:
        ring = Keyring([], pepper=base.sealer.mac_key(KEYS_PURPOSE))
        opened = Opened(base.settings, base.database, base.sealer, base.audit, mark=ring.mark_of)
        opened.write(ensure_defaults)
        yield opened


def _one(found: object, what: str) -> str:
    ids = list(found) if isinstance(found, list | tuple) else []
    if not ids:
        raise NotFound(f"there is no {what}")
    if len(ids) > 1:
        raise NotFound(f"there are several of the name {what}; give its ID")
    return str(ids[0])


def list_accounts(
    file: Path | None,
    table: Table,
    record: type[msgspec.Struct],
    columns: Sequence[str],
    *,
    as_json: bool,
    where: Sequence[ColumnElement[bool]] = (),
    organisation: str | None = None,
    workspace: str | None = None,
) -> None:
    """Print rows, the newest first; only those of an organisation or a workspace where one is named by ID or slug."""
    with opened_services(file) as opened:
        narrowed = list(where)
        if organisation is not None:
            narrowed.append(table.c.organisation_id == opened.organisation_id(organisation))
        if workspace is not None:
            narrowed.append(table.c.workspace_id == opened.workspace_id(workspace))
        show_all(opened.read(lambda connection: every(connection, table, record, narrowed)), columns, as_json)
