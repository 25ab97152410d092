"""Trials of caches."""

from __future__ import annotations

import pytest

from narthex.cache.eviction.lru import Lru
from narthex.cache.eviction.s3_fifo import S3Fifo
from narthex.cache.trials import hit_rate, tier_rates
from narthex.cache.workloads import ceiling, zipf


def test_every_hit_is_counted_once() -> None:
    """In the nearest tier that has the answer, which then comes into those before it."""
    trace = [b"a", b"b", b"a", b"a", b"b"]
    assert tier_rates(Lru, trace, [1, 2]) == [0.2, 0.4]
    assert hit_rate(Lru, trace, 2) == 0.6
    assert tier_rates(Lru, [], [1]) == [0.0]


def test_without_end_a_cache_meets_the_ceiling() -> None:
    """Whatever its policy."""
    trace = zipf(1.0, keys=500, requests=5_000)
    assert hit_rate(S3Fifo, trace, 500) == pytest.approx(ceiling(trace))


def test_three_tiers_share_the_work() -> None:
    """With room for 2 %, 50 % and all of the keys: most of it is done by the smallest."""
    trace = zipf(1.0, keys=20_000, requests=300_000)
    first, second, third = tier_rates(S3Fifo, trace, [400, 10_000, 20_000])
    assert first >= 0.6
    assert second >= 0.29
    assert first + second + third >= 0.935
