"""Sums of whole days, folded from those of their hours once the day is over: for questions about months.

Nobody who writes entries folds anything. A day is folded in one transaction, which says so in `folded_days`; whoever
writes an entry into a day that is over takes it out again in the transaction of the entry, and questions go by the
hours until it is folded anew. So the answer is that of the entries at any moment.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

from sqlalchemy import BigInteger, Connection, Table, delete, func, insert, literal, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import Select

from narthex.ledger.periods import DAY_MS
from narthex.stores.database.schema import folded_days, usage_days, usage_hours, usage_key_days

if TYPE_CHECKING:
    from narthex.stores.database import Database

logger = logging.getLogger(__name__)

TABLES: Final = (usage_days, usage_key_days)
"""From the one that knows least, and is read quickest."""
AFTER_MS: Final = 3_600_000
"""How long a day is over before it is folded: until then entries come that began in it."""
AGAIN_S: Final = 600.0
"""How often it is looked which days are over."""
FIRST_S: Final = 5.0
"""How long after its start a server looks for the first time."""

_Rows = Mapping[tuple[object, ...], tuple[int, ...]]


def unfold(connection: Connection, hours: Iterable[int]) -> None:
    """Have questions go by the hours for the days of these, after their sums were changed in the same transaction."""
    # Numbers, in words that the database knows already: this is said for every group of entries.
    days = sorted({hour // DAY_MS * DAY_MS for hour in hours})
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    for day in days:
        connection.exec_driver_sql(f"DELETE FROM folded_days WHERE day = {mark}", (day,))  # noqa: S608 - no text of others


def fold(connection: Connection, day: int) -> None:
    """Sum a day up from its hours, within a transaction."""
    if connection.dialect.name == "postgresql":
        # Whoever writes entries of the day meanwhile does so when this is done, and takes the day out again.
        connection.exec_driver_sql("LOCK TABLE usage_hours IN SHARE ROW EXCLUSIVE MODE")
    if connection.scalar(select(folded_days.c.day).where(folded_days.c.day == day)) is not None:
        return
    for table in TABLES:
        keys, sums = _columns(table)
        connection.execute(delete(table).where(table.c.day == day))
        connection.execute(insert(table).from_select(["day", *keys, *sums], _summed(table, day)))
    connection.execute(insert(folded_days).values(day=day))


def to_fold(connection: Connection, now_ms: int) -> Sequence[int]:
    """Return the days that are over, have sums, and are not folded."""
    folded = set(connection.scalars(select(folded_days.c.day)).all())
    found: list[int] = []
    until, at = (now_ms - AFTER_MS) // DAY_MS * DAY_MS, 0
    while True:
        # From one day to the next by the index: the hours are many.
        first = connection.scalar(select(func.min(usage_hours.c.hour)).where(usage_hours.c.hour >= at))
        if first is None or first >= until:
            return found
        day = first // DAY_MS * DAY_MS
        if day not in folded:
            found.append(day)
        at = day + DAY_MS


def folded_runs(connection: Connection, since: int, until: int) -> Iterator[tuple[int, int]]:
    """Yield the spans within a span of time whose days are all folded."""
    day = folded_days.c.day
    query = select(day).where(day >= since, day <= until - DAY_MS).order_by(day)
    begin = end = -1
    for one in connection.scalars(query):
        if one != end:
            if end >= 0:
                yield begin, end
            begin = one
        end = one + DAY_MS
    if end >= 0:
        yield begin, end


def wrong_days(connection: Connection) -> Iterator[int]:
    """Yield the folded days whose sums are not those of their hours."""
    for day in connection.scalars(select(folded_days.c.day).order_by(folded_days.c.day)).all():
        if any(_there(connection, table, day) != _right(connection, table, day) for table in TABLES):
            yield day


def _columns(table: Table) -> tuple[list[str], list[str]]:
    """Return the names of what tells the rows of a day apart, and of their sums."""
    keys = [column.name for column in table.primary_key.columns if column.name != "day"]
    return keys, [column.name for column in table.columns if not column.primary_key]


def _summed(table: Table, day: int) -> Select[tuple[object, ...]]:
    """Return the query for the rows of a day, from its hours."""
    keys, sums = _columns(table)
    hours = usage_hours.c
    named = [hours[name] for name in keys]
    columns = [literal(day, BigInteger), *named, *(func.sum(hours[name]) for name in sums)]
    query = cast("Select[tuple[object, ...]]", select(*columns))
    return query.where(hours.hour >= day, hours.hour < day + DAY_MS).group_by(*named)


def _right(connection: Connection, table: Table, day: int) -> _Rows:
    return _rows(connection, table, _summed(table, day))


def _there(connection: Connection, table: Table, day: int) -> _Rows:
    keys, sums = _columns(table)
    columns = [table.c[name] for name in ("day", *keys, *sums)]
    return _rows(connection, table, cast("Select[tuple[object, ...]]", select(*columns).where(table.c.day == day)))


def _rows(connection: Connection, table: Table, query: Select[tuple[object, ...]]) -> _Rows:
    many = len(_columns(table)[0]) + 1
    rows = (cast("list[str | int]", list(row)) for row in connection.execute(query))
    return {tuple(row[1:many]): tuple(int(figure) for figure in row[many:]) for row in rows}


class Folding:
    """Folds the days that are over, in a server that runs."""

    def __init__(
        self,
        database: Database,
        *,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take where the ledger is.

        Args:
            database: Where.
            wall: Says the seconds of Unix time.
            sleep: Waits.
        """
        self._database, self._wall, self._sleep = database, wall, sleep

    async def run(self) -> None:
        """Fold what there is to fold, again and again, until cancelled."""
        await self._sleep(FIRST_S)
        while True:
            try:
                await self.catch_up()
            except Exception:  # the edge of this task: without it questions are slow, and right
                logger.exception("days of the ledger that are over could not be summed up")
            await self._sleep(AGAIN_S)

    async def catch_up(self) -> None:
        """Fold all days that are over by now, each in a transaction of its own."""
        now_ms = int(self._wall() * 1_000)
        for day in await self._database.read(lambda connection: to_fold(connection, now_ms)):
            try:
                await self._database.write(lambda connection, day=day: fold(connection, day))  # type: ignore[misc]
            except DBAPIError as error:
                # Sums beyond 64 bits: what is asked of the day is read from its hours.
                logger.debug("the day %d stays in its hours: %s", day, error)
