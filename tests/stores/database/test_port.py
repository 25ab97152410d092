"""The database as the rest of Narthex sees it, the same for both."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError

from narthex.errors import StoreReadOnly, StoreUnreachable
from narthex.stores.database import Database, DatabaseOptions
from narthex.stores.database.schema import facts
from tests.proof.waiting import until


def put(name: str, value: object = 1) -> Callable[[Connection], str]:
    """Return a work that writes a row."""

    def work(connection: Connection) -> str:
        connection.execute(insert(facts).values(name=name, value=value))
        return name

    return work


def names(connection: Connection) -> list[str]:
    """Read which rows there are."""
    return list(connection.scalars(select(facts.c.name).order_by(facts.c.name)))


async def test_what_is_written_is_read(database: Database) -> None:
    """A work's result comes back, and what it wrote is there for everybody, with its types."""
    value = {"n": 2**53, "text": "ünï\u0000"[:3], "list": [1, None, True]}
    assert await database.write(put("a", value)) == "a"
    assert await database.read(names) == ["a"]
    assert await database.read(lambda connection: connection.scalar(select(facts.c.value))) == value
    assert database.write_now(put("b")) == "b"
    assert database.read_now(names) == ["a", "b"]


async def test_a_work_that_fails_leaves_nothing(database: Database) -> None:
    """All of its statements are undone, and its own error comes back."""

    def fails(connection: Connection) -> None:
        put("a")(connection)
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        await database.write(fails)
    assert await database.read(names) == []


async def test_of_many_that_wait_only_the_faulty_fails(database: Database) -> None:
    """Works that are written together do not undo one another."""
    await database.write(put("n5"))
    done = await asyncio.gather(*(database.write(put(f"n{n}")) for n in range(20)), return_exceptions=True)
    assert [n for n, one in enumerate(done) if isinstance(one, IntegrityError)] == [5]
    assert len(await database.read(names)) == 20


async def test_a_work_that_reads_may_not_write(database: Database) -> None:
    """It is refused, on both databases."""
    with pytest.raises(StoreReadOnly):
        await database.read(put("a"))
    assert await database.read(names) == []


class Slow:
    """A work that writes two rows, the second when it may."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, connection: Connection) -> None:
        """Write."""
        put("slow-1")(connection)
        self.begun.set()
        self.go_on.wait(30)
        put("slow-2")(connection)


async def test_who_is_cancelled_leaves_a_whole_work(database: Database) -> None:
    """A work that has begun is done to its end, and nobody after it is disturbed."""
    slow = Slow()
    writing = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(slow.begun.wait, 30)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    slow.go_on.set()
    await database.write(put("after"))
    await asyncio.to_thread(until, lambda: database.read_now(names) == ["after", "slow-1", "slow-2"])


async def test_who_is_cancelled_before_its_turn_is_not_begun(database_url: str, tmp_path: Path) -> None:
    """A work that waits behind others is left out."""
    options = DatabaseOptions(pool_size=1, pool_overflow=0)
    database = await Database.open(database_url, data_dir=tmp_path, options=options)
    slow = Slow()
    writing = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(slow.begun.wait, 30)
    waiting = asyncio.create_task(database.write(put("waits")))
    await asyncio.sleep(0)
    waiting.cancel()
    # Until it has heard of that.
    await asyncio.wait({waiting}, timeout=1)
    slow.go_on.set()
    await writing
    await database.write(put("after"))
    assert await database.read(names) == ["after", "slow-1", "slow-2"]
    assert database.load().waiting == 0
    await database.close()


async def test_of_two_that_read_and_then_write_none_is_lost(database: Database) -> None:
    """Within `exclusively` a counter that many read and write at once counts each."""
    await database.write(put("counter", 0))

    def count(connection: Connection) -> None:
        database.exclusively(connection, "counter")
        seen = connection.scalar(select(facts.c.value)) or 0
        connection.execute(facts.update().values(value=seen + 1))

    await asyncio.gather(*(database.write(count) for _ in range(50)))
    assert await database.read(lambda connection: connection.scalar(select(facts.c.value))) == 50


async def test_many_read_beside_a_writer(database: Database) -> None:
    """Readers are not held up by a transaction that has not ended, and see nothing of it."""
    slow = Slow()
    writing = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(slow.begun.wait, 30)
    counted = await asyncio.gather(
        *(
            database.read(lambda connection: connection.scalar(select(func.count()).select_from(facts)))
            for _ in range(20)
        )
    )
    assert counted == [0] * 20
    slow.go_on.set()
    await writing
    assert await database.read(names) == ["slow-1", "slow-2"]


async def test_a_closed_database_takes_nothing(database_url: str, tmp_path: Path) -> None:
    """What was begun is done before it closes, and then it refuses; closing twice is fine."""
    database = await Database.open(database_url, data_dir=tmp_path)
    written = [asyncio.create_task(database.write(put(f"n{n}"))) for n in range(10)]
    await asyncio.gather(*written)
    await database.close()
    await database.close()
    with pytest.raises(StoreUnreachable, match="is closed"):
        await database.write(put("late"))
    with pytest.raises(StoreUnreachable, match="is closed"):
        await database.read(names)
    again = await Database.open(database_url, data_dir=tmp_path)
    assert len(await again.read(names)) == 10
    await again.close()


async def test_the_figures_say_how_much_it_has_to_do(database: Database) -> None:
    """Statements and connections are counted."""
    await database.write(put("a"))
    lines = dict(line.split() for line in database.lines() if not line.startswith("#"))
    assert int(lines["narthex_database_queries_total"]) > 0
    assert float(lines["narthex_database_query_seconds_total"]) > 0
    assert (lines["narthex_database_connections"], lines["narthex_database_waiting"]) == ("0", "0")


WRITES = """
import sys
from pathlib import Path
from sqlalchemy import insert
from narthex.stores.database import Database
from narthex.stores.database.schema import facts

database = Database.open_now(sys.argv[1], data_dir=Path())
for number in range(100):
    name = f"{sys.argv[2]}-{number}"
    database.write_now(lambda connection: connection.execute(insert(facts).values(name=name, value=number)).close())
    print(number, flush=True)
database.close_now()
"""


def _writing(url: str, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITES, url, name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_several_processes_write_at_once(database: Database, database_url: str) -> None:
    """None is told that the database is locked, and nothing is lost."""
    processes = [_writing(database_url, name) for name in "abc"]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(database.read_now(names)) == 300


def test_a_process_that_is_killed_loses_nothing_that_it_was_told(database: Database, database_url: str) -> None:
    """What was written before it was killed is there, and others write on."""
    process = _writing(database_url, "a")
    assert process.stdout is not None
    told = [process.stdout.readline().strip() for _ in range(20)]
    process.kill()
    told += process.stdout.read().split()
    process.wait()
    process.stdout.close()
    assert {f"a-{number}" for number in told} <= set(database.read_now(names))
    assert database.write_now(put("after")) == "after"


async def test_a_stamp_tells_of_everybody_who_commits(database: Database, database_url: str, tmp_path: Path) -> None:
    """Of this process, of another connection, and in what thread ever; while nobody does, it stays the same."""
    other = Database.open_now(database_url, data_dir=tmp_path)
    try:
        before = await database.stamp()
        assert await database.stamp() == before
        await database.read(names)
        seen = [before]
        for number, writer in enumerate((database, other, database, other)):
            await writer.write(put(f"row {number}"))
            seen.append(await database.stamp())
            assert await database.stamp() == seen[-1]
        assert len(set(seen)) == 5
    finally:
        other.close_now()
