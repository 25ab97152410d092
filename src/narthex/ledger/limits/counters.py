"""Counters: how much of one limit one subject has used, by the kind of its period.

A call counts in the period in which it began: what its settlement adds or gives back is charged there. What is
reserved is part of what is used, and is told apart only for those who look.

- `CalendarCounter`: begins anew with the calendar, in UTC, by the wall's clock. A clock that is set back finds the
  counts of the periods it comes back to, and one that is set forth finds none that it should not.
- `RollingCounter`: the last second, minute, and so on, by a clock that is never set. What was used is kept in slots; a
  slot counts until the whole of it is old enough, so that no stretch of the period's length ever holds more than the
  amount. It errs by one slot, on the safe side: a sixtieth of a minute or an hour, a sixteenth of a second, and an hour
  of the longer ones.
- `BucketCounter`: the amount comes in evenly, and up to a burst of it can be saved (GCRA). In any stretch of the
  period's length passes the amount and one burst at most.
- `GaugeCounter`: what is under way at one time.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final, Protocol
from weakref import WeakValueDictionary

import msgspec

from narthex.ledger.limits.spans import span
from narthex.types.limits import LENGTHS_S, Limit, Measure, Period

_KEPT_PERIODS: Final = 4
"""Periods of the calendar whose counts are kept, for clocks that are set back."""
SLOTS: Final = {
    Period.SECOND: 16,
    Period.MINUTE: 60,
    Period.HOUR: 60,
    Period.DAY: 24,
    Period.WEEK: 168,
    Period.MONTH: 720,
}
"""In how many slots a rolling period is counted."""
PARALLEL_AGAIN_S: Final = 1.0
"""When to try again where a call under way must end first, and nobody knows when one does."""


class Slot:
    """What was used in one stretch of time.

    Attributes:
        start: When it began, or its number.
        used: Settled.
        total: That, and what is reserved.
        counts: Whether it is part of what is used now.
    """

    __slots__ = ("__weakref__", "counts", "start", "total", "used")

    def __init__(self, start: float, used: int = 0) -> None:
        self.start = start
        self.used = self.total = used
        self.counts = True


Settled = tuple[tuple[Slot, int], ...]
"""What was used in each of some stretches of time, as it was at one moment."""


class Gauge(msgspec.Struct, frozen=True, kw_only=True):
    """How a counter stands."""

    used: int
    """Settled, in the unit in which is counted."""
    reserved: int
    resets_s: float | None
    """In how many seconds nothing is used any more, if nothing more is used; None where no time brings that."""


class Counter(Protocol):
    """How much one subject has used of one limit.

    All are told the time by two clocks, in seconds: the wall's, of Unix time, and one that is never set.
    """

    limit: Limit
    value: str
    alert_at: float
    """At which use somebody is told next."""

    def fits(self, need: int, wall: float, steady: float) -> bool:
        """Tell whether so much more may be used."""
        ...

    def take(self, need: int, wall: float, steady: float) -> Slot:
        """Use so much; `fits` was asked at the same moment."""
        ...

    def settle(self, slot: Slot, reserved: int, used: int) -> int:
        """Put what was used in the place of what was reserved; returns how much is used now, without what is held."""
        ...

    def add(self, used: int, wall: float, steady: float) -> None:
        """Count what was used already, however much that is."""
        ...

    def settled(self, wall: float, steady: float) -> Settled:
        """Return what is settled in the present period, by stretches of time, as far as these are told apart."""
        ...

    def forget(self, settled: Settled) -> None:
        """Count no more what was settled at an earlier moment: it is counted in another way."""
        ...

    def wait_s(self, need: int, wall: float, steady: float) -> float | None:
        """Return in how many seconds so much more may be used; None where no time brings that."""
        ...

    def gauge(self, wall: float, steady: float) -> Gauge:
        """Return how it stands."""
        ...

    def left(self, wall: float, steady: float) -> tuple[int, float | None]:
        """Return how much may be used still, and `resets_s` of how it stands."""
        ...

    def adopt(self, limit: Limit) -> None:
        """Go by another amount from now on."""
        ...

    def period_start(self, wall: float) -> float:
        """Return what the present period is told by, in seconds of Unix time."""
        ...


def counter_for(limit: Limit, value: str) -> Counter:
    """Return an empty counter for one of those whom a limit concerns."""
    if limit.measure is Measure.PARALLEL:
        return GaugeCounter(limit, value)
    if limit.burst is not None:
        return BucketCounter(limit, value)
    if limit.window == "rolling":
        return RollingCounter(limit, value)
    return CalendarCounter(limit, value)


class _Counter:
    __slots__ = ("alert_at", "free", "least", "limit", "most", "value")

    def __init__(self, limit: Limit, value: str) -> None:
        self.value = value
        self.adopt(limit)

    def adopt(self, limit: Limit) -> None:
        """Go by another amount; what was counted stays, and who was told is told again at most once."""
        self.limit = limit
        self.most = limit.units
        self.free = limit.is_money and limit.amount > 0
        """Whether calls that cost nothing pass when nothing is left."""
        self.least = 0 if self.free else 1
        """How much must be left for who asks for nothing in advance."""
        self.alert_at = first_alert(limit)

    def period_start(self, wall: float) -> float:
        return span(self.limit.period, wall)[0]

    def left(self, wall: float, steady: float) -> tuple[int, float | None]:
        """See `Counter`."""
        gauge = self.gauge(wall, steady)
        return max(0, self.most - gauge.used - gauge.reserved), gauge.resets_s

    def gauge(self, wall: float, steady: float) -> Gauge:
        """See `Counter`."""
        raise NotImplementedError

    def settled(self, wall: float, steady: float) -> Settled:
        """See `Counter`."""
        return ()

    def forget(self, settled: Settled) -> None:
        """See `Counter`."""
        for slot, used in settled:
            slot.used -= used
            slot.total -= used

    def _has_room(self, used: int, need: int) -> bool:
        return used + (need or self.least) <= self.most


class CalendarCounter(_Counter):
    """Begins anew with the calendar.

    Attributes:
        start, end: When the period begins and ends that was at hand last, in seconds of Unix time.
        slot: What was used in it.
        gate: Up to which use calls are let through.

    `narthex.ledger.limits.plans` keeps slots at hand, and does itself what `fits`, `take` and `settle` do: to call each
    for each limit of a call costs more than to count.
    """

    __slots__ = ("_known", "_periods", "end", "gate", "slot", "start")

    def __init__(self, limit: Limit, value: str) -> None:
        super().__init__(limit, value)
        self._periods: deque[Slot] = deque(maxlen=_KEPT_PERIODS)
        self._known: WeakValueDictionary[float, Slot] = WeakValueDictionary()
        """Also those that somebody else has at hand still: of no period are there two."""
        self.start, self.end = math.inf, -math.inf
        self.slot = Slot(math.inf)

    def adopt(self, limit: Limit) -> None:
        """See `Counter`."""
        super().adopt(limit)
        self.gate = self.most if limit.hard else math.inf

    def fits(self, need: int, wall: float, steady: float) -> bool:
        """See `Counter`."""
        return self._has_room(self.at(wall).total, need)

    def take(self, need: int, wall: float, steady: float) -> Slot:
        """See `Counter`."""
        slot = self.at(wall)
        slot.total += need
        return slot

    def settle(self, slot: Slot, reserved: int, used: int) -> int:
        """See `Counter`."""
        slot.total += used - reserved
        slot.used += used
        return slot.used if slot is self.slot else 0

    def add(self, used: int, wall: float, steady: float) -> None:
        """See `Counter`."""
        slot = self.at(wall)
        slot.total += used
        slot.used += used

    def wait_s(self, need: int, wall: float, steady: float) -> float | None:
        """See `Counter`."""
        if self.fits(need, wall, steady):
            return 0.0
        return self.end - wall if 0 < max(need, 1) <= self.most and self.end < math.inf else None

    def gauge(self, wall: float, steady: float) -> Gauge:
        """See `Counter`."""
        slot = self.at(wall)
        resets_s = self.end - wall if self.end < math.inf else None
        return Gauge(used=slot.used, reserved=slot.total - slot.used, resets_s=resets_s)

    def settled(self, wall: float, steady: float) -> Settled:
        """See `Counter`."""
        slot = self.at(wall)
        return ((slot, slot.used),)

    def at(self, wall: float) -> Slot:
        """Return what was used in the period around a moment, which is at hand then."""
        if self.start <= wall < self.end:
            return self.slot
        self.start, self.end = span(self.limit.period, wall)
        slot = self._known.get(self.start)
        if slot is None:
            slot = self._known[self.start] = Slot(self.start)
        if slot not in self._periods:
            self._periods.append(slot)
        self.slot = slot
        self.alert_at = next_alert(self.limit, slot.used)
        return slot


class GaugeCounter(CalendarCounter):
    """What is under way at one time: a period without an end, in which nothing is used up."""

    __slots__ = ()

    def settle(self, slot: Slot, reserved: int, used: int) -> int:
        """See `Counter`."""
        slot.total -= reserved
        return 0

    def add(self, used: int, wall: float, steady: float) -> None:
        """Leave it: what was used is under way no more."""

    def wait_s(self, need: int, wall: float, steady: float) -> float | None:
        """See `Counter`."""
        if self.fits(need, wall, steady):
            return 0.0
        return PARALLEL_AGAIN_S if need <= self.most else None

    def gauge(self, wall: float, steady: float) -> Gauge:
        """See `Counter`."""
        held = self.at(wall).total
        return Gauge(used=0, reserved=held, resets_s=None if held else 0.0)


class RollingCounter(_Counter):
    """The last stretch of time."""

    __slots__ = ("_held", "_many", "_slots", "_total", "_width_s")

    def __init__(self, limit: Limit, value: str) -> None:
        super().__init__(limit, value)
        self._many = SLOTS[limit.period]
        self._width_s = LENGTHS_S[limit.period] / self._many
        self._slots: deque[Slot] = deque()
        """Those in which something was used, oldest first; `start` is their number."""
        self._total = self._held = 0

    def fits(self, need: int, wall: float, steady: float) -> bool:
        """See `Counter`."""
        slots = self._slots
        if slots and steady // self._width_s - slots[0].start > self._many:
            self._drop(steady)
        return self._has_room(self._total, need)

    def take(self, need: int, wall: float, steady: float) -> Slot:
        """See `Counter`."""
        slots, number = self._slots, steady // self._width_s
        # A slot of the future cannot be, but for how floats are rounded.
        if slots and slots[-1].start >= number:
            slot = slots[-1]
        else:
            self._drop(steady)
            slot = Slot(number)
            slots.append(slot)
        slot.total += need
        self._total += need
        self._held += need
        return slot

    def settle(self, slot: Slot, reserved: int, used: int) -> int:
        """See `Counter`."""
        slot.total += used - reserved
        slot.used += used
        if slot.counts:
            self._total += used - reserved
            self._held -= reserved
        return self._total - self._held

    def add(self, used: int, wall: float, steady: float) -> None:
        """See `Counter`."""
        self.add_at(used, steady, wall, steady)

    def add_at(self, used: int, when: float, wall: float, steady: float) -> None:
        """Count what was used at a moment of the past, by the clock that is never set."""
        number = min(when, steady) // self._width_s
        if steady // self._width_s - number > self._many:
            return
        place = len(self._slots)
        while place and self._slots[place - 1].start > number:
            place -= 1
        if place and self._slots[place - 1].start == number:
            self._slots[place - 1].used += used
            self._slots[place - 1].total += used
        else:
            self._slots.insert(place, Slot(number, used))
        self._total += used

    def wait_s(self, need: int, wall: float, steady: float) -> float | None:
        """See `Counter`."""
        if self.fits(need, wall, steady):
            return 0.0
        if max(need, 1) > self.most:
            return None
        left = self._total
        for slot in self._slots:
            left -= slot.total
            if self._has_room(left, need):
                return self._leaves_s(slot, steady)
        return None

    def gauge(self, wall: float, steady: float) -> Gauge:
        """See `Counter`."""
        self.fits(0, wall, steady)
        resets_s = self._leaves_s(self._slots[-1], steady) if self._slots else 0.0
        return Gauge(used=self._total - self._held, reserved=self._held, resets_s=resets_s)

    def settled(self, wall: float, steady: float) -> Settled:
        """See `Counter`; without a slot that the beginning of the period lies in, which leaves next."""
        first = steady // self._width_s - self._many
        return tuple((slot, slot.used) for slot in self._slots if slot.start > first)

    def forget(self, settled: Settled) -> None:
        """See `Counter`."""
        super().forget(settled)
        self._total -= sum(used for slot, used in settled if slot.counts)

    def _leaves_s(self, slot: Slot, steady: float) -> float:
        return max(0.0, (slot.start + self._many + 1) * self._width_s - steady)

    def _drop(self, steady: float) -> None:
        slots, oldest = self._slots, steady // self._width_s - self._many
        while slots and slots[0].start < oldest:
            slot = slots.popleft()
            slot.counts = False
            self._total -= slot.total
            self._held -= slot.total - slot.used
        self.alert_at = next_alert(self.limit, self._total - self._held)


class BucketCounter(_Counter):
    """The amount comes in evenly.

    Generic cell rate algorithm: `_due_s` is when all that was used has come in again.
    """

    __slots__ = ("_due_s", "_each_s", "_held", "_saved_s")

    def __init__(self, limit: Limit, value: str) -> None:
        self._due_s = -math.inf
        self._held = 0
        super().__init__(limit, value)

    def adopt(self, limit: Limit) -> None:
        """See `Counter`."""
        super().adopt(limit)
        self.most = (limit.burst or 0) * (limit.units // limit.amount) if limit.amount else 0
        self._each_s = LENGTHS_S[limit.period] / limit.units if limit.units else math.inf
        self._saved_s = self.most * self._each_s if self.most else 0.0

    def fits(self, need: int, wall: float, steady: float) -> bool:
        """See `Counter`."""
        if not self.most:
            return False
        if need == 0 and self.free:
            return True
        return max(self._due_s, steady) + max(need, 1) * self._each_s <= steady + self._saved_s

    def take(self, need: int, wall: float, steady: float) -> Slot:
        """See `Counter`."""
        self._held += need
        if need:
            self._due_s = max(self._due_s, steady) + need * self._each_s
        return _NO_SLOT

    def settle(self, slot: Slot, reserved: int, used: int) -> int:
        """See `Counter`."""
        self._held -= reserved
        if used != reserved and self.most:
            self._due_s += (used - reserved) * self._each_s
        return 0

    def add(self, used: int, wall: float, steady: float) -> None:
        """See `Counter`."""
        if used and self.most:
            self._due_s = max(self._due_s, steady) + used * self._each_s

    def wait_s(self, need: int, wall: float, steady: float) -> float | None:
        """See `Counter`."""
        if self.fits(need, wall, steady):
            return 0.0
        if max(need, 1) > self.most:
            return None
        return self._due_s + max(need, 1) * self._each_s - self._saved_s - steady

    def gauge(self, wall: float, steady: float) -> Gauge:
        """See `Counter`."""
        if not self.most:
            return Gauge(used=0, reserved=0, resets_s=None)
        ahead_s = max(0.0, self._due_s - steady)
        used = math.ceil(ahead_s / self._each_s - 1e-6)
        return Gauge(used=max(0, used - self._held), reserved=min(self._held, used), resets_s=ahead_s)


_NO_SLOT: Final = Slot(0.0)


def first_alert(limit: Limit) -> float:
    """Return at which use somebody is told first; infinite for never."""
    return next((used for used, _ in limit.thresholds), math.inf) if limit.amount else math.inf


def next_alert(limit: Limit, used: int) -> float:
    """Return at which use above this one somebody is told next; infinite for never."""
    return next((at for at, _ in limit.thresholds if at > used), math.inf) if limit.amount else math.inf
