"""PostgreSQL: several connections, each used by one thread at a time.

Transactions see what others have committed. Two that must not happen at once take `Database.exclusively`.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, cast

from psycopg import Connection as Driver
from psycopg import DataError, Error
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from narthex.errors import BackupUnusable, StoreUnreachable
from narthex.stores.database.addresses import Address
from narthex.stores.database.contract import DatabaseOptions, Load, T, Work
from narthex.stores.database.failures import is_clash, told
from narthex.stores.database.slow_queries import QueryLog, name_of

TRIES: Final = 4
"""How often a work is done that is undone for the sake of another."""


_READS: Final = "only_reads"


class PostgresqlExecutor:
    """Runs works on one database of a server."""

    def __init__(self, address: Address, options: DatabaseOptions, queries: QueryLog) -> None:
        """Connect once.

        Raises:
            StoreUnavailable: There is no connection, or no such database, or no right to use it.
        """
        self._address = address
        self._engine = engine(address, options, queries)
        self._reading = self._engine.execution_options(**{_READS: True})
        self._size = options.pool_size + options.pool_overflow
        self._threads = ThreadPoolExecutor(self._size, "narthex-database")
        self._closed = False
        self._lock = threading.Lock()
        self._waiting = 0
        with told(address), self._engine.connect():
            pass

    def read(self, work: Work[T], /) -> Future[T]:
        """Begin to read."""
        return self._begin(lambda: self.read_now(work))

    def read_now(self, work: Work[T], /) -> T:
        """Read in this thread."""
        # Ended by a commit: with a rollback psycopg forgets all that it has prepared.
        with told(self._address), self._reading.begin() as connection:
            return work(connection.execution_options(caller=name_of(work)))

    def write(self, work: Work[T], /) -> Future[T]:
        """Begin to write; the future is done once it is committed."""
        return self._begin(lambda: self._write(work))

    def stamp(self) -> Future[str]:
        """Begin to read which transactions are seen to have ended: nothing is seen of others.

        https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
        """
        return self.read(_snapshot)

    def load(self) -> Load:
        """Return how much is going on."""
        in_use = cast("QueuePool", self._engine.pool).checkedout()
        return Load(in_use=in_use, size=self._size, waiting=self._waiting)

    def flush_log(self) -> None:
        """Do nothing: what PostgreSQL keeps in its log is the business of those who run it."""

    def close(self) -> None:
        """Wait for what was begun, and disconnect."""
        with self._lock:
            self._closed = True
        self._threads.shutdown(cancel_futures=True)
        self._engine.dispose()

    def _begin(self, step: Callable[[], T]) -> Future[T]:
        with self._lock:
            if self._closed:
                raise StoreUnreachable(f"the database {self._address.shown} is closed")
            self._waiting += 1
            future = self._threads.submit(self._begun, step)
        future.add_done_callback(self._left)
        return future

    def _begun(self, step: Callable[[], T]) -> T:
        with self._lock:
            self._waiting -= 1
        return step()

    def _left(self, future: Future[T]) -> None:
        if future.cancelled():
            with self._lock:
                self._waiting -= 1

    def _write(self, work: Work[T]) -> T:
        with told(self._address):
            for tries in itertools.count(1):
                try:
                    with self._engine.begin() as connection:
                        return work(connection.execution_options(caller=name_of(work)))
                except Exception as error:
                    if tries == TRIES or not is_clash(error):
                        raise
        raise AssertionError


def engine(address: Address, options: DatabaseOptions, queries: QueryLog) -> Engine:
    """Return what connects to the server."""
    made = create_engine(
        address.url,
        pool_size=options.pool_size,
        max_overflow=options.pool_overflow,
        pool_timeout=options.pool_timeout_s,
        pool_pre_ping=True,
        # Whatever the server does by default: who waited for a lock must see what was written before it.
        isolation_level="READ COMMITTED",
        connect_args={
            "connect_timeout": max(1, round(options.connect_timeout_s)),
            "application_name": "narthex",
            **({} if options.prepared_statements else {"prepare_threshold": None}),
        },
    )
    event.listen(made, "begin", _protect)
    _limit_statements(made, round(options.statement_timeout_s * 1_000), once=options.prepared_statements)
    queries.attach(made)
    return made


def _snapshot(connection: Connection) -> str:
    # A server that was put back to an earlier state has been started again since.
    found = connection.exec_driver_sql("SELECT pg_current_snapshot()::text, pg_postmaster_start_time()::text").one()
    return f"{found[0]} {found[1]}"


def copy_rows(connection: Connection, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
    """Write rows by a COPY statement, in the transaction that the connection is in.

    Raises:
        BackupUnusable: A row does not fit: SQLite takes texts that are longer than they may be.
    """
    driver = cast("Driver[object]", connection.connection.driver_connection)
    try:
        with driver.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            for row in rows:
                copy.write_row(row)
    except DataError as error:
        where = (error.diag.context or "").partition("\n")[0].partition(":")[0]
        raise BackupUnusable(f"PostgreSQL does not take a row: {error.diag.message_primary} ({where})") from error
    except Error as error:
        raise OperationalError(statement, None, error) from error


def _protect(connection: Connection) -> None:
    """Have a transaction that only reads refuse to write; others are as the server wants them."""
    driver = cast("Driver[object]", connection.connection.driver_connection)
    driver.read_only = connection.get_execution_options().get(_READS)


def _limit_statements(made: Engine, timeout_ms: int, *, once: bool) -> None:
    """Set how long a statement may take, once for each connection, or in each transaction.

    Where a pooler gives each transaction another connection, nothing that is set lasts longer than one.
    """

    def connected(driver: Driver[object], _record: object) -> None:
        driver.autocommit = True
        driver.execute(f"SET SESSION statement_timeout = {timeout_ms}".encode())
        driver.autocommit = False

    def begins(connection: Connection) -> None:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {timeout_ms}")

    if once:
        event.listen(made, "connect", connected)
    else:
        event.listen(made, "begin", begins)
