"""Rows that people change: made, found, changed under their version, and listed page by page, the newest first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, and_, false, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from narthex.errors import AlreadyExists, InvalidRequest, NotFound, VersionConflict
from narthex.tenancy import reach
from narthex.tenancy.directory import Directory
from narthex.tenancy.keys import Caller
from narthex.tenancy.paging import Page, Part, cursor, place_of
from narthex.tenancy.rows import columns_of, record_of, records

R = TypeVar("R", bound=msgspec.Struct)
Values = Mapping[str, object]

_MOST_AT_ONCE: Final = 500
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def made(connection: Connection, table: Table, values: Values, record: type[R], *, taken: str) -> R:
    """Write a new row, and return it.

    Raises:
        AlreadyExists: Another one has the name; `taken` says which.
    """
    try:
        with connection.begin_nested():
            connection.execute(insert(table).values(**_plain(values)))
    except IntegrityError as error:
        raise AlreadyExists(taken) from error
    return msgspec.convert(
        {name: values.get(name) for name in record.__struct_fields__}, record, builtin_types=(bytes,)
    )


def found(connection: Connection, table: Table, record: type[R], *where: ColumnElement[bool], what: str) -> R:
    """Return the one row.

    Raises:
        NotFound: There is none; `what` says what was looked for.
    """
    one = record_of(connection, record, table, *where)
    if one is None:
        raise NotFound(f"there is no {what}")
    return one


def changed(
    connection: Connection,
    table: Table,
    where: ColumnElement[bool],
    values: Values,
    *,
    version: int | None,
    taken: str = "",
) -> None:
    """Change a row, which counts its version on.

    Args:
        connection: In the transaction.
        table: Of the row.
        where: Which one; it is there.
        values: What is set.
        version: Which version is meant; None for whichever there is.
        taken: What is said where another one has the name.

    Raises:
        VersionConflict: It has another version.
        AlreadyExists: Another one has the name.
    """
    if version is not None:
        where = and_(where, table.c.version == version)
    statement = update(table).where(where).values(**_plain(values), version=table.c.version + 1)
    try:
        with connection.begin_nested():
            done = connection.execute(statement).rowcount
    except IntegrityError as error:
        raise AlreadyExists(taken) from error
    if not done:
        raise VersionConflict


def slug_of(text: str, *, param: str = "slug") -> str:
    """Return a name for addresses and tenants, if it is one.

    Raises:
        InvalidRequest: It is none.
    """
    if not _SLUG.fullmatch(text):
        message = f"{text[:64]!r} is no slug: up to 63 lower-case letters, digits and `-`, a letter or digit first"
        raise InvalidRequest(message, param=param)
    return text


def listed(
    connection: Connection, table: Table, record: type[R], where: Sequence[ColumnElement[bool]], page: Page
) -> Part[R]:
    """Return a part of a list, the newest first.

    Raises:
        InvalidRequest: The place to go on from is none that was told.
    """
    name = "id" if "id" in record.__struct_fields__ else "user_id"
    created = "created_at" if "created_at" in record.__struct_fields__ else name
    first, second = table.c[created], table.c[name]
    query = select(*columns_of(record, table)).where(*where).order_by(first.desc(), second.desc())
    if page.after is not None:
        at, last = place_of(page.after, is_time=created != name)
        query = query.where(or_(first < at, and_(first == at, second < last)))
    items = records(connection, query.limit(page.limit + 1), record)
    if len(items) <= page.limit:
        return Part(items, None)
    kept = items[: page.limit]
    return Part(kept, cursor(getattr(kept[-1], created), getattr(kept[-1], name)))


def every(connection: Connection, table: Table, record: type[R], where: Sequence[ColumnElement[bool]]) -> list[R]:
    """Return a whole list, the newest first."""
    items: list[R] = []
    after: str | None = None
    while True:
        part = listed(connection, table, record, where, Page(_MOST_AT_ONCE, after))
        items += part.items
        if part.next is None:
            return items
        after = part.next


def reached(
    directory: Directory, caller: Caller, table: Table, permission: str, *, in_organisation: str
) -> list[ColumnElement[bool]]:
    """Return what a list of rows is narrowed to, of which some belong to a workspace and some to all of them.

    Args:
        directory: Knows who may do what.
        caller: Who asks.
        table: With the columns `organisation_id` and `workspace_id`.
        permission: What is needed in a workspace, to see the rows of it.
        in_organisation: What is needed in all of the organisation, to see those of no workspace.
    """
    workspaces = reach.visible_workspaces(directory, caller, permission)
    if workspaces is None:
        return []
    organisation_id = caller.account.organisation_id
    everywhere = in_organisation in reach.in_organisation(directory, caller, organisation_id)
    all_of_it = table.c.workspace_id.is_(None) if everywhere else false()
    return [and_(table.c.organisation_id == organisation_id, or_(all_of_it, table.c.workspace_id.in_(workspaces)))]


def _plain(values: Values) -> dict[str, object]:
    """Return values as columns take them."""
    return {name: _column(value) for name, value in values.items()}


def _column(value: object) -> object:
    if isinstance(value, str):
        # PostgreSQL takes every character but this one.
        return value.replace("\0", "\ufffd")
    return msgspec.to_builtins(value) if isinstance(value, msgspec.Struct | tuple) else value
