"""How a database stands, and whether it is whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from sqlalchemy import Connection, func, inspect, select

from narthex.stores.database.addresses import Kind
from narthex.stores.database.migrations import HEAD
from narthex.stores.database.migrations.running import version_of_tables
from narthex.stores.database.port import Database
from narthex.stores.database.schema import metadata

_MOST: Final = 100
"""Faults that are told, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a database stands."""

    address: str
    database: Kind
    server: str
    """Version of SQLite or of the server."""
    schema: str | None
    """What it has; None for an empty one."""
    newest: str
    """What this version of Narthex needs."""
    size_bytes: int
    rows: dict[str, int]
    """How many there are, by table."""


def standing_of(database: Database) -> Standing:
    """Return how a database stands, whatever its schema."""
    address = database.address

    def work(connection: Connection) -> Standing:
        version = ".".join(map(str, connection.dialect.server_version_info or ()))
        return Standing(
            address=address.shown,
            database=address.kind,
            server=version,
            schema=version_of_tables(connection),
            newest=HEAD,
            size_bytes=_size(connection),
            rows=_counts(connection),
        )

    return database.read_now(work)


def _size(connection: Connection) -> int:
    if connection.dialect.name == "postgresql":
        return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
    pages, size = (connection.exec_driver_sql(f"PRAGMA page_{what}").scalar_one() for what in ("count", "size"))
    return int(pages * size)


def _counts(connection: Connection) -> dict[str, int]:
    there = set(inspect(connection).get_table_names())
    names = sorted(there & set(metadata.tables))
    return {
        name: connection.execute(select(func.count()).select_from(metadata.tables[name])).scalar_one() for name in names
    }


def faults_of(database: Database) -> list[str]:
    """Return what is wrong with a database, one line each; reads all of it.

    Raises:
        StoreCorrupt: It is damaged so that it cannot be read to its end.
        StoreUnavailable: It cannot be used.
    """
    return database.read_now(lambda connection: list(islice(_faults(connection), _MOST)))


def _faults(connection: Connection) -> Iterator[str]:
    # Loaded here: who only looks at how it stands does not need it.
    from narthex.stores.database.migrations.alembic import difference  # noqa: PLC0415

    if connection.dialect.name == "sqlite":
        for (found,) in connection.exec_driver_sql(f"PRAGMA integrity_check({_MOST})"):
            if found != "ok":
                yield str(found)
        for table, row, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
            yield f"{table}: row {row} belongs to a row of {parent} that is not there"
    else:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        yield from _not_valid(connection)
    version = version_of_tables(connection)
    if version != HEAD:
        yield f"it has schema {version}, and this version of Narthex needs {HEAD}: run `narthex db migrate`"
        return
    _counts(connection)
    if difference(connection):
        yield "its tables are not those of this version: something else has changed them"


def _not_valid(connection: Connection) -> Iterator[str]:
    found = connection.exec_driver_sql(
        "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT i.indisvalid"
    )
    for (name,) in found:
        yield f"the index {name} is not valid: run REINDEX INDEX {name}"
