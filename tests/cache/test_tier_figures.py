"""What is counted of tiers outside of memory."""

from __future__ import annotations

from narthex.cache.tier_figures import TierFigures, lines


def test_each_tier_is_counted() -> None:
    """How often it had something, how often it failed, and within how long it answered."""
    tier = TierFigures()
    assert (tier.hit_rate, tier.mean_us, tier.quantile_us(0.5)) == (None, None, None)
    tier.hits, tier.misses, tier.failures, tier.unasked, tier.written, tier.dropped = 3, 1, 1, 4, 2, 1
    for took_us in (400, 600, 900, 60_000):
        tier.took(took_us * 1_000)
    assert (tier.hit_rate, tier.mean_us) == (0.75, 15_475)
    assert (tier.quantile_us(0.25), tier.quantile_us(0.75), tier.quantile_us(0.99)) == (500, 1_000, None)
    said = list(lines({"redis": tier}))
    assert 'narthex_cache_tier_looks_total{tier="redis",outcome="miss"} 1' in said
    assert 'narthex_cache_tier_failures_total{tier="redis"} 1' in said
    assert 'narthex_cache_tier_unasked_total{tier="redis"} 4' in said
    assert 'narthex_cache_tier_written_total{tier="redis",outcome="dropped"} 1' in said
    assert 'narthex_cache_tier_seconds_bucket{tier="redis",le="0.0005"} 1' in said
    assert 'narthex_cache_tier_seconds_bucket{tier="redis",le="+Inf"} 4' in said
