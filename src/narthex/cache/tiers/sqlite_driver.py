"""A file of SQLite for entries; one that is damaged is set aside, and made anew."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from narthex.cache.tiers.sql_rows import SqlRow

logger = logging.getLogger(__name__)

_PRAGMAS: Final = (
    "journal_mode = WAL",
    # Deleted rows are overwritten: what a person wants erased does not stay in free pages.
    "secure_delete = ON",
    "temp_store = MEMORY",
    "journal_size_limit = 16777216",
)
_MAKES: Final = """
CREATE TABLE IF NOT EXISTS narthex_cache_entries (
    key BLOB PRIMARY KEY, scope TEXT NOT NULL, size INTEGER NOT NULL, ends_ms INTEGER NOT NULL,
    used_ms INTEGER NOT NULL, value BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS narthex_cache_used ON narthex_cache_entries (used_ms, size);
CREATE INDEX IF NOT EXISTS narthex_cache_ends ON narthex_cache_entries (ends_ms);
CREATE INDEX IF NOT EXISTS narthex_cache_scope ON narthex_cache_entries (scope);
CREATE TABLE IF NOT EXISTS narthex_cache_declarations (
    number INTEGER PRIMARY KEY, previous INTEGER NOT NULL, said BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS narthex_cache_dictionaries (
    id BLOB PRIMARY KEY, kept_ms INTEGER NOT NULL, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS narthex_cache_facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)
"""
_BESIDE: Final = ("", "-wal", "-shm")


class SqliteDriver:
    """A connection to the file; see `Driver`."""

    kind: str = "sqlite"
    makes: Sequence[str] = tuple(_MAKES.split(";"))

    def __init__(self, path: Path, *, timeout_s: float, writes: bool) -> None:
        """Open the file; it is made, for this user alone, if it is not there.

        Raises:
            OSError: It cannot be made.
            sqlite3.Error: It cannot be opened.
        """
        if writes and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._connection = sqlite3.connect(path, timeout=timeout_s, check_same_thread=False, isolation_level=None)
        try:
            for pragma in _PRAGMAS if writes else ("query_only = ON",):
                self.do(f"PRAGMA {pragma}")
        except BaseException:
            self.close()
            raise

    def do(self, statement: str, values: Sequence[object] = ()) -> list[SqlRow]:
        """See `Driver`."""
        return self._connection.execute(statement, values).fetchall()

    def many(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """See `Driver`."""
        self._connection.executemany(statement, rows)

    def begin(self, *, numbering: bool = False) -> None:
        """See `Driver`: there is one writer at a time in any case."""
        # What was declared void stays so after a loss of power; an entry may be lost.
        self.do(f"PRAGMA synchronous = {'FULL' if numbering else 'NORMAL'}")
        self.do("BEGIN IMMEDIATE")

    def tidy(self) -> None:
        """See `Driver`."""
        self.do("PRAGMA wal_checkpoint(TRUNCATE)")

    def stop(self) -> None:
        """See `Driver`."""
        self._connection.interrupt()

    def close(self) -> None:
        """See `Driver`."""
        self._connection.close()


def is_damaged(error: Exception) -> bool:
    """Tell whether the file is none of SQLite, or one that cannot be read any more."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, sqlite3.DatabaseError) and code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def set_aside(path: Path) -> None:
    """Have a damaged file out of the way; the last of them is kept."""
    for older in path.parent.glob(f"{path.name}.damaged-*"):
        older.unlink(missing_ok=True)
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    for ending in _BESIDE:
        with suppress(FileNotFoundError):
            Path(f"{path}{ending}").rename(f"{aside}{ending}")
    logger.warning("cache: %s is damaged: it is %s now, and a new one is made", path, aside)
