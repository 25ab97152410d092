"""Entries that no database takes."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from narthex.ledger.entries import Entry
from narthex.ledger.unfit import FILE, Sieve, UnfitEntries
from tests.ledger.calls import entry


class Picky:
    """Takes entries whose number is not among the refused."""

    def __init__(self, *refused: int) -> None:
        self.refused = {f"req_{number}:0" for number in refused}
        self.taken: list[str] = []
        self.away = False

    def add(self, entries: Sequence[Entry]) -> int:
        """Take all of them, or none."""
        if self.away:
            raise OSError("away")
        if any(one.id in self.refused for one in entries):
            raise UnfitEntries("it has a zero in it")
        self.taken += [one.id for one in entries]
        return len(entries)


@pytest.mark.parametrize("refused", [(), (0,), (99,), (3, 4, 50), tuple(range(100))])
def test_what_can_be_written_is(tmp_path: Path, refused: tuple[int, ...]) -> None:
    """Each other entry is in the file, once, with the reason."""
    rows = Picky(*refused)
    sieve = Sieve(rows, tmp_path)
    entries = [entry(number) for number in range(100)]
    assert sieve.add(entries) == 100 - len(refused) == len(rows.taken)
    assert sieve.unfit == len(refused)
    sieve.add([entries[number] for number in refused])
    lines = (tmp_path / FILE).read_bytes().splitlines() if refused else []
    told = [msgspec.json.decode(line) for line in lines]
    assert [one["entry"]["id"] for one in told] == [f"req_{number}:0" for number in refused]
    assert all(one["why"] == "it has a zero in it" for one in told)
    if refused:
        assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_what_another_reason_keeps_out_is_not_set_aside(tmp_path: Path) -> None:
    """It is tried again."""
    rows = Picky(1)
    rows.away = True
    with pytest.raises(OSError, match="away"):
        Sieve(rows, tmp_path).add([entry(1), entry(2)])
    assert not list(tmp_path.iterdir())
