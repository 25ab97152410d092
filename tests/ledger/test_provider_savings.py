"""What providers' caches saved: to the picodollar, at the prices of the time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
import pytest
from sqlalchemy import Connection, create_engine, insert

from narthex.ledger.entries import Entry
from narthex.ledger.periods import HOUR_MS
from narthex.ledger.provider_savings import saved_picousd, with_savings
from narthex.ledger.rows import add_entries
from narthex.ledger.usage import question
from narthex.stores.database.schema import metadata
from narthex.stores.database.schema import prices as price_rows
from narthex.types.catalog import Price
from tests.ledger.calls import entry

BEGIN: Final = 1_793_491_200_000
PRICE: Final = Price(
    input_microusd_per_mtok=1_000,
    output_microusd_per_mtok=9_000,
    cache_read_microusd_per_mtok=100,
    cache_write_microusd_per_mtok=1_250,
)


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A database of its own."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def used(number: int, *, at: int, read: int = 0, written: int = 0, **more: object) -> Entry:
    """Return an entry with so many tokens from and to a cache."""
    return entry(
        number, at=at, model="a/m", input_tokens=10_000, cache_read_tokens=read, cache_write_tokens=written, **more
    )


def test_reads_save_and_writes_cost() -> None:
    """A token that is read saves nine tenths here, one that is written costs a quarter; without rates, neither."""
    assert saved_picousd(PRICE, 1_000, 0) == 900_000
    assert saved_picousd(PRICE, 0, 1_000) == -250_000
    assert saved_picousd(PRICE, 0, 1_000, 600) == -250_000
    long = msgspec.structs.replace(PRICE, cache_write_1h_microusd_per_mtok=2_000)
    assert saved_picousd(long, 0, 1_000, 600) == -400 * 250 - 600 * 1_000
    plain = Price(input_microusd_per_mtok=1_000, output_microusd_per_mtok=1)
    assert saved_picousd(plain, 1_000, 1_000) == 0


def test_rows_and_total_tell_what_was_saved(connection: Connection) -> None:
    """By any dimension; with overlapping rows the total is still that of the calls."""
    add_entries(connection, [used(1, at=BEGIN, read=1_000, tags="x,y"), used(2, at=BEGIN + 1, written=100)])
    for by, expected in ((["key"], [875_000]), (["tag"], [900_000, 900_000, -25_000]), ([], [875_000])):
        asked = question(since=BEGIN, until=BEGIN + 3 * HOUR_MS, by=by, period="day")
        found = with_savings(connection, asked, {"a/m": PRICE}.get)
        assert sorted(found.of(row) for row in found.rows) == sorted(expected)
        assert found.in_all == 875_000
        assert sum(row.sums.cache_read_tokens for row in found.rows) >= found.whole.cache_read_tokens == 1_000


def test_a_price_counts_from_its_moment_on(connection: Connection) -> None:
    """Calls before and after a change, within one hour, are each worked out at their own price."""
    rates = {"input_microusd_per_mtok": 2_000, "output_microusd_per_mtok": 1, "cache_read_microusd_per_mtok": 0}
    row = {"id": "prc_1", "model": "a/m", "valid_from": BEGIN + 500, "rates": rates, "source": "api", "created_at": 1}
    connection.execute(insert(price_rows).values(organisation_id=None, **row))
    add_entries(connection, [used(1, at=BEGIN + 499, read=1_000), used(2, at=BEGIN + 500, read=1_000)])
    asked = question(since=BEGIN, until=BEGIN + 2 * HOUR_MS, by=["model"])
    found = with_savings(connection, asked, {"a/m": PRICE}.get)
    assert found.in_all == 900_000 + 2_000_000
    assert [found.of(row) for row in found.rows] == [found.in_all]


def test_without_a_cache_or_a_price_nothing_was_saved(connection: Connection) -> None:
    """Nobody is asked for prices where no token came from a cache; what has no price saved nothing."""
    asked = question(since=BEGIN, until=BEGIN + HOUR_MS)
    add_entries(connection, [used(1, at=BEGIN)])
    assert with_savings(connection, asked, lambda _model: pytest.fail("asked for a price")).in_all == 0
    add_entries(connection, [used(2, at=BEGIN, read=9)])
    assert with_savings(connection, asked, lambda _model: None).in_all == 0
