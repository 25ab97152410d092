"""What is usual is known within a few percent, and hedges keep to their budget."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.resilience.latency import HedgeBudget, LatencyQuantile
from narthex.testing.clock import FakeClock


@given(
    times_s=st.lists(st.floats(0.002, 900.0), min_size=20, max_size=300),
    quantile=st.sampled_from([0.5, 0.9, 0.95, 0.99]),
)
def test_a_quantile_is_right_within_five_percent(times_s: list[float], quantile: float) -> None:
    """Without decay, the answer is the true quantile of what was observed, give or take 5 %."""
    known = LatencyQuantile(quantile, clock=FakeClock())
    for time_s in times_s:
        known.observe(time_s)
    rank = math.ceil(len(times_s) * quantile - 1e-9)
    assert known.value_s() == pytest.approx(sorted(times_s)[rank - 1], rel=0.05)


def test_too_little_is_no_knowledge() -> None:
    """Below twenty observations there is no answer, and none either once they have faded."""
    clock = FakeClock()
    known = LatencyQuantile(half_life_s=60.0, clock=clock)
    for _ in range(19):
        known.observe(1.0)
    assert known.value_s() is None
    known.observe(1.0)
    assert known.value_s() == pytest.approx(1.0, rel=0.05)
    clock.set(clock() + 60.0)
    assert known.value_s() is None


def test_old_times_fade() -> None:
    """After some half-lives a target that became slower is known as slow, and one that became quicker as quick."""
    clock = FakeClock()
    known = LatencyQuantile(half_life_s=10.0, clock=clock)
    for time_s in (0.5, 5.0, 0.2):
        for _ in range(400):
            clock.set(clock() + 0.25)
            known.observe(time_s)
        assert known.value_s() == pytest.approx(time_s, rel=0.05)


def test_the_answer_is_no_older_than_some_observations() -> None:
    """A value that was asked for before is taken anew after 32 further observations."""
    known = LatencyQuantile(0.5, clock=FakeClock())
    for _ in range(20):
        known.observe(1.0)
    assert known.value_s() == pytest.approx(1.0, rel=0.05)
    for _ in range(32):
        known.observe(4.0)
    assert known.value_s() == pytest.approx(4.0, rel=0.05)


@pytest.mark.parametrize(("time_s", "shown_s"), [(0.0, 0.001), (-1.0, 0.001), (1e9, 1000.0), (math.inf, 1000.0)])
def test_times_beyond_the_scale_count_at_its_ends(time_s: float, shown_s: float) -> None:
    """No time is too short or too long to be counted."""
    known = LatencyQuantile(clock=FakeClock())
    for _ in range(20):
        known.observe(time_s)
    assert known.value_s() == pytest.approx(shown_s, rel=0.12)


def test_a_long_silence_forgets_everything() -> None:
    """After more half-lives than a float can hold nothing is left, and new times count as ever."""
    clock = FakeClock()
    known = LatencyQuantile(half_life_s=1.0, clock=clock)
    for _ in range(100):
        known.observe(9.0)
    clock.set(clock() + 1e7)
    for _ in range(20):
        known.observe(0.1)
    assert known.value_s() == pytest.approx(0.1, rel=0.05)


@given(st.lists(st.booleans(), max_size=500), st.sampled_from([0.0, 0.01, 0.05, 0.5]))
def test_hedges_stay_below_their_part_of_all_calls(steps: list[bool], ratio: float) -> None:
    """At no time were there more hedges than the ratio allows for the calls made by then."""
    budget = HedgeBudget(ratio)
    for called in steps:
        if called:
            budget.called()
        else:
            budget.take()
        assert budget.hedged <= budget.calls * ratio + 1e-9
    assert (budget.calls, budget.hedged + budget.refused) == (steps.count(True), steps.count(False))


def test_a_budget_that_may_be_spent_is_granted() -> None:
    """Where four in a hundred calls want a hedge, nearly all get one."""
    chance = random.Random(11)
    budget = HedgeBudget()
    for _ in range(20_000):
        budget.called()
        if chance.random() < 0.04:
            budget.take()
    assert budget.refused < 0.05 * budget.hedged


def test_a_small_part_is_no_nothing() -> None:
    """Even nine hedges in ten thousand calls are granted, and not ten."""
    budget = HedgeBudget(0.000_9)
    for _ in range(10_000):
        budget.called()
    assert [budget.take() for _ in range(10)] == [True] * 9 + [False]


def test_quiet_times_save_up_no_storm() -> None:
    """However many calls needed no hedge, no more than the cap follow at once."""
    budget = HedgeBudget(cap=3.0)
    for _ in range(10_000):
        budget.called()
    assert [budget.take() for _ in range(5)] == [True, True, True, False, False]


def test_nonsense_is_refused() -> None:
    """A quantile, a half-life or a budget that cannot be is refused."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        LatencyQuantile(1.0)
    with pytest.raises(ValueError, match="half-life above 0"):
        LatencyQuantile(half_life_s=0.0)
    for ratio, cap in ((-0.1, 10.0), (0.05, 0.5)):
        with pytest.raises(ValueError, match="a ratio from 0 to 1"):
            HedgeBudget(ratio, cap=cap)
