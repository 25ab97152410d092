"""Tables of a PostgreSQL for entries, beside those of the main database and of no interest to it.

They are not logged: after a crash of the server they are empty, declarations and all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from narthex.cache.tiers.sql_rows import SqlRow

# What is compressed already is not compressed again: that is storage EXTERNAL.
_MAKES: Final = """
CREATE UNLOGGED TABLE IF NOT EXISTS narthex_cache_entries (
    key BYTEA PRIMARY KEY, scope TEXT NOT NULL, size BIGINT NOT NULL, ends_ms BIGINT NOT NULL,
    used_ms BIGINT NOT NULL, value BYTEA NOT NULL);
ALTER TABLE narthex_cache_entries ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE INDEX IF NOT EXISTS narthex_cache_used ON narthex_cache_entries (used_ms);
CREATE INDEX IF NOT EXISTS narthex_cache_ends ON narthex_cache_entries (ends_ms);
CREATE INDEX IF NOT EXISTS narthex_cache_scope ON narthex_cache_entries (scope);
CREATE UNLOGGED TABLE IF NOT EXISTS narthex_cache_declarations (
    number BIGINT PRIMARY KEY, previous BIGINT NOT NULL, said BYTEA NOT NULL);
CREATE UNLOGGED TABLE IF NOT EXISTS narthex_cache_dictionaries (
    id BYTEA PRIMARY KEY, kept_ms BIGINT NOT NULL, content BYTEA NOT NULL);
CREATE UNLOGGED TABLE IF NOT EXISTS narthex_cache_facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)
"""
_NUMBERING: Final = 7_316_021_946_880_131
"""Of the lock under which numbers are given out."""


class PostgresqlDriver:
    """A connection to the server; see `Driver`."""

    kind: str = "postgresql"
    makes: Sequence[str] = tuple(_MAKES.split(";"))

    def __init__(self, url: str, *, timeout_s: float) -> None:
        """Connect.

        Raises:
            psycopg.Error: There is no connection.
        """
        # An extra.
        import psycopg  # noqa: PLC0415

        self._connection = psycopg.connect(
            url.replace("postgresql+psycopg://", "postgresql://", 1),
            autocommit=True,
            connect_timeout=max(1, round(timeout_s)),
            application_name="narthex cache",
        )
        try:
            self.do(f"SET statement_timeout = {round(timeout_s * 1_000)}")
            self.do("SET client_min_messages = warning")
        except BaseException:
            self._connection.close()
            raise

    def do(self, statement: str, values: Sequence[object] = ()) -> list[SqlRow]:
        """See `Driver`."""
        cursor = self._connection.execute(_written(statement), values)
        return cast("list[SqlRow]", cursor.fetchall()) if cursor.description is not None else []

    def many(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """See `Driver`."""
        with self._connection.cursor() as cursor:
            cursor.executemany(_written(statement), rows)

    def begin(self, *, numbering: bool = False) -> None:
        """See `Driver`."""
        self.do("BEGIN")
        if numbering:
            self.do(f"SELECT pg_advisory_xact_lock({_NUMBERING})")

    def tidy(self) -> None:
        """See `Driver`."""
        self.do("VACUUM narthex_cache_entries")

    def stop(self) -> None:
        """See `Driver`."""
        self._connection.cancel()

    def close(self) -> None:
        """See `Driver`."""
        self._connection.close()


def _written(statement: str) -> bytes:
    return statement.replace("?", "%s").encode()
