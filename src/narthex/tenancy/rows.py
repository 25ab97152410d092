"""Rows of the database, to records and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar, cast

import msgspec
from sqlalchemy import ColumnElement, Connection, Executable, Table, select, tuple_

from narthex.stores.database.schema import api_keys, members, organisations, roles, users, workspaces
from narthex.tenancy.directory import Held, Kind
from narthex.tenancy.records import Member, Organisation, Role, User, VirtualKey, Workspace

TABLES: Final[Mapping[Kind, Table]] = {
    "organisation": organisations,
    "workspace": workspaces,
    "user": users,
    "role": roles,
    "member": members,
    "key": api_keys,
}
_RECORDS: Final[Mapping[Kind, type[Held]]] = {
    "organisation": Organisation,
    "workspace": Workspace,
    "user": User,
    "role": Role,
    "member": Member,
    "key": VirtualKey,
}
_MOST_AT_ONCE: Final = 500
"""IDs in one statement."""

R = TypeVar("R", bound=msgspec.Struct)


def columns_of(record: type[msgspec.Struct], table: Table) -> list[ColumnElement[object]]:
    """Return the columns that a record is made of."""
    return [table.c[name] for name in record.__struct_fields__]


def records(connection: Connection, query: Executable, record: type[R]) -> list[R]:
    """Return what a query of a record's columns, in their order, finds."""
    names = record.__struct_fields__
    return [
        msgspec.convert(dict(zip(names, row, strict=True)), record, builtin_types=(bytes,))
        for row in connection.execute(query)
    ]


def record_of(connection: Connection, record: type[R], table: Table, *where: ColumnElement[bool]) -> R | None:
    """Return the one record that fits, or None."""
    found = records(connection, select(*columns_of(record, table)).where(*where), record)
    return found[0] if found else None


def read_all(connection: Connection) -> dict[Kind, Sequence[Held]]:
    """Return everything that the directory holds."""
    return {
        kind: records(connection, select(*columns_of(_RECORDS[kind], TABLES[kind])), _RECORDS[kind]) for kind in TABLES
    }


def read_some(connection: Connection, kind: Kind, subjects: Iterable[str]) -> list[Held]:
    """Return those of some records that there are; members are named `workspace/user`."""
    table, record, wanted = TABLES[kind], _RECORDS[kind], list(dict.fromkeys(subjects))
    found: list[Held] = []
    for start in range(0, len(wanted), _MOST_AT_ONCE):
        part = wanted[start : start + _MOST_AT_ONCE]
        query = select(*columns_of(record, table)).where(_named(kind, table, part))
        found += cast("Sequence[Held]", records(connection, query, record))
    return found


def _named(kind: Kind, table: Table, subjects: Sequence[str]) -> ColumnElement[bool]:
    if kind != "member":
        return table.c.id.in_(subjects)
    pairs = [tuple(one.split("/", 1)) for one in subjects]
    return tuple_(table.c.workspace_id, table.c.user_id).in_(pairs)
