"""The database as the rest of Narthex sees it: works that read, and works that write in one transaction."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from narthex.stores.database.addresses import Address, address_of
from narthex.stores.database.contract import DatabaseOptions, Executor, Load, T, Work

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from narthex.stores.database.slow_queries import QueryLog


class Database:
    """One database, SQLite or PostgreSQL, with the schema of this version.

        database = await Database.open(None, data_dir=Path("~/.narthex"))
        names = await database.read(lambda connection: connection.scalars(select(organisations.c.name)).all())

    A work runs in a thread, and gets a connection that is in a transaction. What it returns must not depend on the
    connection: it is closed then. Cancelling who waits leaves a work that has begun to end by itself, whole.
    """

    def __init__(self, address: Address, executor: Executor, queries: QueryLog) -> None:
        """Take what `open` and `open_now` have opened."""
        self.address = address
        self.queries = queries
        self._executor = executor

    @classmethod
    async def open(
        cls, url: str | None, *, data_dir: Path, options: DatabaseOptions | None = None, migrate: bool = True
    ) -> Database:
        """Open the database, and bring its schema up to this version.

        Args:
            url: Where it is; by default the file `main.db` in `data_dir`.
            data_dir: Where that file is.
            options: How it is used.
            migrate: Whether the schema is brought up to this version, or left as it is.

        Raises:
            ConfigError: The URL is none of a database, or the package for it is not installed.
            SchemaNewer: The database belongs to a newer version of Narthex.
            StoreUnavailable: It cannot be used, for the reason that is the class of the error.
        """
        return await asyncio.to_thread(cls.open_now, url, data_dir=data_dir, options=options, migrate=migrate)

    @classmethod
    def open_now(
        cls, url: str | None, *, data_dir: Path, options: DatabaseOptions | None = None, migrate: bool = True
    ) -> Database:
        """Do what `open` does, in this thread."""
        address = address_of(url, data_dir=data_dir)
        # SQLAlchemy takes a quarter of a second to load, and a driver may be not installed.
        from narthex.stores.database.opening import opened  # noqa: PLC0415

        executor, queries = opened(address, options or DatabaseOptions(), migrate=migrate)
        return cls(address, executor, queries)

    async def read(self, work: Work[T]) -> T:
        """Do a work that only reads; what it reads is from one moment (PostgreSQL: each of its statements).

        Raises:
            StoreUnavailable: The database cannot be used.
        """
        return await asyncio.wrap_future(self._executor.read(work))

    async def write(self, work: Work[T]) -> T:
        """Do a work in one transaction; when this returns it is committed, when this raises it is undone.

        On SQLite works are done one after the other, those that wait together in one transaction, each by itself undone
        if it fails. On PostgreSQL they are done side by side, and again if one blocks another.

        Raises:
            StoreUnavailable: The database cannot be used.

        Cancelled before its turn, the work is not done; once begun it is done to its end.
        """
        return await asyncio.wrap_future(self._executor.write(work))

    async def stamp(self) -> str:
        """Return what is another text as soon as anybody, of any process, has committed anything.

        Two that are equal say that what was read after the first is what would be read before the second. It may differ
        where nothing has changed.

        Raises:
            StoreUnavailable: The database cannot be used.
        """
        return await asyncio.wrap_future(self._executor.stamp())

    def read_now(self, work: Work[T]) -> T:
        """Do what `read` does, in this thread."""
        return self._executor.read_now(work)

    def write_now(self, work: Work[T]) -> T:
        """Do what `write` does, while this thread waits; not from within a work."""
        return self._executor.write(work).result()

    def exclusively(self, connection: Connection, name: str) -> None:
        """Wait until no other transaction is within `name`, and stay in it until this one ends.

        For what reads and then writes what no one else may write in between. On SQLite it is so anyhow.
        """
        exclusively(connection, name)

    def flush_log(self) -> None:
        """Leave nothing in SQLite's write-ahead log; after it the file alone holds all, and nothing that was erased.

        Raises:
            StoreBusy: Another process reads.
        """
        self._executor.flush_log()

    def load(self) -> Load:
        """Return how much is going on."""
        return self._executor.load()

    def lines(self) -> Iterator[str]:
        """Yield how much it has to do in Prometheus's text format.

        https://prometheus.io/docs/instrumenting/exposition_formats/
        """
        load, queries = self.load(), self.queries
        yield from _metric("connections", "gauge", "Connections to the database that work.", load.in_use)
        yield from _metric("connections_limit", "gauge", "Connections to the database that there may be.", load.size)
        yield from _metric("waiting", "gauge", "Works that wait for the database.", load.waiting)
        yield from _metric("queries_total", "counter", "Statements done.", queries.statements)
        yield from _metric("query_seconds_total", "counter", "Time that they took.", round(queries.total_s, 6))
        yield from _metric("slow_queries_total", "counter", "Statements that took long.", queries.slow)

    async def close(self) -> None:
        """End what was begun, and close all connections."""
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """Do what `close` does, in this thread."""
        self._executor.close()


def exclusively(connection: Connection, name: str) -> None:
    """Do what `Database.exclusively` does, where there is nothing but a connection."""
    if connection.dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (number,))


def _metric(name: str, kind: str, says: str, value: float) -> Iterator[str]:
    yield f"# HELP narthex_database_{name} {says}"
    yield f"# TYPE narthex_database_{name} {kind}"
    yield f"narthex_database_{name} {value}"
