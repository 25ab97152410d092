"""How a database stands, and whether it is whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from narthex.stores.database import Database
from narthex.stores.database.inspection import faults_of, standing_of
from narthex.stores.database.migrations import HEAD
from narthex.stores.database.schema import metadata
from tests.stores.database.filling import ROWS, fill
from tests.stores.databases import doing


def test_it_says_how_it_stands(database: Database) -> None:
    """Where, what, which schema, how large, how many rows."""
    database.write_now(fill)
    standing = standing_of(database)
    assert (standing.database, standing.address) == (database.address.kind, database.address.shown)
    assert standing.schema == standing.newest == HEAD
    assert standing.rows == dict.fromkeys(sorted(metadata.tables), ROWS)
    assert standing.size_bytes > 100_000
    assert standing.server[0].isdigit()


def test_an_empty_database_has_no_schema(empty_url: str, tmp_path: Path) -> None:
    """It can be looked at, and says what it needs."""
    database = Database.open_now(empty_url, data_dir=tmp_path, migrate=False)
    assert (standing_of(database).schema, standing_of(database).rows) == (None, {})
    (fault,) = faults_of(database)
    assert "narthex db migrate" in fault
    database.close_now()


def test_a_whole_database_has_no_faults(database: Database) -> None:
    """Neither empty nor with rows."""
    assert faults_of(database) == []
    database.write_now(fill)
    assert faults_of(database) == []


def test_tables_that_were_changed_are_found(database: Database) -> None:
    """By whatever it was, beside Narthex."""
    database.write_now(doing("DROP INDEX ix_ledger_entries_at"))
    assert faults_of(database) == ["its tables are not those of this version: something else has changed them"]


def test_rows_that_lost_what_they_belong_to_are_found(tmp_path: Path) -> None:
    """SQLite looks after it only where it is told to."""
    database = Database.open_now(None, data_dir=tmp_path)
    database.write_now(fill)
    with closing(sqlite3.connect(tmp_path / "main.db", isolation_level=None)) as other:
        other.execute("DELETE FROM organisations")
    assert any("belongs to a row of organisations" in fault for fault in faults_of(database))
    database.close_now()
