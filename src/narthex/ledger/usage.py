"""Who used what, and what it cost: sums of the ledger by any dimension and period, exact.

They are read from the sums for each hour where these know all that is asked for, and else from the entries; the ends of
a span that lie within an hour always from the entries. Both are written in one transaction, so the answer is the same.
Days that are over and folded are read from the sums of days, where these know all of it; see `narthex.ledger.days`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Final, cast

import msgspec
from sqlalchemy import Connection, Table, and_, case, func, select
from sqlalchemy.sql import ColumnElement, Select

from narthex.errors import InvalidRequest
from narthex.ledger.days import TABLES as DAYS
from narthex.ledger.days import folded_runs
from narthex.ledger.dimensions import ENTRIES, HOURS, Dimension, column_of, condition, dimension_of, reader_of
from narthex.ledger.periods import DAY_MS, HOUR_MS, PERIODS, start_of
from narthex.ledger.rows import SUMS

MAX_GROUPS: Final = 200_000
"""Rows of sums that one question may lead to."""
MAX_DIMENSIONS: Final = 6
_PART: Final = 1_000_000_000
"""Money is added up in two parts: SQLite refuses a sum beyond 64 bits, which is nine million dollars."""
_MONEY: Final = frozenset({"cost_picousd", "saved_picousd", "estimated_picousd"})

_TIMES: Final = ("at", "hour", "day")
"""Columns that say when."""

Filters = Mapping[str, Sequence[str]]
Key = tuple[int | None, tuple[str, ...]]


class Sums(msgspec.Struct, kw_only=True):
    """What was used; the names are those of `usage_hours`."""

    requests: int = 0
    attempts: int = 0
    failures: int = 0
    """Attempts that did not bring a whole answer."""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    """Of those written: the ones that are kept for an hour."""
    reasoning_tokens: int = 0
    images: int = 0
    audio_ms: int = 0
    estimated: int = 0
    """Attempts whose tokens were counted here."""
    estimated_picousd: int = 0
    """Of the cost: what rests on those."""
    unpriced_tokens: int = 0
    """Tokens whose price nobody knew: what they cost is not in `cost_picousd`."""
    unpriced_attempts: int = 0
    """Attempts that consumed something whose price nobody knew."""
    cost_picousd: int = 0
    saved_picousd: int = 0
    duration_ms: int = 0

    def add(self, other: Sums) -> None:
        """Count others in."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Row(msgspec.Struct, frozen=True):
    """The sums of one period and one value of each dimension."""

    start: int | None
    """When the period began; None where none was asked for."""
    values: tuple[str, ...]
    """In the order of the dimensions."""
    sums: Sums


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for."""

    since: int
    """In milliseconds of Unix time."""
    until: int
    """The first moment that is not asked for."""
    by: tuple[Dimension, ...] = ()
    period: str | None = None
    where: tuple[tuple[Dimension, tuple[str, ...]], ...] = ()
    """Values that a dimension must have one of."""

    @property
    def is_hourly(self) -> bool:
        """Whether the sums for each hour know all that is asked for."""
        return self.is_known_to(HOURS)

    def is_known_to(self, table: Table) -> bool:
        """Tell whether a table knows all that is asked for, but for the time."""
        return all(one.is_known_to(table) for one in (*self.by, *(dimension for dimension, _ in self.where)))

    @property
    def is_overlapping(self) -> bool:
        """Whether a call may be in several rows."""
        return any(one.is_overlapping for one in self.by)


def question(
    *, since: int, until: int, by: Iterable[str] = (), period: str | None = None, where: Filters | None = None
) -> Question:
    """Return what is asked for.

    Raises:
        InvalidRequest: There is no such dimension or period, or the span is none.
    """
    dimensions = tuple(dimension_of(name, param="by") for name in dict.fromkeys(by))
    if len(dimensions) > MAX_DIMENSIONS:
        raise InvalidRequest(f"by: {len(dimensions)} dimensions; up to {MAX_DIMENSIONS} go together", param="by")
    if period is not None and period not in PERIODS:
        raise InvalidRequest(f"period: {period[:50]!r} is none; there are {', '.join(PERIODS)}", param="period")
    if since >= until:
        raise InvalidRequest("from: it does not lie before `to`", param="from")
    filters = tuple((dimension_of(name, param=name), tuple(values)) for name, values in (where or {}).items() if values)
    return Question(since=since, until=until, by=dimensions, period=period, where=filters)


def usage(connection: Connection, asked: Question) -> Sequence[Row]:
    """Return the sums, in order of time, then the dearest first.

    Raises:
        InvalidRequest: They are too many.
    """
    found: dict[Key, Sums] = {}
    for table, since, until in list(_parts(connection, asked)):
        for key, sums in _read(connection, table, asked, since, until):
            known = found.setdefault(key, sums)
            if known is not sums:
                known.add(sums)
            if len(found) > MAX_GROUPS:
                raise too_many()
    rows = [Row(start, values, sums) for (start, values), sums in found.items()]
    return sorted(rows, key=lambda row: (row.start or 0, -row.sums.cost_picousd, row.values))


def with_total(connection: Connection, asked: Question) -> tuple[Sequence[Row], Sums]:
    """Return what `usage` and `total` do, read once where the rows do not overlap."""
    rows = usage(connection, asked)
    if asked.is_overlapping:
        return rows, total(connection, asked)
    whole = Sums()
    for row in rows:
        whole.add(row.sums)
    return rows, whole


def total(connection: Connection, asked: Question) -> Sums:
    """Return the sums of all that is asked for, whatever it is told apart by."""
    rows = usage(connection, msgspec.structs.replace(asked, by=(), period=None))
    return rows[0].sums if rows else Sums()


def too_many() -> InvalidRequest:
    """Return what is said where the answer has too many rows."""
    return InvalidRequest(
        f"that would be more than {MAX_GROUPS:,} rows: ask for a shorter time, longer periods or fewer dimensions"
    )


def _parts(connection: Connection, asked: Question) -> Iterator[tuple[Table, int, int]]:
    """Yield which table answers for which time."""
    first, last = -(-asked.since // HOUR_MS) * HOUR_MS, asked.until // HOUR_MS * HOUR_MS
    if not asked.is_hourly or first >= last:
        yield ENTRIES, asked.since, asked.until
        return
    if asked.since < first:
        yield ENTRIES, asked.since, first
    yield from _whole_hours(connection, asked, first, last)
    if last < asked.until:
        yield ENTRIES, last, asked.until


def _whole_hours(connection: Connection, asked: Question, first: int, last: int) -> Iterator[tuple[Table, int, int]]:
    """Yield which sums answer for which time."""
    days = next((table for table in DAYS if asked.is_known_to(table)), None)
    if days is not None and asked.period != "hour":
        for since, until in folded_runs(connection, first, last):
            if first < since:
                yield HOURS, first, since
            yield days, since, until
            first = until
    if first < last:
        yield HOURS, first, last


def statement(
    connection: Connection, table: Table, asked: Question, since: int, until: int
) -> Select[tuple[object, ...]]:
    """Return the query of one table: the time, what the dimensions are read from, and the sums."""
    at = next(table.c[name] for name in _TIMES if name in table.c)
    keys: list[ColumnElement[str] | ColumnElement[int]] = []
    if asked.period is not None:
        size = HOUR_MS if asked.period == "hour" else DAY_MS
        keys.append((at // size * size).label("start"))
    keys += [column_of(table, one).label(f"by_{number}") for number, one in enumerate(asked.by)]
    conditions = [condition(connection, table, dimension, values) for dimension, values in asked.where]
    columns = [*keys, *_summed(table)]
    query = cast("Select[tuple[object, ...]]", select(*columns)).where(and_(at >= since, at < until, *conditions))
    # Without groups a query tells one row even where there is nothing.
    return query.group_by(*keys) if keys else query.having(func.count() > 0)


def _read(connection: Connection, table: Table, asked: Question, since: int, until: int) -> Iterator[tuple[Key, Sums]]:
    readers = [reader_of(table, one) for one in asked.by]
    rows = connection.execute(statement(connection, table, asked, since, until).limit(MAX_GROUPS + 1))
    leading = asked.period is not None
    for number, row in enumerate(rows):
        if number == MAX_GROUPS:
            raise too_many()
        told = cast("list[str | int]", list(row))
        start = start_of(str(asked.period), int(told.pop(0))) if leading else None
        texts, figures = told[: len(readers)], told[len(readers) :]
        for values in product(*(read(text) for read, text in zip(readers, map(str, texts), strict=True))):
            yield (start, values), _sums(figures)


def _summed(table: Table) -> list[ColumnElement[int]]:
    columns: list[ColumnElement[int]] = []
    for name in SUMS:
        value = _of_entries(name) if table is ENTRIES else table.c[name]
        if name in _MONEY:
            columns += [func.sum(value // _PART), func.sum(value % _PART)]
        else:
            columns.append(func.sum(value))
    return columns


def _of_entries(name: str) -> ColumnElement[int]:
    """Return what one entry adds to a sum; see `narthex.ledger.rows.sums_of`."""
    columns = ENTRIES.c
    match name:
        case "attempts":
            return case((columns.id != "", 1), else_=0)
        case "failures":
            return case((columns.status != "settled", 1), else_=0)
        case "estimated":
            return case((columns.estimated, 1), else_=0)
        case "estimated_picousd":
            return case((columns.estimated, columns.cost_picousd), else_=0)
        case "unpriced_tokens":
            return case((columns.price_id == "", columns.input_tokens + columns.output_tokens), else_=0)
        case "unpriced_attempts":
            consumed = columns.input_tokens + columns.output_tokens + columns.images + columns.audio_ms
            return case((and_(columns.price_id == "", consumed != 0), 1), else_=0)
        case _:
            return columns[name]


def _sums(figures: Sequence[str | int]) -> Sums:
    """Return sums from what a query tells; PostgreSQL tells them as decimals."""
    sums, place = Sums(), 0
    for name in SUMS:
        value = int(figures[place])
        place += 1
        if name in _MONEY:
            value = value * _PART + int(figures[place])
            place += 1
        setattr(sums, name, value)
    return sums
