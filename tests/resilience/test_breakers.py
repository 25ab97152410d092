"""A breaker opens when a target fails or drags, leaves it alone, and is back quickly when it is."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

import pytest

from narthex.resilience.breakers import Breaker, BreakerCause, BreakerPolicy, BreakerState
from narthex.testing.clock import FakeClock
from tests.resilience.benches import OPEN_S, STEADY, Bench


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
    assert bench.states == [BreakerState.OPEN, *[BreakerState.HALF_OPEN] * len(STEADY.ramp), BreakerState.CLOSED]


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
