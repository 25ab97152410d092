"""A database with many rows, made quickly: those of an installation that has been used for long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from sqlalchemy import JSON, BigInteger, Boolean, Column, Connection, Integer, LargeBinary, Table, text

from narthex.stores.database import Database
from narthex.stores.database.schema import (
    api_keys,
    audit_entries,
    changes,
    ledger_entries,
    organisations,
    sessions,
    usage_days,
    usage_hours,
    usage_key_days,
    users,
    workspaces,
)

BEGIN_MS: Final = 1_800_000_000_000
STEP_MS: Final = 500
"""Between two rows of the ledger."""
HOUR_MS: Final = 3_600_000

_KINDS: Final = {
    "organisation_id": ("org_", 10),
    "workspace_id": ("ws_", 100),
    "current_workspace_id": ("ws_", 100),
    "user_id": ("usr_", 1_000),
    "actor": ("usr_", 1_000),
    "key_id": ("key_", 1_000),
    "end_user": ("end_", 5_000),
    "request_id": ("req_", 1_000_000_000),
    "model": ("model_", 20),
}
"""How columns that say whose a row is begin, and how many of them there are."""
_OWN: Final = {"organisations": "org_", "workspaces": "ws_", "users": "usr_", "api_keys": "key_"}


def crowd(rows: int) -> Callable[[Connection], None]:
    """Return a work that writes `rows` rows into the ledger, and as many as go with them into the other tables."""

    def work(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        for table, count in (
            (organisations, 10),
            (workspaces, 100),
            (users, 1_000),
            (api_keys, 1_000),
            (sessions, 1_000),
            (changes, rows // 4),
            (audit_entries, rows // 4),
            (usage_hours, rows // 4),
            (usage_days, rows // 40),
            (usage_key_days, rows // 20),
            (ledger_entries, rows),
        ):
            connection.execute(text(_insert(table, count, connection.dialect.name)))

    return work


def count_up(database: Database) -> None:
    """Have the database learn how its rows are distributed, as it does by itself in time."""
    database.write_now(lambda connection: connection.exec_driver_sql("ANALYZE").close())


def _insert(table: Table, count: int, dialect: str) -> str:
    numbers = (
        f"SELECT i FROM generate_series(0, {count - 1}) AS g(i)"  # noqa: S608
        if dialect == "postgresql"
        else f"WITH RECURSIVE g(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM g WHERE i < {count - 1}) SELECT i FROM g"  # noqa: S608
    )
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    values = ", ".join(_value(column, dialect) for column in table.columns)
    return f"INSERT INTO {table.name} ({names}) SELECT {values} FROM ({numbers}) AS n"  # noqa: S608


def _value(column: Column[object], dialect: str) -> str:
    if column.name in _KINDS:
        prefix, several = _KINDS[column.name]
        return f"'{prefix}' || (i % {several})"
    if column.name == "id":
        return f"'{_OWN.get(str(column.table.name), 'row_')}' || i"
    if column.name in {"at", "created_at", "expires_at"}:
        return f"{BEGIN_MS} + i * {STEP_MS}"
    if column.name == "hour":
        return f"{BEGIN_MS} + (i / 1000) * {HOUR_MS}"
    if column.name == "day":
        return f"{BEGIN_MS} + (i / 100) * {24 * HOUR_MS}"
    if column.name == "seq":
        return "i + 1"
    return _plain(column, dialect)


def _plain(column: Column[object], dialect: str) -> str:
    match cast("object", column.type):
        case Boolean():
            return "i % 2 = 0"
        case Integer() | BigInteger():
            return "i % 1000"
        case JSON():
            return "'{}'"
        case LargeBinary():
            return "convert_to('octets' || i, 'UTF8')" if dialect == "postgresql" else "CAST('octets' || i AS BLOB)"
        case _:
            return "'text' || i"
