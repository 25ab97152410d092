"""What is configured is what the parts go by."""

from __future__ import annotations

import math

from narthex.config.settings import Settings, TimeoutOverrides, TimeoutSettings
from narthex.pipeline.shadows import ShadowLimits
from narthex.policies import (
    breaker_policy,
    lag_s,
    limit_policy,
    maximums,
    partial_timeouts,
    shadow_limits,
    timeouts,
)
from narthex.providers.contract import PartialTimeouts, Timeouts
from narthex.resilience.breakers import BreakerPolicy
from narthex.resilience.concurrency import LimitPolicy


def settings(**given: object) -> Settings:
    """Return settings with these given."""
    return Settings.model_validate(given)


def test_what_is_not_configured_is_as_the_parts_have_it() -> None:
    """Without any setting each part goes by its own defaults."""
    plain = settings()
    assert breaker_policy(plain.breakers) == BreakerPolicy(minimum_calls=10)
    assert shadow_limits(plain.shadows) == ShadowLimits()
    assert limit_policy(plain.limits) == LimitPolicy()
    assert timeouts(plain.timeouts) == Timeouts()
    assert partial_timeouts(TimeoutOverrides()) == PartialTimeouts()
    assert (maximums(plain), lag_s(plain)) == ({}, 0.25)


def test_parts_of_a_hundred_become_shares() -> None:
    """Percentages are taken for what they are."""
    policy = breaker_policy(settings(breakers={"failure_percent": 25, "slow_percent": 80}).breakers)
    assert (policy.failure_rate, policy.slow_rate) == (0.25, 0.8)


def test_limits_are_taken_over() -> None:
    """Each setting of a limit has its place, and a provider's own maximum stands by the provider's name."""
    given = settings(
        limits={"adaptive": False, "maximum": 20, "queue": 5, "queue_timeout_s": 2},
        providers={"small": {"kind": "scripted", "max_concurrency": 3}, "any": {"kind": "scripted"}},
    )
    assert limit_policy(given.limits) == LimitPolicy(adaptive=False, maximum=20, queue=5, queue_timeout_s=2)
    assert maximums(given) == {"small": 3}


def test_shedding_can_be_switched_off() -> None:
    """Switched off, no lag is too long."""
    assert lag_s(settings(shedding={"enabled": False})) == math.inf


def test_every_limit_of_time_has_its_place() -> None:
    """None is taken for another."""
    seconds = {"connect_s": 1.0, "headers_s": 2.0, "first_token_s": 3.0, "idle_s": 4.0, "total_s": 5.0}
    assert timeouts(TimeoutSettings(**seconds)) == Timeouts(**seconds)
    assert partial_timeouts(TimeoutOverrides(**seconds)) == PartialTimeouts(**seconds)
