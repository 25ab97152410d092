"""The book."""

from __future__ import annotations

import errno
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, func, select

from narthex.errors import LedgerUnavailable
from narthex.ledger.book import Book
from narthex.ledger.entries import Entry
from narthex.ledger.journal import Journal
from narthex.ledger.rows import LedgerRows
from narthex.ledger.unfit import UnfitEntries
from narthex.stores.database.schema import ledger_entries, metadata, usage_hours
from tests.ledger.calls import entry, opened
from tests.proof.waiting import until


class Kept:
    """A database of entries in memory that can be away."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.away = False
        self.tries = 0
        self.refused = ""

    def add(self, entries: Sequence[Entry]) -> int:
        """Write them down, each once."""
        self.tries += 1
        if self.away:
            message = "the database is away"
            raise OSError(message)
        if any(one.id == self.refused for one in entries):
            raise UnfitEntries(self.refused)
        fresh = {one.id: one for one in entries if one.id not in self.entries}
        self.entries.update(fresh)
        return len(fresh)


def test_a_call_that_ended_is_in_the_database_soon(tmp_path: Path) -> None:
    """And nothing of it is left in the journal when the book is closed."""
    rows = Kept()
    book = Book(tmp_path, rows, flush_s=0)
    book.start()
    book.opened(opened(1), None)
    assert book.under_way == 1
    book.settled("req_1", (entry(1),))
    assert book.flush()
    assert rows.entries == {"req_1:0": entry(1)}
    assert book.under_way == 0
    book.close()
    assert list(tmp_path.iterdir()) == []


async def test_the_book_stands_still_where_it_is_paused(tmp_path: Path) -> None:
    """What ended before is in the database then, nothing later; once that is over it goes on, and so does its end."""
    rows = Kept()
    book = Book(tmp_path, rows, flush_s=0)
    book.settled("req_1", (entry(1),))
    pause = book.pause()
    book.settled("req_2", (entry(2),))
    book.start()
    await pause.reached()
    assert not book.flush(0)
    assert list(rows.entries) == ["req_1:0"]
    pause.end()
    assert book.flush()
    last = book.pause()
    book.settled("req_3", (entry(3),))
    await last.reached()
    book.close()
    assert list(rows.entries) == ["req_1:0", "req_2:0", "req_3:0"]


def test_a_call_under_way_at_the_stop_is_found_by_the_next_process(tmp_path: Path) -> None:
    """Nobody knows how it ended: it is written as interrupted."""
    rows = Kept()
    book = Book(tmp_path, rows, flush_s=0)
    book.start()
    book.opened(opened(1), None)
    book.came("req_1", 7)
    book.came("req_unknown", 7)
    book.close()
    following = Book(tmp_path, rows, flush_s=0)
    following.start()
    until(lambda: bool(rows.entries))
    assert (rows.entries["req_1:0"].status, rows.entries["req_1:0"].output_tokens) == ("interrupted", 7)
    following.close()
    assert list(tmp_path.iterdir()) == []


def test_while_the_database_is_away_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The journal keeps what has ended, and the log tells it once."""
    monkeypatch.setattr("narthex.ledger.book.RETRY_S", 0.01)
    rows = Kept()
    rows.away = True
    book = Book(tmp_path, rows, flush_s=0)
    book.start()
    for number in range(50):
        book.opened(opened(number), None)
        book.settled(f"req_{number}", (entry(number),))
    until(lambda: rows.tries > 3)
    assert not rows.entries
    assert "narthex_ledger_waiting 50" in list(book.lines())
    rows.away = False
    assert book.flush()
    assert len(rows.entries) == 50
    book.close()
    assert len([record for record in caplog.records if "cannot be written" in record.message]) == 1


def test_a_book_closed_while_the_database_is_away_leaves_its_journal(tmp_path: Path) -> None:
    """The next process takes it over, as that of one that was killed."""
    rows = Kept()
    rows.away = True
    book = Book(tmp_path, rows, flush_s=0)
    book.start()
    book.settled("req_1", (entry(1),))
    book.close()
    rows.away = False
    following = Book(tmp_path, rows, flush_s=0)
    assert following.recover() == 1
    following.start()
    following.close()
    assert rows.entries == {"req_1:0": entry(1)}


def test_a_full_disk_refuses_calls_and_loses_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written down does not go out; what is under way ends in memory, and in the database."""
    rows = Kept()
    book = Book(tmp_path, rows, flush_s=0, segment_bytes=400)
    book.opened(opened(1), None)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    refused = 0
    for number in range(2, 9):
        try:
            book.opened(opened(number), None)
        except LedgerUnavailable as error:
            refused = error.status
    assert refused == 503
    book.settled("req_1", (entry(1),))
    monkeypatch.undo()
    book.start()
    assert book.flush()
    assert "req_1:0" in rows.entries
    book.opened(opened(20), None)
    book.close()


def test_a_stop_behind_a_call_does_not_wait(tmp_path: Path) -> None:
    """The thread that gathers ended calls hears of a stop that comes meanwhile."""
    rows = Kept()
    book = Book(tmp_path, rows, flush_s=0.2)
    book.start()
    book.settled("req_0", (entry(0),))
    assert book.flush()
    book.settled("req_1", (entry(1),))
    time.sleep(0.05)
    book.close(timeout_s=5)
    assert not book._thread.is_alive()
    assert list(tmp_path.iterdir()) == []


def test_an_entry_that_is_never_taken_keeps_no_other_waiting(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is set aside in a file, and all others are written."""
    rows = Kept()
    rows.refused = "req_7:0"
    book = Book(tmp_path, rows, flush_s=0)
    for number in range(20):
        book.opened(opened(number), None)
        book.settled(f"req_{number}", (entry(number),))
    book.start()
    assert book.flush()
    book.close()
    assert len(rows.entries) == 19
    (path,) = tmp_path.iterdir()
    assert path.name == "unfit.jsonl"
    assert b'"req_7:0"' in path.read_bytes()
    assert "narthex_ledger_unfit_total 1" in list(book.lines())
    assert "req_7:0" in caplog.text


def test_a_journal_that_cannot_be_read_keeps_nobody_waiting(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As that of a newer version: it is left as it is, and all else is written."""
    newer = Journal(tmp_path)
    newer.append(b"\x93\xa1znothing that is known")
    newer.close(remove=False)
    rows = Kept()
    book = Book(tmp_path, rows, flush_s=0)
    book.start()
    book.settled("req_1", (entry(1),))
    assert book.flush()
    assert rows.entries
    book.close()
    assert list(tmp_path.iterdir()) == [newer.folder]
    assert "cannot be read" in caplog.text


def test_what_ended_is_written_while_the_journal_finds_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only that makes room again."""
    rows = Kept()
    book = Book(tmp_path, rows, flush_s=0, segment_bytes=400)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    book.opened(opened(1), None)
    book.settled("req_1", (entry(1),))
    monkeypatch.setattr(os, "posix_fallocate", full)
    assert book._journal.wants_spare
    book.start()
    until(lambda: bool(rows.entries))
    book.close()


def test_a_call_that_ends_behind_the_stop_is_known_as_interrupted(tmp_path: Path) -> None:
    """Nothing breaks, and the next process finds that it had begun."""
    rows = Kept()
    book = Book(tmp_path, rows, flush_s=0)
    book.start()
    book.opened(opened(1), None)
    book.close()
    book.came("req_1", 3)
    book.settled("req_1", (entry(1),))
    with pytest.raises(LedgerUnavailable):
        book.opened(opened(2), None)
    assert Book(tmp_path, rows).recover() == 1
    assert rows.entries["req_1:0"].status == "interrupted"


def test_how_far_an_answer_has_come_is_kept_while_files_come_and_go(tmp_path: Path) -> None:
    """The last word of it holds its file; the one before does not."""
    rows = Kept()
    book = Book(tmp_path, rows, flush_s=0, segment_bytes=2_000)
    book.start()
    book.opened(opened(0), None)
    for number in range(1, 61):
        book.opened(opened(number), None)
        book.settled(f"req_{number}", (entry(number),))
        if number % 20 == 5:
            book.came("req_0", number)
        assert book.flush()
    assert len(list(tmp_path.glob("*/*.journal"))) <= 5
    book.close(timeout_s=1)
    assert Book(tmp_path, rows).recover() == 1
    assert rows.entries["req_0:0"].output_tokens == 45


def test_several_threads_of_calls_and_one_of_writing(tmp_path: Path) -> None:
    """Files come and go while calls begin and end; each is written once."""
    rows = Kept()
    book = Book(tmp_path, rows, flush_s=0, segment_bytes=2_000)
    book.start()
    for number in range(3_000):
        book.opened(opened(number), None)
        if number % 3:
            book.settled(f"req_{number}", (entry(number),))
    for number in range(0, 3_000, 3):
        book.settled(f"req_{number}", (entry(number),))
    assert book.flush(30)
    assert len(rows.entries) == 3_000
    assert len(list(tmp_path.glob("*/*.journal"))) < 10
    book.close()
    assert not book._thread.is_alive()


_CALLER = """
import sys
from pathlib import Path
from sqlalchemy import create_engine, event
from narthex.ledger.book import Book
from narthex.ledger.rows import LedgerRows
from narthex.ledger.unfit import UnfitEntries
from tests.ledger.calls import entry, opened

engine = create_engine(f"sqlite:///{sys.argv[1]}/main.db")

def connected(raw, _):
    # As in the server: the driver's own way would end the transaction with the first savepoint.
    raw.isolation_level = None
    raw.execute("pragma journal_mode=wal")

event.listen(engine, "connect", connected)
event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))

def write(work):
    with engine.begin() as connection:
        return work(connection)

book = Book(Path(sys.argv[1]) / "ledger", LedgerRows(write), flush_s=0.002, segment_bytes=8_000)
book.start()
base = int(sys.argv[2])
for number in range(base, base + 1_000_000):
    book.opened(opened(number), None)
    sys.stdout.write(f"b {number}\\n")
    sys.stdout.flush()
    if number % 5:
        book.settled(f"req_{number}", (entry(number),))
        sys.stdout.write(f"e {number}\\n")
        sys.stdout.flush()
"""


def database(folder: Path) -> Engine:
    """Return the database of the killed processes."""
    engine = create_engine(f"sqlite:///{folder}/main.db")

    def connected(raw: sqlite3.Connection, _: object) -> None:
        raw.isolation_level = None
        raw.execute("pragma journal_mode=wal")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def killed(folder: Path, base: int, after_s: float) -> tuple[set[int], set[int]]:
    """Run a process that makes calls, kill it, and return which it told of as begun, and as ended."""
    command = [sys.executable, "-c", _CALLER, str(folder), str(base)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [process.stdout.readline()]
    time.sleep(after_s)
    process.send_signal(signal.SIGKILL)
    process.wait()
    told += process.stdout.read().splitlines()
    process.stdout.close()
    begun, ended = ({int(line[2:]) for line in told if line.startswith(mark)} for mark in ("b ", "e "))
    return begun, ended


def test_kill_at_any_instant_loses_no_entry_and_doubles_none(tmp_path: Path) -> None:
    """Processes are killed in turn: what each had told of is there, and the sums are those of the rows."""
    engine = database(tmp_path)
    metadata.create_all(engine)
    chance = random.Random(7)
    runs = [killed(tmp_path, number * 1_000_000, chance.random() * 0.1) for number in range(5)]

    def write(work: Callable[[Connection], int]) -> int:
        with engine.begin() as connection:
            return work(connection)

    book = Book(tmp_path / "ledger", LedgerRows(write))
    book.recover()
    book.start()
    book.close()
    with engine.connect() as connection:
        rows = connection.execute(select(ledger_entries.c.request_id, ledger_entries.c.status)).all()
        cost = connection.scalar(select(func.sum(ledger_entries.c.cost_picousd)))
        assert connection.scalar(select(func.sum(usage_hours.c.cost_picousd))) == cost
        assert connection.scalar(select(func.sum(usage_hours.c.attempts))) == len(rows)
    engine.dispose()
    settled = {int(name[4:]) for name, status in rows if status == "settled"}
    interrupted = {int(name[4:]) for name, status in rows if status == "interrupted"}
    assert len(rows) == len(settled) + len(interrupted)
    assert all(ended <= settled and begun <= settled | interrupted for begun, ended in runs)
    assert interrupted
