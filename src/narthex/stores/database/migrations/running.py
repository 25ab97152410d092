"""Finds out what is to be done about a schema, and does it: whole or not at all, and one process at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from sqlite3 import Connection as Driver
from typing import Final

from sqlalchemy import Connection, Engine, event, inspect
from sqlalchemy.exc import OperationalError, ProgrammingError

from narthex.errors import SchemaNewer, StoreCorrupt
from narthex.stores.database import sqlite
from narthex.stores.database.addresses import Address
from narthex.stores.database.contract import DatabaseOptions
from narthex.stores.database.failures import told
from narthex.stores.database.migrations import HEAD, KNOWN
from narthex.stores.database.schema import metadata
from narthex.stores.database.slow_queries import QueryLog

logger = logging.getLogger(__name__)

WAIT_S: Final = 600.0
"""How long another process may take for its migration."""
_LOCK: Final = 5_276_891_284_213_007
"""Number of the lock in PostgreSQL; chosen by lot."""
_TABLE: Final = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)
"""As Alembic makes it."""


def version_of(connection: Connection) -> str | None:
    """Return which schema the database has by one query; None if it has none, which ends the transaction."""
    try:
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    except (OperationalError, ProgrammingError) as error:
        if getattr(error.orig, "sqlstate", None) == "42P01" or "no such table" in str(error.orig):
            return None
        raise
    return None if found is None else str(found)


def version_of_tables(connection: Connection) -> str | None:
    """Return which schema the database has; None if it has none. The transaction goes on either way."""
    return version_of(connection) if inspect(connection).has_table("alembic_version") else None


def bring_up(address: Address, options: DatabaseOptions, queries: QueryLog) -> None:
    """Give a database the schema of this version.

    Raises:
        SchemaNewer: It belongs to a newer version of Narthex.
        StoreCorrupt: It holds tables of Narthex and no number, or rows that do not fit together.
        StoreUnavailable: It cannot be used.
    """
    with told(address), alone(address, options, queries) as connection:
        version = version_of_tables(connection)
        if version is None:
            _make(connection, address, set(inspect(connection).get_table_names()))
        elif version != HEAD:
            refuse_unknown(version, address)
            logger.info("database: %s: from schema %s to %s", address.shown, version, HEAD)
            make_schema(connection, HEAD)
            check_orphans(connection, address)


def refuse_unknown(version: str, address: Address) -> None:
    """Refuse a schema that this version does not know.

    Raises:
        SchemaNewer: It is none of those that this version can bring up.
    """
    if version not in KNOWN:
        raise SchemaNewer(
            f"the database {address.shown} has schema {version}, and this version of Narthex knows {HEAD} at most: "
            "install the version that used it last, or restore a backup from before with `narthex db restore`, into an "
            "empty database or, of SQLite, with --force"
        )


def _make(connection: Connection, address: Address, tables: set[str]) -> None:
    if tables & set(metadata.tables):
        raise StoreCorrupt(
            f"the database {address.shown} holds tables of Narthex, and does not say of which version: restore a "
            "backup with `narthex db restore --force`, or set `[database] url` to an empty database"
        )
    if "alembic_version" in tables:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    make_schema(connection, HEAD)


def make_schema(connection: Connection, version: str) -> None:
    """Make the tables of a schema where there are none, or do the steps to it from an older one."""
    if version == HEAD and version_of_tables(connection) is None:
        metadata.create_all(connection)
        connection.exec_driver_sql(_TABLE)
        connection.exec_driver_sql(f"INSERT INTO alembic_version (version_num) VALUES ('{HEAD}')")  # noqa: S608 - ours
        return
    # Loaded only here: nearly every start has nothing to do.
    from narthex.stores.database.migrations.alembic import upgrade  # noqa: PLC0415

    upgrade(connection, version)


def check_orphans(connection: Connection, address: Address) -> None:
    """Refuse rows that belong to rows that are not there; PostgreSQL takes none.

    Raises:
        StoreCorrupt: There are some.
    """
    if address.kind == "sqlite" and (row := connection.exec_driver_sql("PRAGMA foreign_key_check").first()):
        raise StoreCorrupt(f"the database {address.shown}: rows of {row[0]!r} belong to rows of {row[2]!r} not there")


@contextmanager
def alone(address: Address, options: DatabaseOptions, queries: QueryLog) -> Iterator[Connection]:
    """Hold the one transaction in which the schema may be changed; another process waits for its end."""
    made, lock = _engine(address, replace(options, busy_timeout_s=WAIT_S, statement_timeout_s=WAIT_S), queries)
    try:
        with made.begin() as connection:
            lock(connection)
            yield connection
    finally:
        made.dispose()


def _engine(
    address: Address, options: DatabaseOptions, queries: QueryLog
) -> tuple[Engine, Callable[[Connection], object]]:
    if address.kind == "postgresql":
        # The driver is an extra.
        from narthex.stores.database import postgresql  # noqa: PLC0415

        options = replace(options, pool_size=1, pool_overflow=0)
        made = postgresql.engine(address, options, queries)
        return made, lambda connection: connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    made = sqlite.engine(address, options, queries, writes=True)

    def connected(driver: Driver, _record: object) -> None:
        # Alembic makes a table anew to change it; while it is away what belongs to it would be deleted too.
        driver.execute("PRAGMA foreign_keys = OFF")

    event.listen(made, "connect", connected)
    return made, lambda _: None
