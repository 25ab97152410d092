"""When it pays."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from narthex.cache.predictive.worth import least_of_renewal, least_probability


def test_the_rule() -> None:
    """A free answer always pays, a worthless one never; half and half where both are the same."""
    assert least_probability(cost=0, value=0) == 0
    assert least_probability(cost=1, value=0) == 1
    assert least_probability(cost=1, value=1) == 0.5
    assert least_probability(cost=3, value=1, reused=0.5) == pytest.approx(0.6)


@given(some.floats(0.001, 1e6), some.floats(0, 1e6), some.floats(0, 1))
def test_at_that_probability_nothing_is_won_or_lost(cost: float, value: float, reused: float) -> None:
    """What is won with a right one is what is lost with a wrong one."""
    least = least_probability(cost=cost, value=value, reused=reused)
    assert 0 <= least <= 1
    assert least * value == pytest.approx((1 - least) * cost * (1 - reused), abs=1e-6)


def test_a_renewal_pays_by_what_it_saves() -> None:
    """What keeping costs is paid in any case; where nothing is saved it never pays."""
    assert least_of_renewal(cost=10, saved=100) == pytest.approx(0.1)
    assert least_of_renewal(cost=10, saved=0) == least_of_renewal(cost=10, saved=-1) == math.inf
