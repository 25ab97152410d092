"""SQLite: one thread writes, and takes what waits into one transaction; four read beside it.

The file is in write-ahead mode (https://www.sqlite.org/wal.html), in which readers never wait for the writer. That
needs memory shared between the processes that use it: it works on a local disk, and not on NFS and other network file
systems.
"""

from __future__ import annotations

import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from narthex.errors import StoreBusy, StoreRefused, StoreUnreachable
from narthex.stores.database.addresses import Address
from narthex.stores.database.contract import DatabaseOptions, Load, T, Work
from narthex.stores.database.failures import told
from narthex.stores.database.slow_queries import QueryLog, name_of

logger = logging.getLogger(__name__)

READERS: Final = 4
MAX_GROUP: Final = 256
"""Works that are written in one transaction, at most."""
IDLE_S: Final = 30.0
"""After so long without a write the write-ahead log is emptied."""
SHARED_FILE_SYSTEMS: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "fuse.glusterfs"})

_BARE: Final = "outside_of_transactions"

_PRAGMAS: Final = (
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "foreign_keys = ON",
    # Deleted rows are overwritten: what a person wants erased does not stay in free pages.
    "secure_delete = ON",
    "temp_store = MEMORY",
    "cache_size = -16384",
    "mmap_size = 268435456",
)


@dataclass(slots=True, kw_only=True)
class _Item(Generic[T]):
    work: Work[T]
    future: Future[T]
    alone: bool = False
    """Done outside of any transaction."""
    result: T | None = None
    error: BaseException | None = None

    def settle(self) -> None:
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(cast("T", self.result))


class SqliteExecutor:
    """Runs works on one file."""

    def __init__(self, address: Address, options: DatabaseOptions, queries: QueryLog) -> None:
        """Open the file; it is made if it is not there.

        Raises:
            StoreUnavailable: It cannot be opened, or is no database.
        """
        assert address.path is not None
        self._address = address
        make_file(address.path)
        warn_of_network(address.path)
        self._writer = engine(address, options, queries, writes=True)
        self._reader = engine(address, options, queries, writes=False)
        self._watcher = engine(address, options, queries, writes=False)
        self._watching, self._watches = threading.Lock(), 0
        self._watch: Connection | None = None
        with told(address), self._writer.connect():
            pass
        self._reads = ThreadPoolExecutor(READERS, "narthex-database-reads")
        self._queue: queue.SimpleQueue[_Item[Any] | None] = queue.SimpleQueue()
        self._closed = False
        self._lock = threading.Lock()
        self._written = False
        self._working = 0
        self._thread = threading.Thread(target=self._run, name="narthex-database-writes", daemon=True)
        self._thread.start()

    # -- works -----------------------------------------------------------------------------------------------------

    def read(self, work: Work[T], /) -> Future[T]:
        """Begin to read, in a snapshot."""
        with self._lock:
            self._refuse_if_closed()
            return self._reads.submit(self.read_now, work)

    def read_now(self, work: Work[T], /) -> T:
        """Read in this thread, in a snapshot."""
        with told(self._address), self._reader.connect() as connection:
            return work(connection.execution_options(caller=name_of(work)))

    def write(self, work: Work[T], /) -> Future[T]:
        """Begin to write; the future is done once it is committed."""
        return self._put(_Item(work=work, future=Future()))

    def stamp(self) -> Future[str]:
        """Begin to read whether any connection, of any process, has committed.

        https://www.sqlite.org/pragma.html#pragma_data_version
        """
        with self._lock:
            self._refuse_if_closed()
            return self._reads.submit(self._stamp_now)

    def _stamp_now(self) -> str:
        # It tells what others than this connection have done: so nothing else is done with it.
        with self._watching, told(self._address):
            if self._watch is None:
                self._watches += 1
                self._watch = self._watcher.connect().execution_options(**{_BARE: True})
            try:
                version = self._watch.exec_driver_sql("PRAGMA data_version").scalar_one()
            except BaseException:
                self._watch.invalidate()
                self._watch = None
                raise
            # Another connection counts anew.
            return f"{self._watches}.{version}"

    def load(self) -> Load:
        """Return how much is going on."""
        reading = cast("QueuePool", self._reader.pool).checkedout()
        return Load(in_use=reading + self._working, size=READERS + 1, waiting=self._queue.qsize())

    def flush_log(self) -> None:
        """Move everything out of the write-ahead log and empty it.

        Raises:
            StoreBusy: A reader, maybe of another process, holds on to it.
        """
        self._put(_Item(work=_empty_log, future=Future(), alone=True)).result()

    def close(self) -> None:
        """Commit what was begun, empty the write-ahead log, and close the file."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        self._reads.shutdown(cancel_futures=True)
        self._reader.dispose()
        if self._watch is not None:
            self._watch.close()
        self._watcher.dispose()
        self._writer.dispose()

    def _put(self, item: _Item[T]) -> Future[T]:
        assert threading.current_thread() is not self._thread, "a work may not wait for another"
        # Behind the end nothing is done, and who waits for it would wait for ever.
        with self._lock:
            self._refuse_if_closed()
            self._queue.put(item)
        return item.future

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise StoreUnreachable(f"the database {self._address.shown} is closed")

    # -- the thread that writes ------------------------------------------------------------------------------------

    def _run(self) -> None:
        going_on = True
        while going_on:
            try:
                item = self._queue.get(timeout=IDLE_S)
            except queue.Empty:
                self._tidy()
                continue
            group = [item, *self._waiting()]
            going_on = None not in group
            self._write_all([one for one in group if one is not None and one.future.set_running_or_notify_cancel()])
        self._tidy()

    def _waiting(self) -> Iterator[_Item[Any] | None]:
        for _ in range(MAX_GROUP - 1):
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
            yield item
            if item is None:
                return

    def _write_all(self, items: list[_Item[Any]]) -> None:
        together: list[_Item[Any]] = []
        for item in items:
            if item.alone:
                self._write_together(together)
                together = []
                self._do_alone(item)
            else:
                together.append(item)
        self._write_together(together)

    def _do_alone(self, item: _Item[Any]) -> None:
        try:
            with told(self._address), self._writer.connect() as connection:
                item.result = item.work(connection.execution_options(**{_BARE: True}))
        except BaseException as error:  # noqa: BLE001 - the edge of this thread: whoever waits is told
            item.error = error
        item.settle()

    def _write_together(self, items: list[_Item[Any]]) -> None:
        """Do several works in one transaction: one that fails is undone alone, and all wait for the one commit."""
        if not items:
            return
        self._written, self._working = True, 1
        try:
            with told(self._address), self._writer.begin() as connection:
                if len(items) == 1:
                    items[0].result = _done(connection, items[0].work)
                else:
                    for item in items:
                        _do_between(connection, item, self._address)
        except BaseException as error:  # noqa: BLE001 - the edge of this thread: whoever waits is told
            for item in items:
                item.error = item.error or error
        self._working = 0
        for item in items:
            item.settle()

    def _tidy(self) -> None:
        if not self._written:
            return
        self._written = False
        try:
            with self._writer.connect() as connection:
                tidied = connection.execution_options(**{_BARE: True})
                tidied.exec_driver_sql("PRAGMA optimize")
                tidied.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        except Exception:  # the edge of this thread: it is done the next time
            logger.warning("database: %s: cannot be tidied now", self._address.shown, exc_info=True)


def _done(connection: Connection, work: Work[T]) -> T:
    return work(connection.execution_options(caller=name_of(work)))


def _do_between(connection: Connection, item: _Item[Any], address: Address) -> None:
    """Do one of several works between a savepoint and its release."""
    driver = cast("sqlite3.Connection", connection.connection.driver_connection)
    driver.execute("SAVEPOINT work")
    try:
        with told(address):
            item.result = _done(connection, item.work)
    except Exception as error:
        # After some failures, such as a full disk, SQLite undoes the transaction by itself: then all have failed.
        if not driver.in_transaction:
            raise
        item.error = error
        driver.execute("ROLLBACK TO work")
    driver.execute("RELEASE work")


def _empty_log(connection: Connection) -> None:
    busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
    if busy:
        raise StoreBusy("the write-ahead log is in use, so that what was erased is still in it; try again")


def engine(address: Address, options: DatabaseOptions, queries: QueryLog, *, writes: bool) -> Engine:
    """Return what connects to the file, for one writer or for several readers."""
    made = create_engine(
        address.url,
        poolclass=QueuePool,
        pool_size=1 if writes else READERS,
        max_overflow=0 if writes else READERS,
        pool_timeout=options.pool_timeout_s,
        connect_args={"timeout": options.busy_timeout_s, "check_same_thread": False, "isolation_level": None},
    )

    def connected(driver: sqlite3.Connection, _record: object) -> None:
        for pragma in _PRAGMAS:
            driver.execute(f"PRAGMA {pragma}")
        if not writes:
            driver.execute("PRAGMA query_only = ON")

    def begins(connection: Connection) -> None:
        # The driver would begin no transaction before the first write: it is told to begin none, and this does.
        # A writer takes its lock at once: one that took it later would fail if another wrote in between.
        if not connection.get_execution_options().get(_BARE):
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(made, "connect", connected)
    event.listen(made, "begin", begins)
    queries.attach(made)
    return made


def make_file(path: Path) -> None:
    """Make the file and its folder, for this user alone, if they are not there.

    Raises:
        StoreRefused: They may not be made.
        StoreUnreachable: They cannot be made, or the path is a folder.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.is_dir():
            raise StoreUnreachable(f"the database {path} is a folder; set `[database] url` to a file")
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except PermissionError as error:
        raise StoreRefused(f"the database {path} may not be made; check the rights of its folder") from error
    except OSError as error:
        raise StoreUnreachable(f"the database {path} cannot be made: {error.strerror}") from error


def warn_of_network(path: Path, mounts: Path = Path("/proc/self/mounts")) -> None:
    """Warn of a file on a network file system: other machines that use it would damage it."""
    try:
        lines = mounts.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    found = [(where, kind) for _, where, kind, *_ in map(str.split, lines) if path.is_relative_to(where)]
    kind = max(found, key=lambda mount: len(mount[0]), default=("", ""))[1]
    if kind in SHARED_FILE_SYSTEMS:
        logger.warning(
            "database: %s lies on a network file system (%s), where a second machine that opens it can damage it; "
            "move `data_dir` to a local disk, or set `[database] url` to a PostgreSQL",
            path,
            kind,
        )
