"""Which faults are due, and those that take the place of an answer."""

from __future__ import annotations

import pytest

from narthex.errors import Failure, ProviderError, ProviderLimited, ProviderRejected, ProviderUnreachable
from narthex.providers.scripted.faults import Occasions, limited, refusal
from narthex.testing import FakeClock
from narthex.testing.scenarios import (
    ContextOverflow,
    Delay,
    Fail,
    Flap,
    Limits,
    Outage,
    RateLimit,
    Scenario,
    Stall,
)


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


@pytest.mark.parametrize(
    ("scenario", "failure", "status"),
    [
        (Fail(), Failure.UPSTREAM_ERROR, 502),
        (Fail(status=400), Failure.INVALID_REQUEST, 400),
        (Fail(status=401), Failure.AUTHENTICATION, 502),
        (Fail(status=429), Failure.RATE_LIMITED, 429),
        (Fail(status=503), Failure.OVERLOADED, 503),
        (Fail(status=429, code="insufficient_quota"), Failure.QUOTA_EXHAUSTED, 429),
        (RateLimit(retry_after_s=2), Failure.RATE_LIMITED, 429),
        (ContextOverflow(), Failure.CONTEXT_TOO_LONG, 400),
        (Outage(), Failure.CONNECT, 502),
        (Flap(), Failure.CONNECT, 502),
    ],
    ids=lambda value: getattr(value, "fault", str(value)),
)
def test_refusals_are_those_of_a_real_provider(scenario: Scenario, failure: Failure, status: int) -> None:
    """Each fault becomes the error that the same fault of a provider elsewhere becomes."""
    error = refusal(scenario, "demo")
    assert isinstance(error, ProviderError)
    assert (error.failure, error.status, error.provider) == (failure, status, "demo")


def test_facts_of_refusals() -> None:
    """The time to wait, the field at fault and whether to try again are fields."""
    assert limited("demo", 2.5).retry_after_s == 2.5
    assert isinstance(limited("demo", 1), ProviderLimited)
    outage = refusal(Outage(), "demo")
    assert isinstance(outage, ProviderUnreachable)
    assert outage.retryable
    too_long = refusal(ContextOverflow(), "demo")
    assert isinstance(too_long, ProviderRejected)
    assert not too_long.retryable


@pytest.mark.parametrize("scenario", [Delay(), Stall(), Limits(requests_per_minute=1)])
def test_other_scenarios_refuse_nothing(scenario: Scenario) -> None:
    """What happens inside an answer does not take its place."""
    assert refusal(scenario, "demo") is None
