"""The rhythm, the chance and the memory of scenarios."""

from __future__ import annotations

import pytest

from narthex.testing import FakeClock
from narthex.testing.occasions import Occasions
from narthex.testing.scenarios import Flap, Limits, Outage, Scenario


def _calls(count: int, *faults: Scenario, seed: int = 0) -> list[int]:
    occasions = Occasions(faults, seed=seed, clock=FakeClock())
    return [number for number in range(1, count + 1) if occasions.due()]


def test_faults_come_always_or_by_count() -> None:
    """Without a rhythm a fault comes at every call, otherwise at each N-th, and `times` ends it."""
    assert _calls(4, Outage()) == [1, 2, 3, 4]
    assert _calls(7, Outage(every=3)) == [3, 6]
    assert _calls(7, Outage(times=2)) == [1, 2]
    assert _calls(9, Outage(every=2, times=2)) == [2, 4]


def test_chance_is_seeded() -> None:
    """The same seed draws the same calls; the share is about the probability."""
    drawn = _calls(1_000, Outage(probability=0.2))
    assert drawn == _calls(1_000, Outage(probability=0.2))
    assert drawn != _calls(1_000, Outage(probability=0.2), seed=1)
    assert 150 < len(drawn) < 250
    assert _calls(10, Outage(probability=0)) == []
    assert _calls(3, Outage(probability=1)) == [1, 2, 3]


async def test_flapping_goes_by_the_clock() -> None:
    """It is up for one period, then down for one."""
    clock = FakeClock()
    occasions = Occasions((Flap(period_s=10),), seed=0, clock=clock)
    seen = []
    for _ in range(4):
        seen.append(bool(occasions.due()))
        await clock.advance(10)
    assert seen == [False, True, False, True]


def test_flapping_may_begin_with_the_period_that_is_down() -> None:
    """Told so, it cannot be reached at first."""
    assert _calls(1, Flap(starts="down")) == [1]


async def test_limits_are_kept_and_refill() -> None:
    """So many requests pass per minute; the refusal tells when the next will."""
    clock = FakeClock()
    limits = Limits(requests_per_minute=2)
    occasions = Occasions((limits,), seed=0, clock=clock)
    assert [occasions.limited_s(limits, 1) for _ in range(3)] == [None, None, 30.0]
    await clock.advance(29.9)
    assert occasions.limited_s(limits, 1) == pytest.approx(0.1)
    await clock.advance(0.11)
    assert occasions.limited_s(limits, 1) is None


async def test_token_limits_count_tokens() -> None:
    """A call is charged its tokens; one over the limit is not charged at all."""
    clock = FakeClock()
    limits = Limits(tokens_per_minute=60)
    occasions = Occasions((limits,), seed=0, clock=clock)
    assert occasions.limited_s(limits, 50) is None
    assert occasions.limited_s(limits, 20) == pytest.approx(10.0)
    assert occasions.limited_s(limits, 10) is None
