"""What several processes have used of limits, on a Redis or Valkey; see `redis_scripts`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, cast

import msgspec

from narthex.ledger.limits import redis_scripts
from narthex.ledger.limits.counters import SLOTS, Gauge
from narthex.types.limits import LENGTHS_S, LEVEL_MEASURES, Limit, Measure, Period

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

CLAIM_MS: Final = 30_000
"""For how long one process is trusted to read the use of a limit from the ledger."""
KEEP_MS: Final = 7 * 86_400_000
"""For how long it is known of what was settled that it was, unless its process has heard that before."""
MOST: Final = 10**18
"""Of what one call may be said to use: a few such numbers have a sum of 64 bits."""
_TOLD_FIELDS: Final = 6


class Meter(msgspec.Struct, frozen=True):
    """One limit for one of those whom it concerns, as the scripts know it."""

    limit: Limit
    value: str
    kind: str
    key: str
    bounds: tuple[str, str, str]
    """How much passes, whether it refuses, and whether what costs nothing passes when nothing is left."""
    shape: tuple[str, str, str]
    """Two numbers of its kind, and the name under which it is told whether its use was read from the ledger."""
    each: str

    def arguments(self, need: int) -> tuple[str, ...]:
        """Return what a script is told."""
        most, hard, free = self.bounds
        return (self.kind, self.key, most, _counted(need), hard, free, *self.shape)


class Stand(msgspec.Struct, frozen=True):
    """How one meter stands, by the server's clock."""

    fits: bool
    slot: str
    gauge: Gauge
    wait_s: float | None


class Told(msgspec.Struct, frozen=True):
    """What became of a question."""

    answer: str
    """`taken`, `refused` or `unknown`."""
    wall: float
    """The server's clock, in seconds of Unix time."""
    stands: tuple[Stand, ...]


class Taken(msgspec.Struct, frozen=True):
    """What a reservation holds of one meter."""

    meter: Meter
    slot: str
    held: int


def meter_of(limit: Limit, value: str) -> Meter:
    """Return a limit as the scripts know it."""
    mark = blake2b(value.encode(), digest_size=12).hexdigest() if value else ""
    key = ":".join((limit.id, limit.measure, limit.period, limit.window, *((mark,) if mark else ())))
    kind, most, first, second = _shape(limit)
    free = limit.is_money and limit.amount > 0
    lasts = limit.lasts and limit.measure not in LEVEL_MEASURES
    born = f"{limit.id}:{limit.period}:{limit.window}" if lasts else ""
    return Meter(
        limit=limit,
        value=value,
        kind=kind,
        key=key,
        bounds=(str(most), str(int(limit.hard)), str(int(free))),
        shape=(first, second, born),
        each=first if kind == "b" else "0",
    )


def _counted(amount: int) -> str:
    return str(min(max(amount, -MOST), MOST))


def _shape(limit: Limit) -> tuple[str, int, str, str]:
    if limit.measure is Measure.PARALLEL or limit.measure in LEVEL_MEASURES:
        return "g", limit.units, "0", "0"
    if limit.burst is not None:
        most = limit.burst * (limit.units // limit.amount) if limit.amount else 0
        each_us = LENGTHS_S[limit.period] * 1_000_000 / limit.units if limit.units else 0.0
        return "b", most, repr(each_us), repr(most * each_us)
    if limit.window == "rolling":
        many = SLOTS[limit.period]
        return "r", limit.units, repr(LENGTHS_S[limit.period] * 1_000 / many), str(many)
    fixed = limit.period in {Period.TOTAL, Period.MONTH, Period.WEEK}
    return "c", limit.units, limit.period if fixed else str(LENGTHS_S[limit.period] * 1_000), "0"


class RedisTable:
    """The scripts, over a connection that holds."""

    def __init__(self, client: Redis, prefix: str, *, now_us: int | None = None) -> None:
        """Take a connection.

        Args:
            client: It.
            prefix: Begins every name that is used.
            now_us: The time that the scripts go by instead of the server's, in microseconds.
        """
        self.client = client
        self.now_us = now_us
        self._stem = f"{prefix}:use"
        self._names: dict[str, str] = {}

    async def prepare(self) -> None:
        """Make ready."""
        for name in ("RESERVE", "SETTLE", "CHARGE", "FORGET", "RENEW", "CLAIM", "RESTORE"):
            self._names[name] = str(await self.client.script_load(getattr(redis_scripts, name)))

    def pipeline(self) -> Pipeline:
        """Return what gathers questions into one group; each of them stands for itself."""
        return self.client.pipeline(transaction=False)

    def reserve(self, pipe: Pipeline, name: str, hold_ms: int, wants: Iterable[tuple[Meter, int]]) -> None:
        """Ask for what a call needs; with an empty name it is only looked."""
        arguments = [part for meter, need in wants for part in meter.arguments(need)]
        self._ask(pipe, "RESERVE", name, str(hold_ms), *arguments)

    def look(self, pipe: Pipeline, meter: Meter) -> None:
        """Ask how a meter stands, whether or not the ledger was read."""
        known = msgspec.structs.replace(meter, shape=(*meter.shape[:2], ""))
        self.reserve(pipe, "", 0, [(known, 0)])

    def settle(self, pipe: Pipeline, name: str, used: Iterable[tuple[Taken, int]]) -> None:
        """Charge what was used in the place of what was reserved; told again, nothing happens."""
        arguments: list[str] = []
        for taken, amount in used:
            meter = taken.meter
            key = f"{meter.key}:{taken.slot}" if meter.kind == "c" else meter.key
            arguments += (meter.kind, key, taken.slot, _counted(taken.held), _counted(amount), meter.each)
        self._ask(pipe, "SETTLE", name, str(KEEP_MS), *arguments)

    def charge(self, pipe: Pipeline, name: str, used: Iterable[tuple[Meter, int]]) -> None:
        """Charge what was used without a reservation; the answer is 0 where the ledger was not read yet."""
        arguments = [part for meter, amount in used for part in meter.arguments(amount)]
        self._ask(pipe, "CHARGE", name, str(KEEP_MS), *arguments)

    def forget(self, pipe: Pipeline, names: Iterable[str]) -> None:
        """Say that nobody tells these again, which were settled or charged."""
        self._ask(pipe, "FORGET", *names)

    def renew(self, pipe: Pipeline, hold_ms: int, names: Iterable[str]) -> None:
        """Say that the holders of these reservations are still there."""
        self._ask(pipe, "RENEW", str(hold_ms), *names)

    async def claim(self, meter: Meter) -> bool:
        """Tell whether it is for this process to read the use of a limit from the ledger."""
        pipe = self.pipeline()
        self._ask(pipe, "CLAIM", meter.shape[2], str(CLAIM_MS))
        return bool((await pipe.execute())[0])

    async def restore(self, born: str, rows: Sequence[tuple[Meter, int, int]]) -> None:
        """Raise what is counted to what the ledger has; `born` is told as read, if it is not empty.

        Args:
            born: The limit's name for that, once these are its last rows.
            rows: Meters, each with how much was used, and in which of its slots.
        """
        pipe = self.pipeline()
        arguments: list[str] = []
        for meter, used, number in rows:
            arguments += (*meter.arguments(0), str(used), str(number))
        self._ask(pipe, "RESTORE", born, *arguments)
        await pipe.execute()

    def _ask(self, pipe: Pipeline, script: str, *arguments: str) -> None:
        now = "" if self.now_us is None else str(self.now_us)
        pipe.evalsha(self._names[script], 1, self._stem, now, *arguments)


def read_told(raw: object) -> Told:
    """Read what the script says that reserves."""
    answer, now_ms, *fields = (_text(field) for field in cast("list[object]", raw))
    groups = (fields[at : at + _TOLD_FIELDS] for at in range(0, len(fields), _TOLD_FIELDS))
    return Told(answer, int(now_ms) / 1000, tuple(_stand(group) for group in groups))


def _stand(group: Sequence[str]) -> Stand:
    fits, slot, used, held, wait, resets = group
    reserved = int(held)
    gauge = Gauge(used=max(0, int(used) - reserved), reserved=reserved, resets_s=_seconds(resets))
    return Stand(fits == "1", slot, gauge, _seconds(wait))


def _seconds(milliseconds: str) -> float | None:
    return None if milliseconds.startswith("-") else int(milliseconds) / 1000


def _text(field: object) -> str:
    return field.decode() if isinstance(field, bytes) else str(field)
