"""Figures of this moment: counts that come out even, latency that follows peaks and fades."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.routing.figures import MAX_FAILED_S, MAX_TRACKED, Figures, Live


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time as set."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock at 100 s."""
    return Clock()


@pytest.fixture
def figures(clock: Clock) -> Figures:
    """Nothing measured; what was measured fades in 10 s."""
    return Figures(clock, fade_s=10.0)


def test_figures_are_what_balancing_looks_at(figures: Figures) -> None:
    """Without anybody who says otherwise, a model is available and was always there."""
    live: Live = figures
    assert (live.in_flight("p/a"), live.latency_s("p/a"), live.available("p/a"), live.since("p/a")) == (
        0,
        None,
        True,
        None,
    )


def test_others_say_who_is_there(clock: Clock) -> None:
    """Availability and return are asked of whoever knows them."""
    figures = Figures(clock, available=lambda name: name != "p/a", since=lambda name: 7.0 if name == "p/b" else None)
    assert (figures.available("p/a"), figures.available("p/b")) == (False, True)
    assert (figures.since("p/a"), figures.since("p/b")) == (None, 7.0)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("ab"))))
def test_calls_in_flight_are_those_begun_and_not_ended(steps: list[tuple[bool, str]]) -> None:
    """The count is right after any steps, and an end too many does not make it negative."""
    figures = Figures(lambda: 0.0)
    counted = {"a": 0, "b": 0}
    for begins, name in steps:
        (figures.begin if begins else figures.end)(name)
        counted[name] = max(0, counted[name] + (1 if begins else -1))
    assert {name: figures.in_flight(name) for name in "ab"} == counted


def test_a_peak_counts_at_once(figures: Figures) -> None:
    """One slow answer is enough to make a model look slow."""
    figures.observe("p/a", 0.1)
    figures.observe("p/a", 2.0)
    assert figures.latency_s("p/a") == 2.0


def test_quick_answers_bring_latency_down_slowly(figures: Figures, clock: Clock) -> None:
    """A quick answer after a peak moves the average towards it by the time that passed, never below it."""
    figures.observe("p/a", 2.0)
    clock.now += 5.0
    figures.observe("p/a", 0.1)
    first = figures.latency_s("p/a")
    clock.now += 5.0
    figures.observe("p/a", 0.1)
    second = figures.latency_s("p/a")
    assert first is not None
    assert second is not None
    assert 2.0 > first > second > 0.1


def test_latency_fades_while_nothing_is_measured(figures: Figures, clock: Clock) -> None:
    """A model that was slow looks quick again in time, so that it is tried."""
    figures.observe("p/a", 2.0)
    clock.now += 10.0
    assert figures.latency_s("p/a") == pytest.approx(2.0 / 2.718281828)


def test_failing_at_once_does_not_look_quick(figures: Figures) -> None:
    """A failure never makes a model look better, and each one more makes it look worse, up to a limit."""
    figures.observe("p/a", 0.5)
    seen = [0.5]
    for _ in range(10):
        figures.failed("p/a", 0.001)
        latency_s = figures.latency_s("p/a")
        assert latency_s is not None
        seen.append(latency_s)
    assert seen[1:4] == [1.0, 2.0, 4.0]
    assert seen == sorted(seen)
    assert seen[-1] == MAX_FAILED_S


def test_a_quick_failure_is_no_relief(figures: Figures) -> None:
    """A model that took longer than failures ever count for does not look better by failing at once."""
    figures.observe("p/a", 2 * MAX_FAILED_S)
    figures.failed("p/a", 0.001)
    assert figures.latency_s("p/a") == 2 * MAX_FAILED_S


def test_a_model_that_only_failed_is_not_unmeasured(figures: Figures) -> None:
    """A first call that fails counts for something, and for the time it took if that is longer."""
    figures.failed("p/a", 0.001)
    figures.failed("p/b", 120.0)
    assert figures.latency_s("p/a") == 1.0
    assert figures.latency_s("p/b") == 120.0


def test_memory_is_bounded_and_forgets_no_call_under_way(figures: Figures) -> None:
    """However many names are called, figures of few are kept, those with calls in flight among them."""
    figures.begin("busy")
    for number in range(2 * MAX_TRACKED):
        figures.observe(f"p/{number}", 0.1)
    assert figures.in_flight("busy") == 1
    assert sum(figures.latency_s(f"p/{number}") is not None for number in range(2 * MAX_TRACKED)) <= MAX_TRACKED
