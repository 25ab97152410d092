"""Copies a whole database into a backup, from one moment, while it is used; and back, all or nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy import JSON, Column, Connection, LargeBinary, Table, Text, inspect, literal, select
from sqlalchemy import cast as sql_cast

from narthex import __version__
from narthex.errors import BackupUnusable, SchemaNewer, StoreCorrupt
from narthex.stores.database.addresses import Address
from narthex.stores.database.backups import (
    BackupReader,
    ColumnEntry,
    Manifest,
    Row,
    TableEntry,
    new_backup,
    read_backup,
)
from narthex.stores.database.contract import DatabaseOptions
from narthex.stores.database.failures import told
from narthex.stores.database.migrations import HEAD, KNOWN
from narthex.stores.database.migrations.running import (
    alone,
    check_orphans,
    make_schema,
    refuse_unknown,
    version_of,
    version_of_tables,
)
from narthex.stores.database.port import Database
from narthex.stores.database.schema import metadata
from narthex.stores.database.slow_queries import QueryLog
from narthex.stores.database.sqlite import make_file

logger = logging.getLogger(__name__)

_GROUP: Final = 1_000
"""Rows that are read or written at once."""


def back_up(database: Database, path: Path, *, force: bool = False) -> Manifest:
    """Write all that the database holds into a file, as it is at one moment; others go on working.

    Raises:
        BackupUnusable: There is such a file already, and `force` is not set.
        SchemaNewer: The database belongs to a newer version of Narthex.
        StoreCorrupt: It has an older schema, or none.
    """

    def work(connection: Connection) -> Manifest:
        _from_one_moment(connection)
        _refuse_other(version_of(connection), database.address)
        with new_backup(path, force=force) as writer:
            for table in metadata.sorted_tables:
                columns = tuple(_entry(column) for column in table.columns)
                writer.table(str(table.name), columns, _rows(connection, table))
            return writer.finish(version=__version__, schema=HEAD, database=database.address.kind)

    return database.read_now(work)


def _from_one_moment(connection: Connection) -> None:
    """Have all statements of this transaction see the same; in SQLite they do anyhow."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")


def _refuse_other(version: str | None, address: Address) -> None:
    if version is not None:
        refuse_unknown(version, address)
    if version != HEAD:
        raise StoreCorrupt(f"the database {address.shown} has schema {version}: run `narthex db migrate` first")


def _entry(column: Column[object]) -> ColumnEntry:
    # Not SQLAlchemy's own kind of text.
    return ColumnEntry(name=str(column.name), encoding="base64" if isinstance(column.type, LargeBinary) else "plain")


def _rows(connection: Connection, table: Table) -> Iterator[Row]:
    # JSON as its text: what is written back is then the same to the letter.
    columns = [sql_cast(column, Text) if isinstance(column.type, JSON) else column for column in table.columns]
    found = connection.execution_options(yield_per=_GROUP).execute(select(*columns))
    return (tuple(row) for row in found)


def restore(address: Address, options: DatabaseOptions, path: Path, *, force: bool = False) -> Manifest:
    """Give a database what a backup holds, and the schema of this version; all or nothing.

    Args:
        address: Where the database is.
        options: How it is used.
        path: The backup, from either kind of database, of this version or an older one.
        force: Whether what is in the database is deleted; a file of SQLite that is damaged, or of a newer version of
            Narthex, is renamed.

    Raises:
        BackupUnusable: The file is no backup, or damaged, or the database is not empty.
        SchemaNewer: The backup or the database is from a newer version of Narthex.
        StoreUnavailable: The database cannot be used.
    """
    with read_backup(path) as backup:
        if backup.manifest.schema not in KNOWN:
            raise SchemaNewer(
                f"{path} has schema {backup.manifest.schema}, and this version of Narthex knows {HEAD} at most: "
                f"install Narthex {backup.manifest.narthex} or later"
            )
        if address.path is not None:
            make_file(address.path)
            if force:
                _set_aside(address.path, address, options)
        with told(address), alone(address, options, QueryLog(options.slow_query_ms)) as connection:
            _empty(connection, address, force=force)
            make_schema(connection, backup.manifest.schema)
            _fill(connection, backup, path)
            if backup.manifest.schema != HEAD:
                make_schema(connection, HEAD)
            check_orphans(connection, address)
        return backup.manifest


def _set_aside(path: Path, address: Address, options: DatabaseOptions) -> None:
    """Rename a file that nothing can be written to as it is, so that a new one can be made; nothing of it is lost."""
    try:
        with told(address), alone(address, options, QueryLog(options.slow_query_ms)) as connection:
            known = version_of_tables(connection) in {None, *KNOWN}
            if known and connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() == "ok":
                return
    except StoreCorrupt:
        # That is what is found out here.
        pass
    aside = f"{path}.{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
    # The file last: a new one must not find the write-ahead log of this one.
    for ending in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            Path(f"{path}{ending}").rename(f"{aside}{ending}")
    logger.warning("database: %s is damaged, or of a newer version of Narthex: it is %s now", path, aside)
    make_file(path)


def _empty(connection: Connection, address: Address, *, force: bool) -> None:
    there = set(inspect(connection).get_table_names())
    version = version_of_tables(connection)
    if version is not None:
        refuse_unknown(version, address)
    ours = [table for table in reversed(metadata.sorted_tables) if table.name in there]
    if not force and any(connection.execute(select(literal(1)).select_from(table).limit(1)).first() for table in ours):
        raise BackupUnusable(
            f"the database {address.shown} is not empty: set `[database] url` to another, or replace all that is in it "
            "with --force"
        )
    for table in ours:
        table.drop(connection)
    if "alembic_version" in there:
        connection.exec_driver_sql("DROP TABLE alembic_version")


def _fill(connection: Connection, backup: BackupReader, path: Path) -> None:
    inspector = inspect(connection)
    for table in backup.manifest.tables:
        there = (
            {column["name"] for column in inspector.get_columns(table.name)}
            if inspector.has_table(table.name)
            else set()
        )
        if not {column.name for column in table.columns} <= there:
            raise BackupUnusable(f"{path} holds columns of {table.name!r} that schema {backup.manifest.schema} has not")
        _insert(connection, table, backup.rows(table))


def _insert(connection: Connection, table: TableEntry, rows: Iterable[Row]) -> None:
    quote = connection.dialect.identifier_preparer.quote
    columns = ", ".join(quote(column.name) for column in table.columns)
    if connection.dialect.name == "postgresql":
        # The driver is an extra.
        from narthex.stores.database.postgresql import copy_rows  # noqa: PLC0415

        copy_rows(connection, f"COPY {quote(table.name)} ({columns}) FROM STDIN", rows)
        _advance(connection, table)
        return
    marks = ", ".join("?" * len(table.columns))
    statement = f"INSERT INTO {quote(table.name)} ({columns}) VALUES ({marks})"  # noqa: S608 - names that are there
    waiting = iter(rows)
    while group := list(islice(waiting, _GROUP)):
        connection.exec_driver_sql(statement, group)


def _advance(connection: Connection, table: TableEntry) -> None:
    """Have a column that counts by itself go on after the last row."""
    for column in inspect(connection).get_columns(table.name):
        if "nextval" in str(column.get("default")):
            quote = connection.dialect.identifier_preparer.quote
            last = f"(SELECT max({quote(column['name'])}) FROM {quote(table.name)})"  # noqa: S608 - names that are there
            sequence = f"pg_get_serial_sequence('{quote(table.name)}', '{column['name']}')"
            connection.exec_driver_sql(f"SELECT setval({sequence}, {last}) WHERE {last} IS NOT NULL")
