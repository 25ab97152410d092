"""What was asked of tiers outside of memory."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Final

LATENCIES_US: Final = (5, 20, 50, 100, 250, 500, 1_000, 2_000, 3_000, 5_000, 8_000, 20_000, 50_000)
"""Bounds between which it is counted how long a look into a tier took, in microseconds."""


class TierFigures:
    """What was asked of one tier.

    Attributes:
        hits: Entries that it had and that might be given.
        misses: Times that it had none, or one that is void or too old, or that it failed.
        unasked: Looks that were in vain, as too many were under way already; misses as well.
        failures: Times that it did not answer in its time, or that what it had was damaged.
        written: Entries that were written to it.
        dropped: Entries that were not, as too much was waiting or it was away.
        bytes: Of what lies there; None where that is not counted.
        max_bytes: That may lie there; None without a bound of its own.
        entries: That lie there; None where that is not counted.
        evicted: Entries that had to go as there was no room; None where that is not counted.
    """

    def __init__(self) -> None:
        self.hits = self.misses = self.unasked = self.failures = self.written = self.dropped = 0
        self.bytes: int | None = None
        self.max_bytes: int | None = None
        self.entries: int | None = None
        self.evicted: int | None = None
        self._timed = self._took_ns = 0
        self._buckets = [0] * (len(LATENCIES_US) + 1)

    def took(self, took_ns: int) -> None:
        """Count how long a look into it took."""
        self._timed += 1
        self._took_ns += took_ns
        self._buckets[bisect_left(LATENCIES_US, took_ns / 1_000)] += 1

    @property
    def hit_rate(self) -> float | None:
        """The share of looks into it that found something; None before any."""
        looks = self.hits + self.misses
        return self.hits / looks if looks else None

    @property
    def mean_us(self) -> float | None:
        """How long a look took on average, in microseconds; None before any."""
        return self._took_ns / self._timed / 1_000 if self._timed else None

    def quantile_us(self, share: float) -> float | None:
        """Return within how many microseconds this share of looks was over, as a bound of `LATENCIES_US`.

        None before any look, and where it took longer than the largest of the bounds.
        """
        left = share * self._timed
        for bound, count in zip(LATENCIES_US, self._buckets, strict=False):
            left -= count
            if self._timed and left <= 0:
                return bound
        return None

    def looks(self, tier: str) -> Iterator[str]:
        """Yield the counts in Prometheus's text format."""
        named = f'tier="{tier}"'
        yield f'narthex_cache_tier_looks_total{{{named},outcome="hit"}} {self.hits}'
        yield f'narthex_cache_tier_looks_total{{{named},outcome="miss"}} {self.misses}'

    def histogram(self, tier: str) -> Iterator[str]:
        """Yield how long looks took in Prometheus's text format."""
        so_far = 0
        for bound_us, count in zip(LATENCIES_US, self._buckets, strict=False):
            so_far += count
            yield f'narthex_cache_tier_seconds_bucket{{tier="{tier}",le="{bound_us / 1e6:g}"}} {so_far}'
        yield f'narthex_cache_tier_seconds_bucket{{tier="{tier}",le="+Inf"}} {self._timed}'
        yield f'narthex_cache_tier_seconds_sum{{tier="{tier}"}} {self._took_ns / 1e9:.9f}'
        yield f'narthex_cache_tier_seconds_count{{tier="{tier}"}} {self._timed}'


def lines(tiers: Mapping[str, TierFigures]) -> Iterator[str]:
    """Yield what was asked of tiers in Prometheus's text format."""
    yield from _head("looks_total", "counter", "Looks into a tier of the cache, by what came of them.")
    for tier, figures in tiers.items():
        yield from figures.looks(tier)
    yield from _head("failures_total", "counter", "Looks into a tier of the cache that failed; misses as well.")
    yield from (f'narthex_cache_tier_failures_total{{tier="{one}"}} {of.failures}' for one, of in tiers.items())
    yield from _head("unasked_total", "counter", "Looks in vain, as too many were under way; misses as well.")
    yield from (f'narthex_cache_tier_unasked_total{{tier="{one}"}} {of.unasked}' for one, of in tiers.items())
    yield from _head("written_total", "counter", "Answers that were written to a tier of the cache, or were not.")
    for tier, figures in tiers.items():
        yield f'narthex_cache_tier_written_total{{tier="{tier}",outcome="written"}} {figures.written}'
        yield f'narthex_cache_tier_written_total{{tier="{tier}",outcome="dropped"}} {figures.dropped}'
    counted = {tier: figures for tier, figures in tiers.items() if figures.bytes is not None}
    if counted:
        yield from _head("bytes", "gauge", "Bytes of answers in a tier of the cache.")
        yield from (f'narthex_cache_tier_bytes{{tier="{tier}"}} {figures.bytes}' for tier, figures in counted.items())
        yield from _head("evicted_total", "counter", "Answers that had to go from a tier as there was no room.")
        for tier, figures in counted.items():
            yield f'narthex_cache_tier_evicted_total{{tier="{tier}"}} {figures.evicted or 0}'
    yield from _head("seconds", "histogram", "How long looks into a tier of the cache took.")
    for tier, figures in tiers.items():
        yield from figures.histogram(tier)


def _head(name: str, kind: str, what: str) -> Iterator[str]:
    yield f"# HELP narthex_cache_tier_{name} {what}"
    yield f"# TYPE narthex_cache_tier_{name} {kind}"
