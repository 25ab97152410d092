"""The file of SQLite."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from narthex.cache.tiers.sqlite_driver import SqliteDriver, is_damaged, set_aside


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """And so are the folder, if it was made for it, and what lies beside it."""
    path = tmp_path / "data" / "cache.db"
    driver = SqliteDriver(path, timeout_s=1, writes=True)
    driver.do("CREATE TABLE t (x)")
    assert {one.stat().st_mode & 0o077 for one in (path.parent, *path.parent.iterdir())} == {0}
    driver.close()


def test_who_reads_cannot_write(tmp_path: Path) -> None:
    """Whatever is asked."""
    path = tmp_path / "cache.db"
    SqliteDriver(path, timeout_s=1, writes=True).close()
    reader = SqliteDriver(path, timeout_s=1, writes=False)
    with pytest.raises(sqlite3.OperationalError):
        reader.do("CREATE TABLE t (x)")
    reader.close()


def test_one_damaged_file_is_kept(tmp_path: Path) -> None:
    """The last; with it goes all that lay beside it."""
    path = tmp_path / "cache.db"
    for text in ("one", "two"):
        for ending in ("", "-wal", "-shm"):
            Path(f"{path}{ending}").write_text(text)
        with pytest.raises(sqlite3.DatabaseError) as raised:
            SqliteDriver(path, timeout_s=1, writes=True)
        assert is_damaged(raised.value)
        set_aside(path)
    assert {one.name.partition(".damaged-")[0] for one in tmp_path.iterdir()} == {"cache.db"}
    left = [one.read_bytes() for one in tmp_path.iterdir() if not one.name.endswith(("-wal", "-shm"))]
    assert left == [b"two"]
    assert not is_damaged(OSError())
