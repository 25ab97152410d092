"""Meters: what calls reserve before they go out, and settle when they end, in the memory of this process.

All limits that concern a call must allow it; where one refuses, nothing is held anywhere. Which they are is found once
for each kind of call and remembered. Everything here happens on one thread and waits for nobody.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from narthex.ledger.limits.counters import Counter, RollingCounter, Slot, counter_for, next_alert
from narthex.ledger.limits.further import FurtherReservation, Used, Wants
from narthex.ledger.limits.headers import Headers, Words
from narthex.ledger.limits.matching import Matching, Tags, Use
from narthex.ledger.limits.plans import NO_PLAN, Plan, Row
from narthex.ledger.limits.recent import Recent
from narthex.ledger.limits.refusals import refusal
from narthex.ledger.limits.uses import NOTHING, Amounts, LimitUsage, Passed, Spent, place_of
from narthex.types.accounts import Account
from narthex.types.limits import Limit

MAX_SUBJECTS: Final = 50_000
"""Of those that are counted separately, how many are remembered at least; twice as many at most."""
MAX_KINDS: Final = 50_000
"""Of how many kinds of calls it is remembered which limits concern them."""
Clock = Callable[[], float]


class Reservation(msgspec.Struct, gc=False):
    """What one call holds of the limits that concern it, until settled or released; only the first word counts."""

    _meters: Meters | None
    _plan: Plan
    _rows: tuple[Row, ...]
    _held: Amounts
    _slots: Sequence[Slot] = ()
    """Of the counters of the plan that are asked."""

    def settle(self, input_tokens: int, output_tokens: int, picousd: int) -> None:
        """Charge what was used in the place of what was reserved, however much it is."""
        self._end((1, input_tokens, output_tokens, input_tokens + output_tokens, picousd, 0))

    def release(self) -> None:
        """Give everything back: nothing was used."""
        self._end(NOTHING)

    def holds(self) -> Iterator[tuple[Limit, str, int]]:
        """See `narthex.ledger.limits.further.Held`."""
        for counter, place in self._plan.all:
            yield counter.limit, counter.value, self._held[place]

    def settle_each(self, used: Used) -> None:
        """See `narthex.ledger.limits.further.Held`."""
        meters, self._meters = self._meters, None
        if meters is None:
            return
        plan, slots = self._plan, (*(slot for slot, _, _ in self._rows), *self._slots)
        for (counter, place), slot in zip((*plan.calendars, *plan.others), slots, strict=True):
            if counter.settle(slot, self._held[place], used(counter.limit, counter.value)) >= counter.alert_at:
                meters.passed(counter)

    @property
    def has_budget(self) -> bool:
        """Whether a limit that refuses by what is spent concerns the call."""
        return self._plan.has_budget

    def headers(self, words: Words) -> Headers:
        """Return what the caller is told of how those limits stand."""
        meters = self._meters
        if meters is None:
            return ()
        plan = self._plan
        telling = plan.told.get(words) or plan.tell(words)
        return telling.now(meters.moment)

    def _end(self, used: Amounts) -> None:
        meters, held = self._meters, self._held
        if meters is None:
            return
        self._meters = None
        for slot, place, _ in self._rows:
            spent = used[place]
            slot.total += spent - held[place]
            slot.used += spent
        if self._plan.watched:
            self._watch(meters, used)

    def _watch(self, meters: Meters, used: Amounts) -> None:
        """Settle with the counters that are asked, and tell which thresholds were passed."""
        plan, held = self._plan, self._held
        for (counter, _), (slot, _, _) in zip(plan.calendars, self._rows, strict=True):
            if slot.used >= counter.alert_at and slot is counter.slot:
                meters.passed(counter)
        for (other, place), slot in zip(plan.others, self._slots, strict=True):
            if other.settle(slot, held[place], used[place]) >= other.alert_at:
                meters.passed(other)


class Meters:
    """What everybody has used of the limits in force."""

    def __init__(
        self,
        limits: Iterable[Limit] = (),
        *,
        wall: Clock = time.time,
        steady: Clock = time.monotonic,
        max_subjects: int = MAX_SUBJECTS,
    ) -> None:
        """Begin with nothing used.

        Args:
            limits: Those in force.
            wall: Says the seconds of Unix time, for the periods of the calendar.
            steady: Says seconds that only go forth, for the others.
            max_subjects: Of those that are counted separately, how many are remembered at least.

        Attributes:
            matching: The limits in force.
            on_passed: Called when a threshold is passed; it must not wait.
            on_unknown: Called with a limit, and the value of the subject or None for all, whose use must be read from
                the ledger again; it must not wait.
        """
        self._wall = wall
        self._steady = steady
        self._counters = Recent[tuple[str, str], Counter](max_subjects)
        self.moment = (0.0, 0.0)
        """When something was held last, by both clocks; the second is not asked where it does not matter."""
        self._plans: dict[Account | Use, Plan | None] = {}
        self.matching = Matching()
        self._forgetful: set[str] = set()
        """Limits of whose subjects some were forgotten."""
        self.on_passed: Callable[[Passed], None] | None = None
        self.on_unknown: Callable[[Limit, str | None], None] | None = None
        self.adopt(limits)

    # -- calls -----------------------------------------------------------------------------------------------------

    def reserve(
        self,
        account: Account,
        *,
        model: str = "",
        model_asked: str = "",
        end_user: str = "",
        tags: Tags = (),
        input_tokens: int = 0,
        output_tokens: int = 0,
        picousd: int = 0,
    ) -> Reservation | None:
        """Hold what a call is likely to use; None where no limit concerns it.

        Raises:
            LimitExceeded: A hard limit does not allow it.
        """
        use = Use(account, model, model_asked, end_user, tags)
        plan = self.plan(use if self.matching.by_use else account)
        if plan is None:
            return None
        return self.hold(plan, (1, input_tokens, output_tokens, input_tokens + output_tokens, picousd, 1))

    def plan(self, kind: Account | Use) -> Plan | None:
        """Return what concerns a kind of call, for `hold` at once; None where no limit does.

        Args:
            kind: Whose, and what for, where the limits look at that: `Matching.by_use`.
        """
        plan = self._plans.get(kind, NO_PLAN)
        return self._find(kind) if plan is NO_PLAN else plan

    def _find(self, kind: Account | Use) -> Plan | None:
        if isinstance(kind, Account):
            return self._plan(kind, Use(kind))
        if kind.end_user and not self.matching.by_end_user:
            return self.plan(msgspec.structs.replace(kind, end_user=""))
        return self._plan(kind, kind)

    def hold(self, plan: Plan, needs: Amounts) -> Reservation:
        """Hold what a call needs.

        Raises:
            LimitExceeded: A hard limit does not allow it, and nothing is held.
        """
        wall = self._wall()
        if not plan.since <= wall < plan.until:
            plan.turn(wall)
        if plan.others or not all(needs):
            return self._hold_each(plan, needs, wall)
        self.moment = wall, 0.0
        rows = plan.rows
        # What each counter would do: to ask each would cost more than all the rest.
        for slot, place, gate in rows:
            total = slot.total + needs[place]
            if total > gate:
                plan.give_back(slot, needs)
                raise self._refusal(plan, needs, wall, self._steady())
            slot.total = total
        return Reservation(self, plan, rows, needs)

    def _hold_each(self, plan: Plan, needs: Amounts, wall: float) -> Reservation:
        """Do what `hold` does, and ask each counter."""
        steady = self._steady()
        self.moment = wall, steady
        for counter, place in plan.all:
            if counter.limit.hard and not counter.fits(needs[place], wall, steady):
                raise self._refusal(plan, needs, wall, steady)
        for counter, place in plan.calendars:
            counter.take(needs[place], wall, steady)
        slots = [counter.take(needs[place], wall, steady) for counter, place in plan.others]
        return Reservation(self, plan, plan.rows, needs, slots)

    def _refusal(self, plan: Plan, needs: Amounts, wall: float, steady: float) -> Exception:
        hard = [(counter, needs[place]) for counter, place in plan.all if counter.limit.hard]
        return _refusal(hard, wall, steady)

    def reserve_further(self, wants: Wants) -> FurtherReservation:
        """Hold so much of limits for a call that is under way, beside what it holds.

        Raises:
            LimitExceeded: A hard limit does not allow it; then nothing more is held.
        """
        found = [(self._counter(limit, value), need) for limit, value, need in wants]
        wall, steady = self.now()
        if any(counter.limit.hard and not counter.fits(need, wall, steady) for counter, need in found):
            raise _refusal([pair for pair in found if pair[0].limit.hard], wall, steady)
        taken = tuple((counter, counter.take(need, wall, steady), need) for counter, need in found)
        return FurtherReservation(self.passed, taken)

    def charge(self, used: Wants) -> None:
        """Count what was used of limits without a reservation, however much it is."""
        wall, steady = self.now()
        for limit, value, amount in used:
            counter = self._counter(limit, value)
            counter.add(amount, wall, steady)
            if counter.gauge(wall, steady).used >= counter.alert_at:
                self.passed(counter)

    # -- what is counted -------------------------------------------------------------------------------------------

    def adopt(self, limits: Iterable[Limit]) -> None:
        """Go by these limits from now on; those that stay keep their counts, whatever their amounts."""
        before = {limit.id: limit for limit in self.matching.limits}
        self.matching = Matching(limits)
        self._plans.clear()
        now = {limit.id: limit for limit in self.matching.limits}
        staying = {name for name, limit in now.items() if name in before and _counts_alike(limit, before[name])}
        for key, counter in self._counters.items():
            if key[0] in staying:
                counter.adopt(now[key[0]])
            else:
                self._counters.remove(key)
        self._forgetful &= staying
        if self.on_unknown is not None:
            for name, limit in now.items():
                if name not in staying and limit.lasts:
                    self.on_unknown(limit, None)

    def taking(self, limit: Limit, value: str | None) -> Callable[[Iterable[Spent]], None]:
        """Return what takes in what the ledger has of a limit at this moment, in place of what is settled here by now.

        Args:
            limit: Which.
            value: Of whom, where each is counted separately; None for all of them.
        """
        counters = [
            counter for key, counter in self._counters.items() if key[0] == limit.id and value in (None, key[1])
        ]
        settled = [(counter, counter.settled(*self.now())) for counter in counters]

        def take(rows: Iterable[Spent]) -> None:
            for counter, known in settled:
                counter.forget(known)
            self.restored(limit, rows)

        return take

    def restored(self, limit: Limit, rows: Iterable[Spent]) -> None:
        """Count what the ledger has that was not counted here, each in the period in which it was used."""
        wall, steady = self.now()
        for spent in rows:
            counter = self._counter(limit, spent.value, announce=False)
            if isinstance(counter, RollingCounter):
                counter.add_at(spent.used, steady - (wall - spent.at), wall, steady)
            else:
                counter.add(spent.used, spent.at, steady)
            if counter.gauge(wall, steady).used >= counter.alert_at:
                self.passed(counter)

    def usage(self) -> Iterator[LimitUsage]:
        """Yield how all limits stand; of those whose subjects are counted separately, for those who used something."""
        wall, steady = self.now()
        seen: set[str] = set()
        for (name, value), counter in self._counters.items():
            seen.add(name)
            yield LimitUsage(limit=counter.limit, value=value, gauge=counter.gauge(wall, steady))
        for limit in self.matching.limits:
            if limit.id not in seen and not limit.is_each:
                yield LimitUsage(limit=limit, value="", gauge=counter_for(limit, "").gauge(wall, steady))

    def passed(self, counter: Counter) -> None:
        """Tell that a threshold was passed."""
        wall, steady = self.now()
        used = counter.gauge(wall, steady).used
        limit = counter.limit
        start = counter.period_start(wall)
        counter.alert_at, threshold = next_alert(limit, used), counter.alert_at
        if self.on_passed is None:
            return
        for at, percent in limit.thresholds:
            if threshold <= at <= used:
                told = Passed(limit=limit, value=counter.value, percent=percent, used=used, period_start=start)
                self.on_passed(told)

    def now(self) -> tuple[float, float]:
        """Return the time by both clocks."""
        return self._wall(), self._steady()

    def _plan(self, kind: Account | Use, use: Use) -> Plan | None:
        found = [(self._counter(limit, value), place_of(limit)) for limit, value in self.matching.of(use)]
        plan = Plan(found) if found else None
        if len(self._plans) >= MAX_KINDS:
            self._plans.clear()
        self._plans[kind] = plan
        return plan

    def _counter(self, limit: Limit, value: str, *, announce: bool = True) -> Counter:
        key = (limit.id, value)
        counter = self._counters.get(key)
        if counter is None:
            counter = counter_for(limit, value)
            forgotten = self._counters.put(key, counter)
            if forgotten is not None:
                self._forget(forgotten)
            if announce and limit.id in self._forgetful and limit.lasts and self.on_unknown is not None:
                self.on_unknown(limit, value)
        return counter

    def _forget(self, forgotten: dict[tuple[str, str], Counter]) -> None:
        """Let go of those who were not seen for long, but for those that the limits of nobody in particular count."""
        self._plans.clear()
        wall, steady = self.now()
        for key, counter in forgotten.items():
            if not counter.limit.is_each or counter.gauge(wall, steady).reserved:
                self._counters.keep(key, counter)
            else:
                self._forgetful.add(key[0])


def _refusal(hard: Iterable[tuple[Counter, int]], wall: float, steady: float) -> Exception:
    """Return the error of the limit that is to be waited for longest, of counters and what is needed of each."""
    worst: tuple[float, Counter, int, float | None] | None = None
    for counter, need in hard:
        if counter.fits(need, wall, steady):
            continue
        wait_s = counter.wait_s(need, wall, steady)
        length = math.inf if wait_s is None else wait_s
        if worst is None or length > worst[0]:
            worst = (length, counter, need, wait_s)
    assert worst is not None
    _, counter, need, wait_s = worst
    return refusal(counter.limit, counter.value, counter.gauge(wall, steady), need, wait_s=wait_s, wall=wall)


def _counts_alike(one: Limit, other: Limit) -> bool:
    """Tell whether what was counted for one limit holds for the other."""
    return (
        one.organisation_id == other.organisation_id
        and one.workspace_id == other.workspace_id
        and one.subject_kind is other.subject_kind
        and one.subject == other.subject
        and one.measure is other.measure
        and one.period is other.period
        and one.window == other.window
        and (one.burst is None) == (other.burst is None)
    )
