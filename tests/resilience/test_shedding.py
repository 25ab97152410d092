"""The least urgent calls are refused first, before everybody waits, and let in again when it is over."""

from __future__ import annotations

import contextlib
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import Overloaded
from narthex.resilience.shedding import SAMPLES, Reason, Shedder
from narthex.types.priorities import Priority

STEADY = [Priority.LOW, Priority.NORMAL, Priority.HIGH]


def takes(shedder: Shedder) -> list[Priority]:
    """Return whose calls are taken."""
    taken: list[Priority] = []
    for priority in Priority:
        with contextlib.suppress(Overloaded):
            shedder.check(priority, 1)
            taken.append(priority)
    return taken


def lasting(shedder: Shedder, lag_s: float, samples: int = SAMPLES) -> list[Priority]:
    """Have a lag last, and return whose calls are taken then."""
    for _ in range(samples):
        shedder.observe(lag_s)
    return takes(shedder)


@pytest.mark.parametrize(
    ("lag_s", "taken"),
    [(0.0, STEADY), (0.249, STEADY), (0.25, STEADY[1:]), (0.5, STEADY[2:]), (0.99, STEADY[2:]), (1.0, []), (60.0, [])],
)
def test_the_later_the_loop_the_fewer_are_taken(lag_s: float, taken: list[Priority]) -> None:
    """Low priority goes at the threshold, normal at twice and high at four times of it."""
    assert lasting(Shedder(lag_s=0.25), lag_s) == taken


def test_one_pause_is_no_lag() -> None:
    """A single look that came late, however late, refuses nobody."""
    shedder = Shedder(lag_s=0.25)
    for lag_s in (60.0, 0.0, 60.0, 60.0, 0.1, 0.0):
        shedder.observe(lag_s)
        assert takes(shedder) == STEADY
    assert shedder.standing_lag_s == 0.0


def test_the_door_opens_step_by_step() -> None:
    """After the lag each priority is let in again once it was below half of what had shut it out."""
    shedder = Shedder(lag_s=0.25)
    assert lasting(shedder, 2.0) == []
    assert lasting(shedder, 0.5) == []
    assert lasting(shedder, 0.49) == STEADY[2:]
    assert lasting(shedder, 0.3) == STEADY[2:]
    assert lasting(shedder, 0.2) == STEADY[1:]
    assert lasting(shedder, 0.13) == STEADY[1:]
    assert lasting(shedder, 0.1) == STEADY


@given(st.lists(st.floats(0.25, 1.0), max_size=50))
def test_the_door_does_not_flutter(lags: list[float]) -> None:
    """Between half a threshold and the threshold nothing changes, in whatever order lags come."""
    shedder = Shedder(lag_s=0.5)
    lasting(shedder, 0.5)
    for lag_s in lags:
        shedder.observe(min(lag_s, 0.99))
        assert takes(shedder) == STEADY[1:]


@given(st.lists(st.floats(0, 100), max_size=100))
def test_it_always_recovers(lags: list[float]) -> None:
    """Whatever was seen, three quiet looks for each step let everybody in again."""
    shedder = Shedder(lag_s=0.25)
    for lag_s in lags:
        shedder.observe(lag_s)
    assert lasting(shedder, 0.0, 4 * SAMPLES) == STEADY


def test_it_can_be_switched_off() -> None:
    """Without a threshold nobody is refused for the lag."""
    assert lasting(Shedder(lag_s=math.inf), 1e9) == STEADY


def test_there_are_no_more_calls_than_there_may_be() -> None:
    """Beyond the most calls at once even the most urgent is refused."""
    shedder = Shedder(max_active=10)
    shedder.check(Priority.LOW, 10)
    with pytest.raises(Overloaded, match="as many calls"):
        shedder.check(Priority.HIGH, 11)


def test_not_all_are_called_back_at_once() -> None:
    """When to try again differs from one to the next, between once and twice the lag, a second at least."""
    shedder = Shedder(lag_s=0.25, chance=random.Random(1))
    lasting(shedder, 4.0)
    waits: list[float] = []
    for _ in range(100):
        with pytest.raises(Overloaded) as refused:
            shedder.check(Priority.NORMAL, 1)
        waits.append(refused.value.retry_after_s or 0)
    assert 4 <= min(waits) < 4.5
    assert 7.5 < max(waits) <= 8


def test_refusals_are_counted() -> None:
    """Prometheus is told of the lag, and of each refusal its reason and priority."""
    shedder = Shedder(lag_s=0.25, max_active=1)
    lasting(shedder, 0.25)
    for priority, active in ((Priority.LOW, 1), (Priority.LOW, 9), (Priority.NORMAL, 2)):
        with pytest.raises(Overloaded):
            shedder.check(priority, active)
    assert shedder.refused() == {(Reason.LAG, Priority.LOW): 3, (Reason.ACTIVE, Priority.NORMAL): 1}
    lines = list(shedder.lines())
    assert "narthex_loop_lag_seconds 0.250000" in lines
    assert 'narthex_shed_total{reason="lag",priority="low"} 3' in lines
    assert 'narthex_shed_total{reason="active",priority="normal"} 1' in lines
