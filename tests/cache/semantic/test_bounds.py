"""Whether a category is wrong too often."""

from __future__ import annotations

import random

import pytest

from narthex.cache.semantic.bounds import ErrorBound, lower_bound, upper_bound


def test_bounds_of_clopper_and_pearson() -> None:
    """Against published values, and the rule of three."""
    assert upper_bound(0, 300) == pytest.approx(0.00994, abs=1e-4)
    assert upper_bound(10, 100, alpha=0.025) == pytest.approx(0.17622, abs=1e-4)
    assert lower_bound(10, 100, alpha=0.025) == pytest.approx(0.04900, abs=1e-4)
    assert upper_bound(0, 0) == upper_bound(5, 5) == 1.0
    assert lower_bound(0, 10) == lower_bound(0, 0) == 0.0


def alarm(share: float, seed: int, *, bound: float = 0.02, samples: int = 2_000) -> int | None:
    """Return after how many samples a bound is said to be crossed."""
    chance, watched = random.Random(seed), ErrorBound(bound)
    for number in range(samples):
        watched.judged(wrong=chance.random() < share)
        if watched.is_crossed:
            return number + 1
    return None


def test_what_keeps_to_the_bound_is_seldom_accused() -> None:
    """At the bound itself, looked at after every sample: at most about one run in twenty."""
    assert sum(alarm(0.02, seed) is not None for seed in range(100)) <= 10


def test_what_breaks_the_bound_is_found() -> None:
    """Four times the bound within some hundred samples."""
    found = [alarm(0.08, seed) for seed in range(30)]
    assert None not in found
    assert sorted(filter(None, found))[15] < 300
