"""What the caches of prompts that providers have saved, worked out from sums of the ledger and the prices of the time.

A token that was read from such a cache saved the difference to the usual price; one that was written to it cost what
that costs more. So it may be below zero. Prices of the configuration are taken as they are now: no version of them is
kept. What nobody knows a price of saves nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from sqlalchemy import Connection

from narthex.ledger.dimensions import dimension_of
from narthex.ledger.price_book import all_versions
from narthex.ledger.prices import Prices
from narthex.ledger.usage import Key, Question, Row, Sums, usage, with_total
from narthex.types.catalog import Price

PriceOf = Callable[[str], Price | None]
"""What a model costs where no version of a price says it."""


class Saved(msgspec.Struct, frozen=True):
    """Sums, and what caches of providers saved of them, in picodollars."""

    rows: Sequence[Row]
    whole: Sums
    by_row: Mapping[Key, int]
    in_all: int

    def of(self, row: Row) -> int:
        """Return what was saved of a row."""
        return self.by_row.get((row.start, row.values), 0)


def with_savings(connection: Connection, asked: Question, price_of: PriceOf) -> Saved:
    """Return the sums that are asked for, and what was saved; nothing is looked up where no cache was used."""
    rows, whole = with_total(connection, asked)
    if not (whole.cache_read_tokens or whole.cache_write_tokens):
        return Saved(rows, whole, {}, 0)
    by_row = _savings(connection, asked, price_of)
    if not asked.is_overlapping:
        return Saved(rows, whole, by_row, sum(by_row.values()))
    in_all = _savings(connection, msgspec.structs.replace(asked, by=(), period=None), price_of)
    return Saved(rows, whole, by_row, sum(in_all.values()))


def saved_picousd(price: Price, read_tokens: int, written_tokens: int, of_1h: int = 0) -> int:
    """Return what was saved by so many tokens read from the cache and written to it, of which some for an hour."""
    usual, read = price.input_microusd_per_mtok, price.cache_read_microusd_per_mtok
    saved = 0 if read is None else read_tokens * (usual - read)
    return saved - price.written_picousd_more(written_tokens, of_1h)


def _savings(connection: Connection, asked: Question, price_of: PriceOf) -> Mapping[Key, int]:
    versions = all_versions(connection)
    prices, found = Prices(price_of, versions), defaultdict[Key, int](int)
    more = tuple(dimension_of(name, param="by") for name in ("organisation", "model"))
    for since, until in _spans(asked, {version.valid_from for version in versions}):
        # Within a span no price changes, so that the sums of it have one.
        part = msgspec.structs.replace(asked, since=since, until=until, by=(*asked.by, *more))
        for row in usage(connection, part):
            *values, organisation_id, model = row.values
            priced = prices.of(organisation_id, model, since)
            if priced is not None:
                sums = row.sums
                counts = (sums.cache_read_tokens, sums.cache_write_tokens, sums.cache_write_1h_tokens)
                found[row.start, tuple(values)] += saved_picousd(priced.price, *counts)
    return found


def _spans(asked: Question, changes: set[int]) -> Iterator[tuple[int, int]]:
    since = asked.since
    for change in sorted(moment for moment in changes if asked.since < moment < asked.until):
        yield since, change
        since = change
    yield since, asked.until
