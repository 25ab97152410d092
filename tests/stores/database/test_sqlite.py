"""What only SQLite does."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, text

from narthex.errors import StoreBusy, StoreCorrupt, StoreFull, StoreReadOnly, StoreRefused, StoreUnreachable
from narthex.stores.database import Database, DatabaseOptions, sqlite
from narthex.stores.database.schema import facts
from narthex.stores.database.sqlite import warn_of_network
from tests.proof.waiting import until
from tests.stores.databases import doing


def _put(connection: Connection, name: str, value: object = 1) -> None:
    connection.execute(insert(facts).values(name=name, value=value))


async def _opened(folder: Path, **options: float) -> Database:
    return await Database.open(None, data_dir=folder, options=DatabaseOptions(**options))  # type: ignore[arg-type]


async def test_the_file_is_for_its_user_alone(tmp_path: Path) -> None:
    """Neither the folder nor the files can be read by others."""
    folder = tmp_path / "new"
    database = await _opened(folder)
    await database.write(lambda connection: _put(connection, "a"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {"new": 0o700, "main.db": 0o600, "main.db-wal": 0o600, "main.db-shm": 0o600}
    await database.close()
    assert [path.name for path in folder.iterdir()] == ["main.db"]


async def test_it_is_used_as_it_should_be(tmp_path: Path) -> None:
    """The pragmas hold for those who read and for the one who writes."""
    database = await _opened(tmp_path)

    def pragmas(connection: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout", "query_only")
        return [connection.scalar(text(f"PRAGMA {name}")) for name in names]

    assert await database.read(pragmas) == ["wal", 1, 1, 1, 5000, 1]
    assert await database.write(pragmas) == ["wal", 1, 1, 1, 5000, 0]
    await database.close()


async def test_what_waits_is_written_in_one_transaction(tmp_path: Path) -> None:
    """Works that queue up behind a slow one share one commit, in the order in which they came."""
    database = await _opened(tmp_path)
    begun, go_on = threading.Event(), threading.Event()

    def slow(_: Connection) -> None:
        begun.set()
        go_on.wait(30)

    first = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(begun.wait, 30)
    rest = [asyncio.create_task(database.write(lambda c, n=n: _put(c, f"n{n}"))) for n in range(50)]  # type: ignore[misc]
    await asyncio.sleep(0)
    database.queries.slow_ms = 0
    go_on.set()
    await asyncio.gather(first, *rest)
    begins = sum(query.count for query in database.queries.slowest() if query.sql == "BEGIN IMMEDIATE")
    assert begins == 1
    assert await database.read(lambda c: list(c.scalars(select(facts.c.name)))) == [f"n{n}" for n in range(50)]
    await database.close()


async def test_nothing_ends_the_thread_that_writes(tmp_path: Path) -> None:
    """Whatever a work raises comes back to who asked for it, and the next one is done."""
    database = await _opened(tmp_path)

    def ends(_: Connection) -> None:
        raise GeneratorExit

    with pytest.raises(GeneratorExit):
        await asyncio.to_thread(database.write_now, ends)
    await database.write(lambda connection: _put(connection, "after"))
    await database.close()


async def test_the_log_is_emptied_when_nobody_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while without a write all of it is in the file."""
    monkeypatch.setattr(sqlite, "IDLE_S", 0.01)
    database = await _opened(tmp_path)
    await database.write(lambda connection: _put(connection, "a"))
    log = tmp_path / "main.db-wal"
    await asyncio.to_thread(until, lambda: log.stat().st_size == 0)
    await database.close()


async def test_a_full_disk_is_told_and_nothing_is_half_done(tmp_path: Path) -> None:
    """The work that does not fit fails by name, those beside it and after it are not harmed."""
    database = await _opened(tmp_path)
    await database.write(doing("PRAGMA max_page_count = 120"))
    big = "x" * 1_000_000
    done = await asyncio.gather(
        database.write(lambda connection: _put(connection, "small")),
        database.write(lambda connection: _put(connection, "big", big)),
        return_exceptions=True,
    )
    assert isinstance(done[1], StoreFull)
    assert "free some space" in str(done[1])
    left = await database.read(lambda connection: list(connection.scalars(select(facts.c.name))))
    assert left == (["small"] if done[0] is None else [])
    await database.write(lambda connection: _put(connection, "after"))
    await database.close()


async def test_a_file_that_another_holds_is_busy(tmp_path: Path) -> None:
    """After `busy_timeout_s` the work fails by name, and once the other is done all goes on."""
    database = await _opened(tmp_path, busy_timeout_s=0.05)
    other = sqlite3.connect(tmp_path / "main.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="locked by another process"):
        await database.write(lambda connection: _put(connection, "a"))
    other.execute("ROLLBACK")
    other.close()
    await database.write(lambda connection: _put(connection, "a"))
    await database.close()


async def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """So is a file that is something else, and a folder; the remedy is named."""
    (tmp_path / "main.db").write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(StoreCorrupt, match="no SQLite database"):
        await _opened(tmp_path)
    (tmp_path / "main.db").unlink()
    (tmp_path / "main.db").mkdir()
    with pytest.raises(StoreUnreachable, match="is a folder"):
        await _opened(tmp_path)


async def test_damage_inside_is_found(tmp_path: Path) -> None:
    """A page that was overwritten is told as damage, with the remedy."""
    database = await _opened(tmp_path)
    for number in range(200):
        database.write_now(lambda c, n=number: _put(c, f"n{n}", "x" * 500))  # type: ignore[misc]
    await database.close()
    size = (tmp_path / "main.db").stat().st_size
    with (tmp_path / "main.db").open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    with pytest.raises(StoreCorrupt, match="narthex db restore"):
        await _opened(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do all")
def test_without_rights_nothing_is_opened(tmp_path: Path) -> None:
    """A folder that may not be written is refused by name."""
    tmp_path.chmod(0o500)
    with pytest.raises(StoreRefused, match="rights"):
        Database.open_now(None, data_dir=tmp_path)


async def test_a_file_that_cannot_be_written_is_read_only(tmp_path: Path) -> None:
    """Where the file system takes no writes, that is what is said."""
    database = await _opened(tmp_path)
    await database.write(doing("PRAGMA query_only = ON"))
    with pytest.raises(StoreReadOnly, match="cannot be written"):
        await database.write(lambda connection: _put(connection, "a"))
    await database.close()


def _holds(folder: Path, text: bytes) -> bool:
    return any(text in path.read_bytes() for path in folder.iterdir())


async def test_what_is_erased_is_nowhere_any_more(tmp_path: Path) -> None:
    """After `flush_log` neither the file nor its write-ahead log holds what was deleted."""
    database = await _opened(tmp_path)
    await database.write(lambda connection: _put(connection, "a", "a-very-secret-name"))
    assert _holds(tmp_path, b"a-very-secret-name")
    await database.write(doing(facts.delete()))
    database.flush_log()
    assert not _holds(tmp_path, b"a-very-secret-name")
    await database.close()


async def test_the_log_cannot_be_emptied_under_a_reader(tmp_path: Path) -> None:
    """It is said, and not passed over."""
    database = await _opened(tmp_path, busy_timeout_s=0.05)
    await database.write(lambda connection: _put(connection, "a"))
    other = sqlite3.connect(tmp_path / "main.db", isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM facts").fetchall()
    await database.write(lambda connection: _put(connection, "b"))
    with pytest.raises(StoreBusy, match="write-ahead log is in use"):
        await asyncio.to_thread(database.flush_log)
    other.close()
    await asyncio.to_thread(database.flush_log)
    await database.close()


def test_a_file_on_a_network_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A network file system is named in the log; a local one is not."""
    mounts = tmp_path / "mounts"
    mounts.write_text("server:/export /data nfs4 rw 0 0\n/dev/sda / ext4 rw 0 0\n", encoding="utf-8")
    warn_of_network(Path("/data/narthex/main.db"), mounts)
    assert "network file system (nfs4)" in caplog.text
    caplog.clear()
    warn_of_network(Path("/var/main.db"), mounts)
    warn_of_network(Path("/var/main.db"), tmp_path / "none")
    assert caplog.text == ""
