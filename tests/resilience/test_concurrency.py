"""The limit finds what a target bears, and whoever waits is served in order, told the truth, and leaks nothing."""

from __future__ import annotations

import asyncio
import heapq
import math
import random
from dataclasses import dataclass

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from narthex.errors import Overloaded
from narthex.resilience.concurrency import AdaptiveLimit, LimitPolicy, LimitReport, Permit
from narthex.testing.clock import FakeClock


def fixed(places: int, queue: int = 10) -> LimitPolicy:
    """Make the policy of a limit that does not move."""
    return LimitPolicy(initial=places, minimum=places, maximum=places, queue=queue)


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
    """A target that bears so many calls at once, asked by callers who always have another call."""

    REFUSAL_S = 0.05

    def __init__(self, capacity: int, policy: LimitPolicy, seed: int) -> None:
        self.capacity = capacity
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
        while (permit := self.limit.try_acquire()) is not None:
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


@pytest.mark.parametrize("capacity", [1, 2, 5, 20, 100, 400])
def test_it_finds_what_the_target_bears(capacity: int) -> None:
    """Within 30 s the limit is within 15 % of the true capacity, and then at most 2 % of the calls are refused."""
    target = Target(capacity, LimitPolicy(), seed=capacity)
    target.run(30.0)
    mean, refused = target.run(120.0)
    assert mean == pytest.approx(capacity, rel=0.15)
    assert refused <= 0.02


def test_it_follows_when_the_capacity_changes() -> None:
    """A target that bears half as much, or four times as much, is followed within half a minute."""
    target = Target(40, LimitPolicy(), seed=5)
    target.run(60.0)
    for until_s, capacity in ((120.0, 20), (180.0, 80)):
        target.capacity = capacity
        target.run(until_s - 30)
        mean, _ = target.run(until_s)
        assert mean == pytest.approx(capacity, rel=0.15)


def test_without_a_policy_there_is_no_limit() -> None:
    """Unlimited, every call passes and nothing is counted."""
    limit = AdaptiveLimit()
    permits = [taken(limit) for _ in range(10_000)]
    for permit in permits:
        permit.crowded()
    assert limit.report() == LimitReport(limit=None, in_flight=0, waiting=0, shed=0, crowded=0)


def test_a_burst_of_refusals_is_one_sign() -> None:
    """Calls that began before the limit fell do not make it fall again; one that began since does."""
    limit, _ = limited(LimitPolicy(initial=100))
    permits = [taken(limit) for _ in range(100)]
    for permit in permits:
        permit.crowded()
    assert (limit.report().limit, limit.report().crowded) == (90, 100)
    taken(limit).crowded()
    assert limit.report().limit == 40


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
        assert (limit.report().waiting, limit.report().shed) == (3, 1)
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
    "wrong", [{"minimum": 0}, {"initial": 2000}, {"minimum": 30}, {"queue": -1}, {"decrease": 1.0}, {"decrease": 0.0}]
)
def test_nonsense_is_refused(wrong: dict[str, int]) -> None:
    """Bounds that contradict each other are refused where they are made."""
    with pytest.raises(ValueError, match="LimitPolicy"):
        LimitPolicy(**wrong)


@dataclass
class Caller:
    """A call of the model."""

    task: asyncio.Task[Permit]
    priority: int
    deadline_s: float
    order: int


class AgainstModel(RuleBasedStateMachine):
    """Two places and a line of three, beside a plain list of who waits."""

    PLACES, QUEUE = 2, 3

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.limit, self.clock = limited(fixed(self.PLACES, self.QUEUE))
        self.inside: list[Caller] = []
        self.line: list[Caller] = []
        self.order = 0

    def teardown(self) -> None:
        """End everything, and find that nothing is left."""
        for caller in self.line:
            caller.task.cancel()
        self._settle()
        for caller in self.inside:
            caller.task.result().release()
        report = self.limit.report()
        assert (report.in_flight, report.waiting) == (0, 0)
        self.runner.close()

    def _settle(self) -> None:
        self.runner.run(settled())

    def _serve(self) -> None:
        while self.line and len(self.inside) < self.PLACES:
            first = self.line.pop(0)
            if first.deadline_s > self.clock():
                self.inside.append(first)
            else:
                self._was_shed(first)

    def _was_shed(self, caller: Caller) -> None:
        self._settle()
        assert isinstance(caller.task.exception(), Overloaded)

    @rule(priority=st.integers(-1, 1), patience_s=st.sampled_from([1000.0, 3000.0, math.inf]))
    def arrive(self, priority: int, patience_s: float) -> None:
        """Ask for a place."""
        deadline_s = self.clock() + patience_s
        task = self.runner.get_loop().create_task(self.limit.acquire(priority, deadline_s))
        self._settle()
        self.order += 1
        caller = Caller(task=task, priority=priority, deadline_s=deadline_s, order=self.order)
        if len(self.inside) < self.PLACES:
            self.inside.append(caller)
            return
        self.line = sorted([*self.line, caller], key=lambda one: (-one.priority, one.order))
        if len(self.line) > self.QUEUE:
            self._was_shed(self.line.pop())

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """Give a place back."""
        self.inside.pop(data.draw(st.integers(0, len(self.inside) - 1))).task.result().release()
        self._serve()

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Leave the line."""
        caller = self.line.pop(data.draw(st.integers(0, len(self.line) - 1)))
        caller.task.cancel()

    @precondition(lambda self: self.inside and self.line)
    @rule()
    def cancel_the_next_as_it_is_served(self) -> None:
        """Give a place back, and cancel whoever gets it before it can know."""
        next_one = next((one for one in self.line if one.deadline_s > self.clock()), None)
        self.inside.pop().task.result().release()
        if next_one is not None:
            next_one.task.cancel()
        self._serve()
        if next_one is not None and next_one in self.inside:
            self.inside.remove(next_one)
            self._settle()
            self._serve()

    @rule(seconds=st.sampled_from([1.0, 999.0, 2500.0]))
    def time_passes(self, seconds: float) -> None:
        """Go on."""
        self.clock.set(self.clock() + seconds)

    @invariant()
    def agrees(self) -> None:
        """Those whom the model serves have their place, and nobody else has."""
        self._settle()
        report = self.limit.report()
        assert (report.in_flight, report.waiting) == (len(self.inside), len(self.line))
        assert all(isinstance(caller.task.result(), Permit) for caller in self.inside)
        assert not any(caller.task.done() for caller in self.line)


TestAgainstModel = AgainstModel.TestCase
