"""Journals of processes that are gone are taken over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from narthex.ledger.book import Book
from narthex.ledger.entries import Entry
from narthex.ledger.journal import Journal
from narthex.ledger.recovering import take_over
from narthex.ledger.rows import LedgerRows
from narthex.ledger.unfit import FILE, Sieve
from narthex.stores.database import Database
from narthex.stores.database.erasures import ErasedNames, erasure, note_erased
from narthex.stores.sealing import Sealer
from tests.ledger.calls import entry, opened


class Kept:
    """Entries in memory."""

    def __init__(self) -> None:
        self.ids: set[str] = set()

    def add(self, entries: Sequence[Entry]) -> int:
        """Keep entries."""
        fresh = {one.id for one in entries} - self.ids
        self.ids |= fresh
        return len(fresh)


def test_what_was_left_is_written_once_and_the_living_are_left_alone(tmp_path: Path) -> None:
    """Ended calls and those under way are taken over; what cannot be read stays, and is told of once."""
    rows, unreadable = Kept(), set[str]()
    sieve = Sieve(rows, tmp_path)
    book = Book(tmp_path, rows)
    book.opened(opened(1), None)
    book.settled("req_1", (entry(1),))
    book.opened(opened(2), None)
    assert take_over(tmp_path, sieve, unreadable) == (0, 0, 1)
    book.close(timeout_s=0.1)
    other = Journal(tmp_path)
    other.append(b"\xc1 of another version")
    other.close(remove=False)
    assert take_over(tmp_path, sieve, unreadable) == (1, 2, 1)
    assert unreadable == {other.folder.name}
    assert take_over(tmp_path, sieve, unreadable) == (0, 0, 1)
    assert take_over(tmp_path / "none", sieve, unreadable) == (0, 0, 0)


def test_what_is_older_than_entries_are_kept_is_not_summed_again(tmp_path: Path) -> None:
    """It may have been there, and gone by its age: it is set aside, and whoever keeps the books looks at it."""
    rows = Kept()
    book = Book(tmp_path, rows)
    for number in (1, 2):
        book.opened(opened(number), None)
        book.settled(f"req_{number}", (entry(number),))
    book.close(timeout_s=0.1)
    sieve = Sieve(rows, tmp_path)
    assert take_over(tmp_path, sieve, set(), since=entry(2).at) == (1, 1, 0)
    assert (rows.ids, sieve.unfit) == ({entry(2).id}, 1)
    (line,) = (tmp_path / FILE).read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["entry"]["id"] == entry(1).id
    assert "older than entries are kept" in line


def test_what_is_set_aside_names_nobody_who_was_erased(tmp_path: Path, database: Database, sealer: Sealer) -> None:
    """Neither for its age nor because the database does not take it, which may be told in words that quote it."""
    rows = LedgerRows(database.write_now, sealer)
    book = Book(tmp_path, rows)
    book.opened(opened(1), None)
    book.settled("req_1", (entry(1, end_user="ann"),))
    book.close(timeout_s=0.1)
    mark = ErasedNames(sealer).mark("end_user", "ann", entry(1).organisation_id)
    database.write_now(lambda connection: note_erased(connection, [erasure(mark, "gone", entry(3).at)]))
    sieve = Sieve(rows, tmp_path)
    take_over(tmp_path, sieve, set(), since=entry(2).at)
    sieve.add([entry(2, end_user="ann", model=None)])
    sieve.set_aside([entry(4, end_user="bob")], "no reason")
    told = [json.loads(line) for line in (tmp_path / FILE).read_text(encoding="utf-8").splitlines()]
    assert [(one["entry"]["id"], one["entry"]["end_user"], one["why"]) for one in told] == [
        (entry(1).id, "gone", "gone"),
        (entry(2).id, "gone", "gone"),
        (entry(4).id, "bob", "no reason"),
    ]
