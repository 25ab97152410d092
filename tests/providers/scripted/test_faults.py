"""Faults that take the place of an answer."""

from __future__ import annotations

import pytest

from narthex.errors import Failure, ProviderError, ProviderLimited, ProviderRejected, ProviderUnreachable
from narthex.providers.scripted.faults import limited, refusal
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
