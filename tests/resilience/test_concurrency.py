"""The limit finds what a target bears, and whoever waits is served in order, told the truth, and leaks nothing."""

from __future__ import annotations

import asyncio
import heapq
import math
import random

import pytest

from narthex.errors import NarthexError, Overloaded, RateLimited
from narthex.resilience.concurrency import AdaptiveLimit, LimitPolicy, LimitReport, Permit
from narthex.testing.clock import FakeClock


def fixed(places: int, queue: int = 10) -> LimitPolicy:
    """Make the policy of a limit that does not move, for callers with all the time in the world."""
    return LimitPolicy(adaptive=False, maximum=places, queue=queue, queue_timeout_s=math.inf)


def limited(policy: LimitPolicy) -> tuple[AdaptiveLimit, FakeClock]:
    """Make a limit, and the clock that it goes by."""
    clock = FakeClock()
    return AdaptiveLimit(policy, clock=clock), clock


def taken(limit: AdaptiveLimit) -> Permit:
    """Take a place that is free."""
    permit = limit.try_acquire()
    assert permit is not None
    return permit


async def settled() -> None:
    """Let every task run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


class Target:
    """A target that bears so many calls at once, asked by so many callers who always have another call."""

    REFUSAL_S = 0.05

    def __init__(self, capacity: int, policy: LimitPolicy, seed: int, callers: int = 2_000) -> None:
        self.capacity = capacity
        self.callers = callers
        self.clock = FakeClock(0.0)
        self.limit = AdaptiveLimit(policy, clock=self.clock)
        self._chance = random.Random(seed)
        self._ends: list[tuple[float, int, Permit, bool]] = []
        self._begun = self._active = 0

    def run(self, until_s: float) -> tuple[float, float]:
        """Press on; return the mean limit, and the part of the calls that was refused."""
        start_s, begun, crowded = self.clock(), self._begun, self.limit.report().crowded
        area = 0.0
        self._begin_all()
        while self._ends[0][0] < until_s:
            at_s, _, permit, well = heapq.heappop(self._ends)
            area += (at_s - self.clock()) * (self.limit.report().limit or 0)
            self.clock.set(at_s)
            self._end(permit, well=well)
            self._begin_all()
        calls = self._begun - begun
        return area / (self.clock() - start_s), (self.limit.report().crowded - crowded) / calls

    def _begin_all(self) -> None:
        while len(self._ends) < self.callers and (permit := self.limit.try_acquire()) is not None:
            self._begun += 1
            well = self._active < self.capacity
            self._active += well
            takes_s = self._chance.lognormvariate(-0.125, 0.5) if well else self.REFUSAL_S
            heapq.heappush(self._ends, (self.clock() + takes_s, self._begun, permit, well))

    def _end(self, permit: Permit, *, well: bool) -> None:
        self._active -= well
        if well:
            permit.succeeded()
        else:
            permit.crowded()


@pytest.mark.parametrize("initial", [None, 20])
@pytest.mark.parametrize("capacity", [1, 2, 5, 20, 100, 400])
def test_it_finds_what_the_target_bears(capacity: int, initial: int | None) -> None:
    """Within 30 s the limit is within 15 % of the true capacity, and then at most 2 % of the calls are refused."""
    target = Target(capacity, LimitPolicy(initial=initial), seed=capacity)
    target.run(30.0)
    mean, refused = target.run(120.0)
    assert mean == pytest.approx(capacity, rel=0.15)
    assert refused <= 0.02


def test_it_follows_when_the_capacity_changes() -> None:
    """A target that bears half as much, or four times as much, is followed within half a minute."""
    target = Target(40, LimitPolicy(initial=20), seed=5)
    target.run(60.0)
    for until_s, capacity in ((120.0, 20), (180.0, 80)):
        target.capacity = capacity
        target.run(until_s - 30)
        mean, _ = target.run(until_s)
        assert mean == pytest.approx(capacity, rel=0.15)


def test_who_never_complained_is_not_limited() -> None:
    """Until the target says that there are too many, every call passes and is only counted."""
    limit = AdaptiveLimit()
    permits = [taken(limit) for _ in range(10_000)]
    assert limit.report() == LimitReport(limit=None, learned=False, in_flight=10_000, waiting=0, refused=0, crowded=0)
    assert not limit.idle
    for permit in permits:
        permit.succeeded()
    assert limit.idle


def test_a_limit_that_is_not_learned_takes_no_notice() -> None:
    """Without adaptivity refusals are counted, and change nothing."""
    limit, _ = limited(LimitPolicy(adaptive=False))
    for permit in [taken(limit) for _ in range(100)]:
        permit.crowded(by_rate=True, retry_after_s=100.0)
    assert limit.report() == LimitReport(limit=None, learned=False, in_flight=0, waiting=0, refused=0, crowded=100)


@pytest.mark.parametrize("borne", [1, 16, 63])
def test_what_a_burst_leaves_is_what_the_target_bears(borne: int) -> None:
    """Of the calls under way at the first complaint, those that are not refused are the first limit."""
    limit, _ = limited(LimitPolicy())
    permits = [taken(limit) for _ in range(64)]
    for permit in permits[borne:]:
        permit.crowded()
    assert (limit.report().limit, limit.report().in_flight) == (min(borne, 57), borne)
    assert limit.report().learned


def test_who_could_not_know_may_try_again() -> None:
    """Each refusal of a burst but the first tells nothing new, and has one more turn that costs no retry."""
    limit, _ = limited(LimitPolicy())
    assert not limit.excuse()
    assert [permit.crowded() for permit in [taken(limit) for _ in range(4)]] == [False, True, True, True]
    assert [limit.excuse() for _ in range(4)] == [True, True, True, False]
    assert not taken(limit).crowded()
    assert not limit.excuse()
    permit = taken(limit)
    permit.succeeded()
    assert not permit.crowded()


def test_a_complaint_about_one_call_alone_is_not_about_their_number() -> None:
    """Where even one call alone was refused, the limit grows by half with each round as soon as calls go well again."""
    limit, _ = limited(LimitPolicy())
    for permit in [taken(limit) for _ in range(8)]:
        permit.crowded()
    assert limit.report().limit == 1
    for _ in range(8):
        for permit in [taken(limit) for _ in range(limit.report().limit or 0)]:
            permit.succeeded()
    assert (limit.report().limit or 0) > 1.5**8


def test_a_limit_that_nobody_waits_for_is_forgotten() -> None:
    """After a minute in which there was room for all there is no limit any more, and the next one is learned anew."""
    limit, clock = limited(LimitPolicy(calm_s=60.0))
    for permit in [taken(limit) for _ in range(10)][4:]:
        permit.crowded()
    assert limit.try_acquire() is None
    clock.set(clock() + 59.0)
    limit.was_left()
    taken(limit).succeeded()
    assert limit.report().learned
    assert limit.report().limit == 4
    clock.set(clock() + 1.0)
    taken(limit).succeeded()
    assert (limit.report().limit, limit.report().learned) == (None, False)
    for permit in [taken(limit) for _ in range(5)]:
        permit.crowded()
    assert limit.report().limit == 3


async def test_a_forgotten_limit_asks_for_no_patience() -> None:
    """The pause that a provider asked for once is not told any more when its limit is long over."""
    limit, clock = limited(LimitPolicy(calm_s=60.0, maximum=1, queue=0))
    taken(limit).crowded(retry_after_s=86_400)
    clock.set(clock() + 61.0)
    taken(limit).succeeded()
    taken(limit)
    with pytest.raises(Overloaded) as told:
        await limit.acquire(1, math.inf)
    assert told.value.retry_after_s is not None
    assert told.value.retry_after_s <= 61


def test_a_burst_of_refusals_is_one_sign() -> None:
    """Calls that began before the limit fell take it down by half at most; one that began since takes it on."""
    limit, _ = limited(LimitPolicy(initial=100))
    permits = [taken(limit) for _ in range(100)]
    permits.pop().crowded()
    assert limit.report().limit == 90
    for permit in permits:
        permit.crowded()
    assert (limit.report().limit, limit.report().crowded) == (50, 100)
    taken(limit).crowded()
    assert limit.report().limit == 22


def test_new_bounds_hold_at_once() -> None:
    """Other settings change the bounds and keep what was learned; without adaptivity it is forgotten."""
    limit, _ = limited(LimitPolicy())
    for permit in [taken(limit) for _ in range(20)][10:]:
        permit.crowded()
    limit.adopt(LimitPolicy(maximum=5))
    assert (limit.report().limit, limit.report().learned) == (5, True)
    limit.adopt(LimitPolicy())
    assert (limit.report().limit, limit.report().learned) == (10, True)
    limit.adopt(LimitPolicy(adaptive=False))
    assert (limit.report().limit, limit.report().learned) == (None, False)
    limit.adopt(LimitPolicy(adaptive=False, maximum=7))
    assert (limit.report().limit, limit.report().learned) == (7, False)


async def test_who_waits_is_served_when_the_bounds_are_raised() -> None:
    """A higher maximum lets those in who stand in line."""
    limit, _ = limited(fixed(1))
    held = taken(limit)
    waiting = asyncio.ensure_future(limit.acquire())
    await settled()
    limit.adopt(fixed(2))
    (await waiting).release()
    held.release()
    assert limit.report().in_flight == 0


@pytest.mark.parametrize(("by_rate", "kind"), [(True, RateLimited), (False, Overloaded)])
async def test_the_cause_is_told(by_rate: bool, kind: type[NarthexError]) -> None:
    """Whose rate limit it is, is told as that, with the time that the target asked for."""
    limit, _ = limited(LimitPolicy(queue=0))
    for permit in [taken(limit) for _ in range(3)][1:]:
        permit.crowded(by_rate=by_rate, retry_after_s=17.0)
    with pytest.raises(kind) as refused:
        await limit.acquire()
    assert refused.value.retry_after_s == pytest.approx(17.0)
    assert refused.value.status == (429 if by_rate else 503)


def test_the_limit_keeps_to_its_bounds() -> None:
    """It never falls below the minimum nor rises above the maximum."""
    limit, _ = limited(LimitPolicy(initial=3, minimum=2, maximum=4))
    for _ in range(10):
        taken(limit).crowded()
    assert limit.report().limit == 2
    for _ in range(500):
        first, second = taken(limit), taken(limit)
        first.succeeded()
        second.succeeded()
    assert limit.report().limit == 4


def test_a_limit_that_is_not_reached_does_not_rise() -> None:
    """Quiet times prove nothing: calls far below the limit leave it where it is."""
    limit, _ = limited(LimitPolicy(initial=20))
    for _ in range(1000):
        taken(limit).succeeded()
    assert limit.report().limit == 20


def test_a_place_is_given_back_once() -> None:
    """Only the first word about a call counts, be it said in the block or by leaving it."""
    limit, _ = limited(fixed(1))
    with taken(limit) as permit:
        permit.succeeded()
        permit.crowded()
        permit.release()
    assert (limit.report().in_flight, limit.report().crowded) == (0, 0)
    with pytest.raises(RuntimeError), taken(limit):
        raise RuntimeError
    assert limit.report().in_flight == 0


async def test_a_free_place_is_not_waited_for() -> None:
    """While there are places, calls get one without giving way to anything else."""
    limit, _ = limited(fixed(2))
    waiting = limit.acquire()
    with pytest.raises(StopIteration) as ended:
        waiting.send(None)
    assert isinstance(ended.value.value, Permit)


async def test_a_full_line_sheds_honestly() -> None:
    """Where too many wait, a call is told so at once, with the time that the line is likely to take."""
    limit, clock = limited(fixed(2, queue=3))
    for _ in range(100):
        permit = taken(limit)
        clock.set(clock() + 4.0)
        permit.succeeded()
    taken(limit)
    taken(limit)
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(limit.acquire()) for _ in range(3)]
        await settled()
        with pytest.raises(Overloaded, match="too many calls wait") as shed:
            await limit.acquire()
        assert shed.value.retry_after_s == pytest.approx(4 * 4.0 / 2)
        assert (limit.report().waiting, limit.report().refused) == (3, 1)
        for one in waiting:
            one.cancel()


async def test_an_urgent_call_displaces_an_idle_one() -> None:
    """In a full line the least urgent call is shed for a more urgent one."""
    limit, _ = limited(fixed(1, queue=1))
    held = taken(limit)
    idle = asyncio.ensure_future(limit.acquire(priority=0))
    await settled()
    urgent = asyncio.ensure_future(limit.acquire(priority=5))
    await settled()
    with pytest.raises(Overloaded) as shed:
        await idle
    assert shed.value.retry_after_s == 1.0
    held.succeeded()
    (await urgent).release()
    assert limit.report().in_flight == 0


async def test_a_hopeless_deadline_is_told_at_once() -> None:
    """A call that cannot expect a place before its deadline does not wait for it."""
    limit, clock = limited(fixed(1))
    permit = taken(limit)
    clock.set(clock() + 10.0)
    permit.succeeded()
    taken(limit)
    with pytest.raises(Overloaded, match="expected to become free") as shed:
        await limit.acquire(deadline_s=clock() + 9.0)
    assert shed.value.retry_after_s == pytest.approx(10.0)
    assert limit.report().waiting == 0


async def test_those_ahead_are_waited_for_too() -> None:
    """What a call must expect grows with those before it, and only with those."""
    limit, clock = limited(fixed(1))
    permit = taken(limit)
    clock.set(clock() + 10.0)
    permit.succeeded()
    held = taken(limit)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(limit.acquire())
        await settled()
        with pytest.raises(Overloaded, match="expected to become free"):
            await limit.acquire(deadline_s=clock() + 15.0)
        urgent = tasks.create_task(limit.acquire(priority=1, deadline_s=clock() + 15.0))
        await settled()
        held.release()
        (await urgent).release()
        (await first).release()


async def test_a_served_call_leaves_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a call's waiting outlives it, however far off its deadline is."""
    limit, clock = limited(fixed(1))
    held = taken(limit)
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []
    call_later = loop.call_later

    def watched(*arguments: object) -> asyncio.TimerHandle:
        timers.append(call_later(*arguments))  # type: ignore[arg-type]  # passed on as they came
        return timers[-1]

    monkeypatch.setattr(loop, "call_later", watched)
    waiting = asyncio.ensure_future(limit.acquire(deadline_s=clock() + 1000))
    await settled()
    assert [timer.cancelled() for timer in timers] == [False]
    held.release()
    (await waiting).release()
    assert [timer.cancelled() for timer in timers] == [True]


async def test_waiting_ends_at_the_deadline() -> None:
    """A call that got no place in time is told so, and stands in line no longer."""
    limit = AdaptiveLimit(fixed(1))
    held = taken(limit)
    clock = asyncio.get_running_loop().time
    with pytest.raises(Overloaded, match="in time"):
        await limit.acquire(deadline_s=clock() + 0.01)
    assert limit.report().waiting == 0
    held.succeeded()
    assert limit.report().in_flight == 0


@pytest.mark.parametrize("served_first", [False, True])
async def test_a_cancelled_call_holds_no_place(served_first: bool) -> None:
    """Cancelled in line, or in the moment in which it is served, a call leaves its place to the next one."""
    limit, _ = limited(fixed(1))
    held = taken(limit)
    first = asyncio.ensure_future(limit.acquire(priority=1))
    second = asyncio.ensure_future(limit.acquire())
    await settled()
    if served_first:
        held.succeeded()
        first.cancel()
    else:
        first.cancel()
        await settled()
        held.succeeded()
    with pytest.raises(asyncio.CancelledError):
        await first
    (await second).release()
    assert (limit.report().in_flight, limit.report().waiting) == (0, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"minimum": 0},
        {"initial": 20, "maximum": 10},
        {"minimum": 30, "initial": 20},
        {"minimum": 2, "maximum": 1},
        {"queue": -1},
        {"decrease": 1.0},
        {"decrease": 0.0},
    ],
)
def test_nonsense_is_refused(wrong: dict[str, float]) -> None:
    """Bounds that contradict each other are refused where they are made."""
    with pytest.raises(ValueError, match="LimitPolicy"):
        LimitPolicy(**wrong)  # type: ignore[arg-type]  # one fact alone, a number
