"""The entries in the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sqlalchemy import Connection, create_engine, func, select

from narthex.ledger.entries import Entry, Kind
from narthex.ledger.rows import SUMS, LedgerRows, add_entries, all_entries, entry_of, fitting, is_unpriced
from narthex.ledger.unfit import UnfitEntries
from narthex.stores.database import Database
from narthex.stores.database.schema import ledger_entries, metadata, usage_hours
from tests.ledger.calls import entry


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A database of its own."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def test_an_entry_comes_back_as_it_was_written(connection: Connection) -> None:
    """Every field has its column."""
    one = entry(tags="team=a", end_user="u", reasoning_tokens=3, estimated=True, saved_picousd=9)
    assert add_entries(connection, [one]) == 1
    (row,) = connection.execute(all_entries()).mappings()
    assert entry_of(dict(row)) == one


def test_an_entry_is_written_once_however_often_it_is_given(connection: Connection) -> None:
    """Neither the row nor the sums count it twice, in one group or in several."""
    one, other = entry(1), entry(2)
    assert add_entries(connection, [one, one]) == 1
    assert add_entries(connection, [one, other]) == 1
    assert connection.scalar(select(func.sum(usage_hours.c.cost_picousd))) == 2 * one.cost_picousd
    assert connection.scalar(select(func.count()).select_from(ledger_entries)) == 2


def test_nothing_is_written_without_entries() -> None:
    """No transaction is begun for nothing."""

    def write(_work: object) -> int:
        raise AssertionError

    assert LedgerRows(write).add([]) == 0


_STRANGE = (
    {"end_user": "an\0n"},
    {"end_user": "u" * 4_000, "tags": "t" * 4_000, "code": "c" * 400, "way": "w" * 40},
    {"model": "acme/o\0ne" * 100, "model_asked": "m" * 1_000},
    {"input_tokens": 10**30, "cost_picousd": -(10**40)},
    {"end_user": "\ud800"},
)


@pytest.mark.parametrize("number", range(len(_STRANGE)))
def test_what_a_column_does_not_take_is_made_to_fit(database: Database, number: int) -> None:
    """Beside it all others are written as they are, in both databases."""
    strange, plain = entry(1, **_STRANGE[number]), entry(2)
    assert LedgerRows(database.write_now).add([plain, strange]) == 2
    rows = database.read_now(lambda connection: connection.execute(all_entries()).mappings().all())
    found = {row["id"]: entry_of(dict(row)) for row in rows}
    assert found["req_2:0"] == plain
    # SQLite takes longer texts.
    assert found["req_1:0"] in {strange, fitting(strange)}
    assert database.read_now(lambda connection: connection.scalar(select(func.sum(usage_hours.c.attempts)))) == 2


def test_no_sum_of_an_hour_loses_a_digit(database: Database) -> None:
    """What would make it larger than 64 bits is refused, and the sums stay those of the entries."""
    rows = LedgerRows(database.write_now)
    dear = [entry(number, cost_picousd=10**18, at=1_790_000_000_000) for number in range(12)]
    assert rows.add(dear[:9]) == 9
    for one in dear[9:]:
        with pytest.raises(UnfitEntries):
            rows.add([one])
    (cost,) = database.read_now(lambda connection: connection.scalars(select(usage_hours.c.cost_picousd)).all())
    assert (type(cost), cost) == (int, 9 * 10**18)
    assert rows.add([entry(99, at=1_790_000_000_000)]) == 1


def test_what_is_refused_nevertheless_is_told_apart(database: Database) -> None:
    """Its sender can set it aside; an outage is told as it is."""
    bad = msgspec.structs.replace(entry(1), input_tokens=None)
    with pytest.raises(UnfitEntries):
        LedgerRows(database.write_now).add([entry(2), bad])

    def away(_work: object) -> int:
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        LedgerRows(away).add([entry(2)])


_entries = some.builds(
    entry,
    some.integers(0, 30),
    at=some.integers(1_790_000_000_000, 1_790_000_000_000 + 3 * 3_600_000),
    status=some.sampled_from(["settled", "cut", "failed"]),
    key_id=some.sampled_from(["key_a", "key_b"]),
    tags=some.sampled_from(["", "team=a"]),
    input_tokens=some.integers(0, 10**9),
    estimated=some.booleans(),
    cost_picousd=some.integers(0, 10**15),
    requests=some.integers(0, 1),
    kind=some.sampled_from(get_args(Kind)),
    operation=some.sampled_from(["chat", "embed", "image", "speech"]),
    images=some.integers(0, 9),
    audio_ms=some.integers(0, 10**6),
    price_id=some.sampled_from(["", "prc_1"]),
)


@settings(deadline=None, max_examples=60)
@given(groups=some.lists(some.lists(_entries, max_size=8), max_size=6))
def test_the_sums_are_those_of_the_entries(groups: list[list[Entry]]) -> None:
    """Whatever is given, in whatever groups, how often: the sums of the hours equal the sums of the rows."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        for group in groups:
            add_entries(connection, group)
        first: dict[str, Entry] = {}
        for one in (one for group in groups for one in group):
            first.setdefault(one.id, one)
        sums = connection.execute(select(*(func.coalesce(func.sum(usage_hours.c[name]), 0) for name in SUMS))).one()
        told = dict(zip(SUMS, sums, strict=True))
        assert told["cost_picousd"] == sum(one.cost_picousd for one in first.values())
        for name in ("input_tokens", "images", "audio_ms"):
            assert told[name] == sum(getattr(one, name) for one in first.values())
        assert told["unpriced_attempts"] == sum(map(is_unpriced, first.values()))
        assert told["attempts"] == len(first)
        assert told["failures"] == sum(one.status != "settled" for one in first.values())
        assert told["estimated"] == sum(one.estimated for one in first.values())
    engine.dispose()
