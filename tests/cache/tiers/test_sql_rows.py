"""Entries and declarations as rows, in both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from narthex.cache.tiers import sql_rows
from narthex.cache.tiers.sql_rows import Changes, Row, Said, SqlRows
from tests.cache.on_disk import OnDisk


@pytest.fixture
def rows(database_url: str, tmp_path: Path) -> Iterator[SqlRows]:
    """Tables with nothing in them."""
    made = SqlRows(OnDisk(database_url, tmp_path).place.connect(True))
    made.make("own")
    yield made
    made.close()


def row(number: int, *, ends_ms: int = 100) -> Row:
    """Return an entry."""
    return Row(bytes([number]) * 16, "ws", b"x" * 10, ends_ms, number)


def test_numbers_rise(rows: SqlRows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the clock does; where what was known is gone, everything is declared void first; few are held."""
    monkeypatch.setattr(sql_rows, "MAX_DECLARATIONS", 3)
    rows.declare([b"a"], known=0, now_us=1_000, everything=b"*")
    rows.declare([b"b"], known=1_001, now_us=10, everything=b"*")
    assert rows.declared(0) == [Said(1_000, 0, b"*"), Said(1_001, 1_000, b"a"), Said(1_002, 1_001, b"b")]
    rows.declare([], known=5_000, now_us=10, everything=b"*")
    assert rows.declared(1_002) == [Said(5_001, 1_002, b"*")]
    assert [one.number for one in rows.declared(0)] == [1_001, 1_002, 5_001]


def test_of_another_row_of_numbers_nothing_is_left(rows: SqlRows) -> None:
    """It cannot be judged; of the same one all of it is."""
    rows.write(Changes(put=[row(1)]))
    rows.declare([b"a"], known=0, now_us=1, everything=b"*")
    rows.make("own")
    assert rows.get(row(1).key) == (b"x" * 10, 2)
    rows.make("redis:narthex")
    assert (list(rows.keys()), rows.declared(0)) == ([], [])


def test_what_was_used_least_lately_goes_first(rows: SqlRows) -> None:
    """A tenth more than has to; and what has ended in any case."""
    rows.write(Changes(put=[row(number) for number in range(9)] + [row(9, ends_ms=50)]))
    rows.write(Changes(removed=[row(8).key], used=[(20, row(0).key)]))
    held, gone = rows.keep_within(60, 50)
    assert (held.bytes, held.entries, gone) == (50, 5, 3)
    assert sorted(rows.keys()) == [row(number).key for number in (0, 4, 5, 6, 7)]


def test_what_fails_is_undone(rows: SqlRows) -> None:
    """All of it, so that the next may begin."""
    with pytest.raises(Exception, match=r"(?i)null"):
        rows.write(Changes(put=[row(1), Row(b"k" * 16, None, b"", 1, 1)]))  # type: ignore[arg-type]
    assert list(rows.keys()) == []
    rows.write(Changes(put=[row(1)]))
    rows.tidy()
