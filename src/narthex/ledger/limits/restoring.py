"""What was used of limits before this process began, read from the ledger: no budget begins anew with a restart."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from narthex.ledger.limits.counters import SLOTS
from narthex.ledger.limits.matching import pattern_of
from narthex.ledger.limits.spans import span
from narthex.ledger.limits.uses import Spent
from narthex.types.limits import EACH, LENGTHS_S, Limit, Measure, SubjectKind

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Select, Table

    from narthex.stores.database import Database

logger = logging.getLogger(__name__)

AGAIN_S: Final = 5.0
"""When it is read again what could not be read."""
_HOUR_MS: Final = 3_600_000
_ESCAPE: Final = "\\"


def read_spent(connection: Connection, limit: Limit, *, value: str | None, now: float) -> list[Spent]:
    """Return what the ledger has of a limit in its present period.

    Args:
        connection: To the database.
        limit: Which; its count outlives a restart.
        value: Of whom, where each is counted separately; None for all of them.
        now: In seconds of Unix time.
    """
    rows = connection.execute(query_spent(limit, value=value, now=now)).all()
    fits = pattern_of(limit.subject) if limit.subject_kind is SubjectKind.MODEL and not limit.is_each else None
    found: dict[tuple[str, float], int] = {}
    for row in rows:
        at, used, *names = tuple(row)
        if fits is not None and not any(fits(name) for name in names):
            continue
        for who in _values(limit, names, value):
            key = (who, at / 1_000)
            found[key] = found.get(key, 0) + int(used)
    return [Spent(value=who, at=at, used=used) for (who, at), used in found.items() if used]


def query_spent(limit: Limit, *, value: str | None, now: float) -> Select[Any]:
    """Return what is asked of the database: sums by time, and by what tells whose use they are."""
    # Loaded with the database, and not before.
    from sqlalchemy import func, select  # noqa: PLC0415

    from narthex.stores.database.schema import ledger_entries, usage_hours  # noqa: PLC0415

    since_ms, width_ms = _since(limit, now)
    hourly = width_ms % _HOUR_MS == 0 and limit.subject_kind is not SubjectKind.END_USER
    hourly = hourly and limit.subject_kind is not SubjectKind.MODEL
    table = usage_hours if hourly else ledger_entries
    time_column = usage_hours.c.hour if hourly else ledger_entries.c.at
    at = time_column - time_column % width_ms if limit.window == "rolling" else since_ms + time_column * 0
    names = _name_columns(limit, table)
    where = [time_column >= since_ms, *_of_account(limit, table), *_of_subject(limit, value, table)]
    return select(at, func.sum(_measured(limit, table)), *names).where(*where).group_by(at, *names)


def _since(limit: Limit, now: float) -> tuple[int, int]:
    """Return from when on use counts, and how fine it is told, all in milliseconds."""
    if limit.window == "rolling":
        length_ms = LENGTHS_S[limit.period] * 1_000
        width_ms = length_ms // SLOTS[limit.period]
        return (int(now * 1_000) - length_ms) // width_ms * width_ms, width_ms
    return int(span(limit.period, now)[0] * 1_000), _HOUR_MS


def begin_ms(limit: Limit, now: float) -> int:
    """Return from when on use counts at a moment, in milliseconds of Unix time; the moment is in seconds."""
    return _since(limit, now)[0]


def _measured(limit: Limit, table: Table) -> ColumnElement[int]:
    if limit.measure is Measure.TOKENS:
        return table.c["input_tokens"] + table.c["output_tokens"]
    return table.c["cost_picousd" if limit.is_money else limit.measure]


def _of_account(limit: Limit, table: Table) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if limit.organisation_id:
        where.append(table.c["organisation_id"] == limit.organisation_id)
    if limit.workspace_id is not None:
        where.append(table.c["workspace_id"] == limit.workspace_id)
    return where


_COLUMNS: Final = {
    SubjectKind.ORGANISATION: "organisation_id",
    SubjectKind.WORKSPACE: "workspace_id",
    SubjectKind.MEMBER: "user_id",
    SubjectKind.KEY: "key_id",
    SubjectKind.END_USER: "end_user",
    SubjectKind.TAG: "tags",
}


def _of_subject(limit: Limit, value: str | None, table: Table) -> list[ColumnElement[bool]]:
    if limit.subject_kind is SubjectKind.MODEL:
        return [table.c["model"] == value] if limit.is_each and value else []
    column = table.c[_COLUMNS[limit.subject_kind]]
    if limit.subject_kind is SubjectKind.TAG:
        return [column.contains(limit.subject.removesuffix(EACH), autoescape=True)]
    wanted = value if limit.is_each else limit.subject
    return [column != ""] if wanted is None else [column == wanted]


def _name_columns(limit: Limit, table: Table) -> list[ColumnElement[str]]:
    if limit.subject_kind is SubjectKind.MODEL:
        return [table.c["model"]] if limit.is_each else [table.c["model"], table.c["model_asked"]]
    if limit.is_each or limit.subject_kind is SubjectKind.TAG:
        return [table.c[_COLUMNS[limit.subject_kind]]]
    return []


def _values(limit: Limit, names: Sequence[str], value: str | None) -> Iterable[str]:
    """Return as whose use a row counts."""
    if limit.subject_kind is SubjectKind.TAG:
        name, _, wanted = limit.subject.partition("=")
        pairs = (tag.partition("=") for tag in names[0].split(","))
        given = {key: said for key, _, said in pairs}.get(name)
        if given is None or wanted not in (given, EACH) or (limit.is_each and value not in (given, None)):
            return ()
        return (given if limit.is_each else "",)
    return (names[0],) if limit.is_each and names[0] else ("",) if not limit.is_each else ()


Take = Callable[[list[Spent]], Awaitable[None] | None]
"""Takes in what was read."""


class Taking(Protocol):
    """Who takes in what is read."""

    def __call__(self, limit: Limit, value: str | None, /) -> Take:
        """Return what takes in what the ledger has at this moment of a limit, or of one of those whom it concerns."""
        ...


class Standing(Protocol):
    """A moment of the ledger: what ended before it is in the database then, and nothing later."""

    async def reached(self) -> None:
        """Wait until it has come to that."""
        ...

    def end(self) -> None:
        """Have the ledger go on."""
        ...


class Restorer:
    """Reads what was used of limits, at one moment of the ledger, and gives it to the meters.

    Attributes:
        wanted: Limits that are to be read, by their IDs and by whose use is; None for that of all whom it concerns.
    """

    def __init__(
        self,
        database: Database,
        taking: Taking,
        *,
        pause: Callable[[], Standing] | None = None,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take where the ledger is.

        Args:
            database: Where.
            taking: Asked at the moment that is read.
            pause: Has the ledger stand still at this moment; None where it need not.
            wall: Says the seconds of Unix time.
            sleep: Waits before it is tried again.
        """
        self._database = database
        self._taking = taking
        self._pause = pause
        self._wall = wall
        self._sleep = sleep
        self.wanted: dict[tuple[str, str | None], Limit] = {}
        self._woken, self._read = asyncio.Event(), asyncio.Event()

    def want(self, limit: Limit, value: str | None) -> None:
        """Have a limit read; see `Meters.on_unknown`."""
        self.wanted[limit.id, value] = limit
        self._woken.set()

    async def until_read(self, names: Callable[[], Iterable[str]]) -> None:
        """Wait until of none of these limits all is to be read; they are asked for anew each time."""
        while any((name, None) in self.wanted for name in names()):
            await self._read.wait()

    async def run(self) -> None:
        """Read what is wanted, until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            await self.catch_up()

    async def catch_up(self) -> None:
        """Read all that is wanted at this moment, however long the database is away."""
        while self.wanted:
            if not await self._at_once():
                await self._sleep(AGAIN_S)

    async def _at_once(self) -> bool:
        """Read what is wanted as it stands at one moment; tell whether all of it could be."""
        pause = None if self._pause is None else self._pause()
        wanted = [(key, limit, self._taking(limit, key[1])) for key, limit in self.wanted.items()]
        try:
            if pause is not None:
                await pause.reached()
            # All are tried: whatever is wrong with one, others are read.
            return all([await self._one(key, limit, take) for key, limit, take in wanted])
        finally:
            if pause is not None:
                pause.end()

    async def _one(self, key: tuple[str, str | None], limit: Limit, take: Take) -> bool:
        now = self._wall()
        try:
            done = take(
                await self._database.read(lambda connection: read_spent(connection, limit, value=key[1], now=now))
            )
            if done is not None:
                await done
        except Exception:  # the edge of this task: what could not be read is read later
            logger.exception("limit %s: what was used of it cannot be read from the ledger", limit.id)
            return False
        if self.wanted.get(key) is limit:
            del self.wanted[key]
        self._read.set()
        self._read = asyncio.Event()
        return True
