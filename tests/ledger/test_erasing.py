"""What the ledger holds of persons beside the database."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from narthex.ledger.book import Book
from narthex.ledger.entries import Entry
from narthex.ledger.erasing import rename_unfit, unfit_of
from narthex.ledger.unfit import FILE, Sieve, UnfitEntries
from narthex.stores.database.erasures import DAY_MS, ErasedNames, erasure
from narthex.stores.sealing import Sealer
from tests.ledger.calls import entry, opened


class Picky:
    """A database that takes nothing."""

    def add(self, entries: object) -> int:
        """Refuse."""
        raise UnfitEntries(f"no: {entries}")


class Kept:
    """A database that takes everything."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, entries: Sequence[Entry]) -> int:
        """Take it."""
        self.entries += entries
        return len(entries)


def test_entries_set_aside_are_handed_out_and_renamed(tmp_path: Path) -> None:
    """Also what the database said of them; those of others stay as they are, and damaged lines too."""
    assert (unfit_of(tmp_path, "usr_a"), rename_unfit(tmp_path, ["ann"], "x")) == ([], 0)
    sieve = Sieve(Picky(), tmp_path)
    for number, name in enumerate(("ann", "bob", "ann", "")):
        sieve.add([entry(number, end_user=name, user_id=f"usr_{name}")])
    with (tmp_path / FILE).open("a", encoding="utf-8") as file:
        file.write('{"entry": \n')
    assert [json.loads(line)["entry"]["id"] for line in unfit_of(tmp_path, "usr_ann")] == ["req_0:0", "req_2:0"]
    before = (tmp_path / FILE).read_text(encoding="utf-8").splitlines()
    assert rename_unfit(tmp_path, ["ann", ""], "erased") == 2
    after = (tmp_path / FILE).read_text(encoding="utf-8").splitlines()
    assert [after[place] for place in (1, 3, 4)] == [before[place] for place in (1, 3, 4)]
    assert "end_user='ann'" not in (tmp_path / FILE).read_text(encoding="utf-8")
    assert json.loads(after[0])["entry"] == json.loads(before[0])["entry"] | {"end_user": "erased"}
    assert rename_unfit(tmp_path, ["ann"], "erased") == 0


def test_what_is_set_aside_meanwhile_is_not_lost(tmp_path: Path) -> None:
    """Neither a line of others, nor one of whoever is erased."""

    def write(first: int) -> None:
        sieve = Sieve(Picky(), tmp_path)
        for number in range(first, first + 30):
            sieve.add([entry(number, end_user="ann")])

    write(1_000)
    threads = [threading.Thread(target=write, args=(100 * n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        rename_unfit(tmp_path, ["ann"], "e")
    rename_unfit(tmp_path, ["ann"], "e")
    lines = (tmp_path / FILE).read_bytes().splitlines()
    assert len(lines) == 120
    assert {msgspec.json.decode(line)["entry"]["end_user"] for line in lines} == {"e"}


def _wait_until_gone(folder: Path, name: bytes) -> None:
    for _ in range(1_000):
        with contextlib.suppress(FileNotFoundError):
            if name not in b"".join(path.read_bytes() for path in folder.rglob("*.journal")):
                return
        threading.Event().wait(0.005)
    pytest.fail("the name stays in the journal")


def test_journals_forget_whom_the_database_has(tmp_path: Path, sealer: Sealer) -> None:
    """Their files are removed when all in them is done, and calls under way end there without the name."""
    rows = Kept()
    book = Book(tmp_path, rows, flush_s=0.001)
    names = book.erased = ErasedNames(sealer)
    book.start()
    for number in range(2):
        book.opened(opened(number, end_user="ann"), None)
    book.settled("req_0", (entry(0, end_user="ann"),))
    assert book.flush()
    now = entry(1).at
    names.adopt([erasure(names.mark("end_user", "ann"), "gone", now)])
    book.turn()
    book.settled("req_1", (entry(1, end_user="ann"),))
    book.opened(opened(2, end_user="ann", at=now), None)
    book.settled("req_2", (entry(2, end_user="ann", at=now),))
    assert book.flush()
    assert [one.end_user for one in rows.entries] == ["ann", "gone", "gone"]
    _wait_until_gone(tmp_path, b"ann")
    book.opened(opened(3, end_user="bob", at=now + 10 * DAY_MS), None)
    book.settled("req_3", (entry(3, end_user="ann", at=now + 10 * DAY_MS),))
    assert book.flush()
    assert rows.entries[-1].end_user == "ann", "who has come anew is called so"
    book.close()


def test_files_that_are_used_again_have_nothing_of_whom_they_had(tmp_path: Path) -> None:
    """Not behind the records that stand in them now either."""
    rows = Kept()
    book = Book(tmp_path, rows, flush_s=0, segment_bytes=2_000)
    book.start()
    for number in range(60):
        book.opened(opened(number, end_user="ann" if number < 30 else ""), None)
        book.settled(f"req_{number}", (entry(number, end_user="ann" if number < 30 else ""),))
        assert book.flush()
    book.turn()
    left = b"req_"
    for _ in range(1_000):
        left = b"".join(path.read_bytes() for path in tmp_path.rglob("*.journal"))
        if b"req_" not in left:
            break
        threading.Event().wait(0.005)
    assert b"ann" not in left
    book.close()
