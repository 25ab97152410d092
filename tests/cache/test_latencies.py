"""How long something takes, told as quantiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.cache.latencies import Latencies


def test_before_any_there_is_none() -> None:
    """Nothing took no time."""
    assert Latencies().quantile_us(0.5) is None


@given(st.lists(st.integers(8, 10**12), min_size=1, max_size=60), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_quantiles_are_nearly_those_of_what_was_noted(times: list[int], share: float) -> None:
    """At most a sixteenth off."""
    latencies = Latencies()
    for took in times:
        latencies.note(took)
    told = latencies.quantile_us(share)
    exact = next(took for n, took in enumerate(sorted(times), 1) if n >= len(times) * share)
    assert told == pytest.approx(exact / 1_000, rel=0.0626, abs=0.001)


def test_what_takes_too_little_or_too_long_is_counted_at_the_ends() -> None:
    """A clock that goes back breaks nothing."""
    latencies = Latencies()
    latencies.note(-5)
    latencies.note(10**20)
    assert latencies.count == 2
    assert (latencies.quantile_us(0.5) or 0) < 0.01
    assert (latencies.quantile_us(1) or 0) > 10**9
