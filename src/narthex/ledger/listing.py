"""The entries themselves: newest first in pages, or all of a span of time in its order, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection, and_, func, or_, select
from sqlalchemy.sql import Select

from narthex.ledger.dimensions import ENTRIES, condition
from narthex.ledger.entries import Entry
from narthex.ledger.rows import entry_of
from narthex.ledger.usage import Question

AT_ONCE: Final = 5_000
"""Entries that are read at once, where all are wanted."""
_NAMES: Final = tuple(field.name for field in msgspec.structs.fields(Entry))

T = TypeVar("T")


class Read(Protocol):
    """Runs a function that reads, and returns what it returns; `Database.read_now` is one."""

    def __call__(self, work: Callable[[Connection], T]) -> T:
        """Run it."""
        ...


class Place(NamedTuple):
    """Where an entry stands among all."""

    at: int
    id: str


def newest(
    connection: Connection, asked: Question, *, limit: int, after: Place | None = None
) -> tuple[Sequence[Entry], Place | None]:
    """Return the newest entries, and where the next ones begin; None if there are no more.

    Args:
        connection: In a transaction.
        asked: Which; what these are told apart by is of no concern.
        limit: How many.
        after: Behind which one they begin.
    """
    at, name = ENTRIES.c.at, ENTRIES.c.id
    query = _wanted(connection, asked).order_by(at.desc(), name.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(or_(at < after.at, and_(at == after.at, name < after.id)))
    found = _entries(connection, query)
    if len(found) <= limit:
        return found, None
    return found[:limit], Place(found[limit - 1].at, found[limit - 1].id)


def oldest(
    connection: Connection, asked: Question, *, limit: int = AT_ONCE, after: Place | None = None
) -> Sequence[Entry]:
    """Return the oldest entries behind a place, as `newest` does."""
    at, name = ENTRIES.c.at, ENTRIES.c.id
    query = _wanted(connection, asked).order_by(at, name).limit(limit)
    if after is not None:
        query = query.where(or_(at > after.at, and_(at == after.at, name > after.id)))
    return _entries(connection, query)


def every(read: Read, asked: Question, *, at_once: int = AT_ONCE) -> Iterator[Sequence[Entry]]:
    """Yield all entries that are asked for, in order of time, so many at once; each part is read for itself."""
    after: Place | None = None
    while True:
        last = after
        found = read(lambda connection: oldest(connection, asked, limit=at_once, after=last))  # noqa: B023 - called at once
        if found:
            yield found
        if len(found) < at_once:
            return
        after = Place(found[-1].at, found[-1].id)


def named(connection: Connection, names: Sequence[str]) -> Sequence[Entry]:
    """Return those of the entries of these IDs that are there."""
    return _entries(connection, select(*(ENTRIES.c[name] for name in _NAMES)).where(ENTRIES.c.id.in_(names)))


def newest_at(connection: Connection) -> int:
    """Return when the newest entry is from, in milliseconds of Unix time; 0 if there is none."""
    return int(connection.scalar(select(func.max(ENTRIES.c.at))) or 0)


def _wanted(connection: Connection, asked: Question) -> Select[tuple[object, ...]]:
    conditions = [condition(connection, ENTRIES, dimension, values) for dimension, values in asked.where]
    within = and_(ENTRIES.c.at >= asked.since, ENTRIES.c.at < asked.until)
    return select(*(ENTRIES.c[name] for name in _NAMES)).where(within, *conditions)


def _entries(connection: Connection, query: Select[tuple[object, ...]]) -> Sequence[Entry]:
    return [entry_of(dict(row)) for row in connection.execute(query).mappings()]
