"""A breaker opens when a target fails or drags, leaves it alone, and is back quickly when it is."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from narthex.resilience.breakers import Breaker, BreakerBoard, BreakerCause, BreakerPolicy, BreakerState
from narthex.testing.clock import FakeClock

OPEN_S = 5.0
STEADY = BreakerPolicy(open_s=OPEN_S, open_cap_s=60.0, jitter=0.0)
"""The default, without chance."""


class Bench:
    """A breaker and the clock that it goes by."""

    def __init__(self, policy: BreakerPolicy = STEADY) -> None:
        self.clock = FakeClock()
        self.states: list[BreakerState] = []
        self.breaker = Breaker(
            "one",
            policy,
            clock=self.clock,
            chance=random.Random(1),
            on_change=lambda one: self.states.append(one.state),
        )

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.set(self.clock() + seconds)

    def fail(self, times: int = 1) -> None:
        """Let some calls fail."""
        for _ in range(times):
            self.breaker.failed(self.breaker.allow())

    def succeed(self, times: int = 1, duration_s: float = 1.0) -> None:
        """Let some calls go well."""
        for _ in range(times):
            self.breaker.succeeded(duration_s, self.breaker.allow())

    def open(self) -> None:
        """Open the breaker by failures in a row."""
        self.fail(STEADY.consecutive_failures)
        assert self.breaker.state is BreakerState.OPEN


def test_failures_in_a_row_open_it_at_once() -> None:
    """A dead target is left after five failures, however few calls there were."""
    bench = Bench()
    bench.fail(4)
    assert bench.breaker.allow()
    bench.fail()
    assert not bench.breaker.allow()
    assert bench.breaker.report().cause is BreakerCause.DEAD


def test_a_success_breaks_the_row() -> None:
    """Failures with successes between them are judged by their rate alone."""
    bench = Bench()
    for _ in range(4):
        bench.fail(3)
        bench.succeed(3)
    assert bench.breaker.report().state is BreakerState.OPEN
    assert bench.breaker.report().cause is BreakerCause.FAILING


@pytest.mark.parametrize(("failures", "calls", "state"), [(9, 20, "closed"), (10, 20, "open"), (9, 19, "closed")])
def test_the_rate_of_failures_opens_it(failures: int, calls: int, state: str) -> None:
    """Half of the calls failing opens it, once there were twenty to tell."""
    bench = Bench(BreakerPolicy(consecutive_failures=1000))
    bench.succeed(calls - failures)
    bench.fail(failures)
    assert bench.breaker.report().state == state


@pytest.mark.parametrize(("slow", "state"), [(15, "closed"), (16, "open")])
def test_the_rate_of_slow_calls_opens_it(slow: int, state: str) -> None:
    """Where four fifths of twenty calls drag, the target is left although it answers."""
    bench = Bench()
    bench.succeed(20 - slow)
    bench.succeed(slow, duration_s=STEADY.slow_call_s)
    assert bench.breaker.report().state == state
    if state == "open":
        assert bench.breaker.report().cause is BreakerCause.SLOW


def test_old_failures_are_forgotten() -> None:
    """Failures from before the window count no more."""
    bench = Bench(BreakerPolicy(consecutive_failures=1000))
    bench.fail(19)
    bench.wait(31)
    bench.fail(19)
    assert bench.breaker.report().state is BreakerState.CLOSED
    assert bench.breaker.report().calls == 19


def test_what_is_not_the_targets_fault_changes_nothing() -> None:
    """Calls whose caller left, or whose request was at fault, leave a closed breaker as it is."""
    bench = Bench()
    for _ in range(100):
        bench.breaker.abandoned(bench.breaker.allow())
    assert bench.breaker.report().calls == 0
    bench.fail(4)
    bench.breaker.abandoned(bench.breaker.allow())
    bench.fail()
    assert bench.breaker.report().state is BreakerState.OPEN


def test_it_comes_back_by_one_two_four() -> None:
    """After its open time one probe goes out, then two, then four, and then everything."""
    bench = Bench()
    bench.open()
    bench.wait(OPEN_S)
    for probes in STEADY.ramp:
        turns = [bench.breaker.allow() for _ in range(10)]
        assert sum(map(bool, turns)) == probes
        assert bench.breaker.report().state is BreakerState.HALF_OPEN
        for turn in turns[:probes]:
            bench.breaker.succeeded(1.0, turn)
    assert bench.breaker.report().state is BreakerState.CLOSED
    assert all(bench.breaker.allow() for _ in range(100))
    assert bench.states == [BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED]


def test_one_failed_probe_closes_the_door_for_longer() -> None:
    """Each opening in a row lasts twice as long, up to the cap."""
    bench = Bench()
    bench.open()
    lengths = []
    for _ in range(6):
        wait_s = bench.breaker.report().next_probe_in_s
        assert wait_s is not None
        lengths.append(wait_s)
        bench.wait(wait_s - 0.001)
        assert not bench.breaker.allow()
        bench.wait(0.001)
        bench.fail()
    assert lengths == pytest.approx([5, 10, 20, 40, 60, 60])


def test_a_relapse_goes_on_where_it_was_and_a_new_trouble_starts_anew() -> None:
    """Only a breaker that stayed closed for a whole window forgets how long it was open."""
    bench = Bench()
    bench.open()
    bench.wait(OPEN_S)
    bench.succeed(7)
    bench.wait(STEADY.window_s - 1)
    bench.open()
    assert bench.breaker.report().next_probe_in_s == pytest.approx(10)
    bench.wait(10)
    bench.succeed(7)
    bench.wait(STEADY.window_s)
    bench.open()
    assert bench.breaker.report().next_probe_in_s == pytest.approx(5)


def test_open_times_are_spread() -> None:
    """Chance takes up to a fifth off the open time, and never adds to it."""
    lengths = []
    for seed in range(200):
        breaker = Breaker("one", BreakerPolicy(), clock=FakeClock(), chance=random.Random(seed))
        for _ in range(5):
            breaker.failed()
        lengths.append(breaker.report().next_probe_in_s or 0.0)
    assert 4.0 <= min(lengths) < 4.1
    assert 4.9 < max(lengths) <= 5.0


def test_a_probe_given_back_goes_to_another_call() -> None:
    """When the caller of a probe leaves, the next call takes its place at once."""
    bench = Bench()
    bench.open()
    bench.wait(OPEN_S)
    turn = bench.breaker.allow()
    assert not bench.breaker.available()
    bench.breaker.abandoned(turn)
    assert bench.breaker.available()
    assert bench.breaker.report().next_probe_in_s == 0.0
    assert bench.breaker.allow()
    assert not bench.breaker.allow()


def test_a_lost_probe_shuts_nobody_out() -> None:
    """A probe that is never heard of lets one more go after each open interval."""
    bench = Bench()
    bench.open()
    bench.wait(OPEN_S)
    assert bench.breaker.allow()
    for _ in range(3):
        bench.wait(OPEN_S - 0.001)
        assert not bench.breaker.allow()
        bench.wait(0.001)
        assert bench.breaker.allow()
        assert not bench.breaker.allow()


@pytest.mark.parametrize("well", [0, 1])
def test_a_lost_probe_that_returns_makes_no_further_place(well: int) -> None:
    """More probes out than a step has, because one was thought lost, never let more through than the step needs."""
    bench = Bench(BreakerPolicy(jitter=0.0, ramp=(2, 8)))
    bench.open()
    bench.wait(OPEN_S)
    turns = [bench.breaker.allow() for _ in range(2)]
    bench.wait(OPEN_S)
    turns.append(bench.breaker.allow())
    assert all(turns)
    for turn in turns[well:]:
        bench.breaker.abandoned(turn)
    for turn in turns[:well]:
        bench.breaker.succeeded(1.0, turn)
    assert sum(bool(bench.breaker.allow()) for _ in range(10)) == 2 - well


def test_calls_from_before_say_nothing_about_now() -> None:
    """What began before the breaker opened is no probe: neither its failure nor its success moves the breaker."""
    bench = Bench()
    early = [bench.breaker.allow() for _ in range(4)]
    bench.open()
    bench.breaker.failed(early[0])
    bench.wait(OPEN_S)
    probe = bench.breaker.allow()
    before = bench.breaker.report()
    bench.breaker.failed(early[1])
    bench.breaker.succeeded(1.0, early[2])
    bench.breaker.abandoned(early[3])
    assert bench.breaker.report() == before
    bench.breaker.succeeded(1.0, probe)
    assert bench.breaker.report() != before


def test_a_slow_probe_fails_only_where_slowness_was_the_trouble() -> None:
    """A target that was left for dragging must be quick again; one that was dead need only answer."""
    for failing, state in ((True, BreakerState.HALF_OPEN), (False, BreakerState.OPEN)):
        bench = Bench()
        if failing:
            bench.open()
        else:
            bench.succeed(20, duration_s=100.0)
        bench.wait(OPEN_S)
        bench.succeed(duration_s=100.0)
        assert bench.breaker.report().state is state


def test_force_holds_whatever_happens() -> None:
    """Forced open, nothing passes at any time; forced closed, everything does, and is counted; None sets it free."""
    bench = Bench()
    bench.breaker.force(BreakerState.FORCED_OPEN)
    bench.wait(1e6)
    assert not bench.breaker.allow()
    assert not bench.breaker.available()
    bench.breaker.force(BreakerState.FORCED_CLOSED)
    bench.fail(50)
    bench.succeed(50, duration_s=100.0)
    report = bench.breaker.report()
    assert (report.state, report.calls, report.failure_rate, report.slow_rate) == ("forced_closed", 100, 0.5, 0.5)
    assert bench.breaker.available()
    assert bench.breaker.allow()
    bench.breaker.force(None)
    assert (bench.breaker.state, bench.breaker.report().calls) == (BreakerState.CLOSED, 0)
    bench.open()


def test_only_the_forced_states_can_be_forced() -> None:
    """A state that a breaker finds by itself cannot be set."""
    with pytest.raises(ValueError, match="use forced_open, forced_closed, or None"):
        Bench().breaker.force(BreakerState.OPEN)


def test_a_dead_target_is_left_alone() -> None:
    """With five callers at once a dead target receives ten requests at most, then one probe per open interval."""
    bench = Bench(BreakerPolicy())
    received = list(_dead_for(bench, seconds=3600, callers=5))
    probes = [at_s for at_s in received if at_s >= OPEN_S]
    opened = bench.states.count(BreakerState.OPEN)
    assert len(received) - len(probes) <= 10
    assert len(probes) <= opened
    pauses = [after_s - before_s for before_s, after_s in pairwise(probes)]
    assert min(pauses) > 0.8 * 2 * OPEN_S
    assert len(probes) < 3600 / (0.8 * 60) + 5


def _dead_for(bench: Bench, *, seconds: int, callers: int) -> Iterator[float]:
    """Let callers press on, each call failing a tenth of a second later; tell when each request reached the target."""
    start_s = bench.clock()
    out: list[int] = []
    for tick in range(seconds * 10):
        bench.clock.set(start_s + tick / 10)
        for turn in out:
            bench.breaker.failed(turn)
        out = [turn for turn in (bench.breaker.allow() for _ in range(callers)) if turn]
        yield from [tick / 10] * len(out)


@pytest.mark.parametrize("seed", range(10))
def test_recovery_takes_less_than_three_intervals(seed: int) -> None:
    """From the moment the target works again, nine tenths of the calls reach it within three open intervals."""
    chance = random.Random(seed)
    bench = Bench(BreakerPolicy())
    dead_s = chance.uniform(10, 400)
    start_s = bench.clock()
    reached: list[bool] = []
    back_s = interval_s = 0.0
    for tick in range(20_000):
        bench.clock.set(start_s + tick / 10)
        alive = tick / 10 >= dead_s
        turn = bench.breaker.allow()
        if turn and alive:
            bench.breaker.succeeded(0.1, turn)
        elif turn:
            bench.breaker.failed(turn)
            interval_s = bench.breaker.report().next_probe_in_s or 0.0
        reached = [*reached[-19:], bool(turn) and alive]
        if sum(reached) >= 18:
            back_s = tick / 10 - dead_s
            break
    assert 0 < back_s <= 3 * interval_s


class AgainstModel(RuleBasedStateMachine):
    """Calls that overlap, end in every way and order, while time passes and somebody forces the breaker."""

    POLICY = BreakerPolicy(
        window_s=1e9, buckets=1, minimum_calls=6, failure_rate=0.5, slow_rate=0.5, slow_call_s=10.0,
        consecutive_failures=4, open_s=4.0, open_cap_s=16.0, jitter=0.25, ramp=(1, 2),
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(self.POLICY)
        self.breaker = self.bench.breaker
        self.out: list[tuple[int, int]] = []
        """Turns of the calls under way, each with the episode in which it began."""
        self.episode = 0
        """Goes up with every change of state: what began in another one is stale."""
        self.outcomes: list[str] = []
        """Of this closed episode."""
        self.well = self.let_through = self.given_back = 0
        """Of this half-open episode."""
        self.open_until_s = 0.0
        self.expected = BreakerState.CLOSED

    def _become(self, state: BreakerState) -> None:
        self.expected = state
        self.episode += 1
        self.outcomes = []
        self.well = self.let_through = self.given_back = 0
        if state is BreakerState.OPEN:
            wait_s = self.breaker.report().next_probe_in_s
            assert wait_s is not None
            assert 3.0 <= wait_s <= 16.0
            self.open_until_s = self.bench.clock() + wait_s

    def _end_one(self, data: st.DataObject) -> bool:
        """Take one of the calls under way; True if it began in the present episode."""
        turn, episode = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.turn = turn
        return episode == self.episode

    def _count(self, outcome: str) -> None:
        self.outcomes.append(outcome)
        judged = len(self.outcomes) >= 6
        failures, slow = self.outcomes.count("failed"), self.outcomes.count("slow")
        dead = self.outcomes[-4:] == ["failed"] * 4
        failing = judged and failures >= len(self.outcomes) / 2 and outcome == "failed"
        dragging = judged and slow >= len(self.outcomes) / 2 and outcome == "slow"
        if self.expected is BreakerState.CLOSED and (dead or failing or dragging):
            self._become(BreakerState.OPEN)

    @rule(seconds=st.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        """Go on."""
        self.bench.wait(seconds)

    @rule()
    def call(self) -> None:
        """Ask for leave, and be let through when the model says so."""
        available = self.breaker.available()
        turn = self.breaker.allow()
        assert bool(turn) is available
        if self.expected is BreakerState.OPEN:
            assert bool(turn) is (self.bench.clock() >= self.open_until_s)
            if turn:
                self._become(BreakerState.HALF_OPEN)
        elif self.expected is BreakerState.HALF_OPEN:
            steps = 1 if self.well < 1 else 3
            early = self.bench.clock() < self.open_until_s + 3.0
            assert not (turn and early) or self.let_through - self.given_back < steps
        else:
            assert bool(turn) is (self.expected is not BreakerState.FORCED_OPEN)
        if turn:
            self.let_through += 1
            self.out.append((turn, self.episode))

    @precondition(lambda self: self.out)
    @rule(data=st.data(), slow=st.booleans())
    def goes_well(self, data: st.DataObject, slow: bool) -> None:
        """End one call well."""
        current, cause = self._end_one(data), self.breaker.report().cause
        self.breaker.succeeded(10.0 if slow else 1.0, self.turn)
        if not current:
            return
        if self.expected is BreakerState.HALF_OPEN:
            self.well += 1
            if slow and cause is BreakerCause.SLOW:
                self._become(BreakerState.OPEN)
            elif self.well == 3:
                self._become(BreakerState.CLOSED)
        else:
            self._count("slow" if slow else "well")

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def fails(self, data: st.DataObject) -> None:
        """End one call in failure."""
        current = self._end_one(data)
        self.breaker.failed(self.turn)
        if current and self.expected is BreakerState.HALF_OPEN:
            self._become(BreakerState.OPEN)
        elif current:
            self._count("failed")

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def is_abandoned(self, data: st.DataObject) -> None:
        """Let the caller of one call leave."""
        self.given_back += self._end_one(data)
        self.breaker.abandoned(self.turn)

    @rule(state=st.sampled_from([BreakerState.FORCED_OPEN, BreakerState.FORCED_CLOSED, None, None]))
    def is_forced(self, state: BreakerState | None) -> None:
        """Set it by hand, or free."""
        self.breaker.force(state)
        self._become(state or BreakerState.CLOSED)

    @invariant()
    def agrees(self) -> None:
        """The breaker is where the model is, and counts what the model counts."""
        assert self.breaker.state is self.expected
        if self.expected in (BreakerState.CLOSED, BreakerState.FORCED_CLOSED):
            report = self.breaker.report()
            assert report.calls == len(self.outcomes)
            assert report.failure_rate * report.calls == pytest.approx(self.outcomes.count("failed"))
            assert report.slow_rate * report.calls == pytest.approx(self.outcomes.count("slow"))


TestAgainstModel = AgainstModel.TestCase


def test_the_board_gives_one_breaker_per_name() -> None:
    """The same name means the same breaker, made with the policy of its first mention or the board's."""
    board = BreakerBoard(clock=FakeClock())
    assert board.breaker("a") is board.breaker("a")
    assert board.breaker("a") is not board.breaker("b")
    frail = board.breaker("c", BreakerPolicy(consecutive_failures=1))
    frail.failed()
    assert [(report.name, report.state.value) for report in board.snapshot()] == [
        ("a", "closed"),
        ("b", "closed"),
        ("c", "open"),
    ]


def test_the_board_is_bounded_and_keeps_what_matters() -> None:
    """However many names there are, only so many breakers are kept, and an open or forced one outlasts a closed one."""
    board = BreakerBoard(BreakerPolicy(consecutive_failures=1), clock=FakeClock(), most=3)
    board.force("by hand", BreakerState.FORCED_OPEN)
    board.breaker("dead").failed()
    for number in range(1000):
        board.breaker(f"passing {number}")
    assert {report.name for report in board.snapshot()} == {"by hand", "dead", "passing 999"}
    board.breaker("passing 999").failed()
    board.breaker("one more")
    assert {report.name for report in board.snapshot()} == {"by hand", "passing 999", "one more"}


def test_the_board_tells_of_changes() -> None:
    """Whoever listens hears each change of state, with the breaker's name."""
    heard: list[tuple[str, str]] = []
    board = BreakerBoard(clock=FakeClock(), on_change=lambda one: heard.append((one.name, one.state)))
    board.force("a", BreakerState.FORCED_OPEN)
    board.force("a", None)
    for _ in range(5):
        board.breaker("a").failed()
    assert heard == [("a", "forced_open"), ("a", "closed"), ("a", "open")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"minimum_calls": 0}, {"buckets": 0}, {"ramp": (1, 0)}, {"ramp": ()}, {"window_s": 0.0}, {"open_s": -1.0},
        {"failure_rate": 0.0}, {"slow_rate": 1.1}, {"jitter": 1.0}, {"open_cap_s": 1.0}, {"window_s": float("nan")},
    ],
)  # fmt: skip
def test_nonsense_is_refused(wrong: dict[str, int]) -> None:
    """A policy that cannot work is refused where it is made."""
    with pytest.raises(ValueError, match="BreakerPolicy"):
        BreakerPolicy(**wrong)  # type: ignore[arg-type]  # a wrong value is the point
