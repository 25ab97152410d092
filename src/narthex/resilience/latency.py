"""How fast a target usually is, and how many calls may be hedged on that knowledge.

`LatencyQuantile` says from when on an answer is unusually late, and `HedgeBudget` keeps second requests below a fixed
part of all.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate
from typing import Final

_LEAST_S: Final = 0.001
_MOST_S: Final = 1000.0
_STEP: Final = math.log(1.1)
_BUCKETS: Final = math.ceil(math.log(_MOST_S / _LEAST_S) / _STEP) + 1
"""Each bucket is a tenth wider than the one before, so that any quantile is right within 5 %."""
_FRESH_FOR: Final = 32
"""Observations after which a quantile is taken anew."""
_PARTS: Final = 1_000_000
"""A hedge is counted in millionths, so that sums are exact."""


class LatencyQuantile:
    """A quantile of the times of one target, in which what is old counts less and less.

    Times are counted in buckets from 1 ms to 1000 s, each a tenth wider than the one before; after each half-life all
    counts are halved. Memory is fixed, and no observation is kept.
    """

    __slots__ = ("_clock", "_counts", "_fresh_for", "_half_life_s", "_halves_at_s", "_least_weight", "_quantile",
                 "_value_s", "_weight")  # fmt: skip

    def __init__(
        self,
        quantile: float = 0.95,
        *,
        half_life_s: float = 120.0,
        least_weight: float = 20.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with nothing known.

        Args:
            quantile: Which one, above 0 and below 1.
            half_life_s: After how long an observation counts half.
            least_weight: How many observations are needed for an answer; old ones count less.
            clock: Says the seconds.

        Raises:
            ValueError: The quantile or the half-life is none.
        """
        if not 0 < quantile < 1 or not half_life_s > 0:
            raise ValueError(
                f"expected a quantile between 0 and 1 and a half-life above 0, got {quantile}, {half_life_s}"
            )
        self._quantile = quantile
        self._half_life_s = half_life_s
        self._least_weight = least_weight
        self._clock = clock
        self._counts = [0.0] * _BUCKETS
        self._weight = 0.0
        self._halves_at_s = clock() + half_life_s
        self._value_s: float | None = None
        self._fresh_for = 0

    def observe(self, seconds: float) -> None:
        """Count one time."""
        now_s = self._clock()
        if now_s >= self._halves_at_s:
            self._halve(now_s)
        if seconds >= _MOST_S:
            self._counts[-1] += 1.0
        elif seconds > _LEAST_S:
            self._counts[int(math.log(seconds / _LEAST_S) / _STEP)] += 1.0
        else:
            self._counts[0] += 1.0
        self._weight += 1.0
        self._fresh_for -= 1

    def value_s(self) -> float | None:
        """Return the quantile in seconds, or None while too little is known; it lags by a few observations."""
        if self._clock() >= self._halves_at_s:
            self._halve(self._clock())
        if self._fresh_for <= 0 or self._value_s is None:
            self._value_s = self._take() if self._weight >= self._least_weight else None
            self._fresh_for = _FRESH_FOR
        return self._value_s

    def _take(self) -> float:
        # A hair less, so that rounding never asks for one observation more than there are.
        bucket = bisect_left(list(accumulate(self._counts)), self._weight * self._quantile - 1e-9)
        # The middle of the bucket, on the scale on which buckets are even.
        return _LEAST_S * math.exp((bucket + 0.5) * _STEP)

    def _halve(self, now_s: float) -> None:
        halvings = int((now_s - self._halves_at_s) / self._half_life_s) + 1
        self._halves_at_s += halvings * self._half_life_s
        rest = 0.5 ** min(halvings, 1000)
        self._counts = [count * rest for count in self._counts]
        self._weight = sum(self._counts)
        self._fresh_for = 0


class HedgeBudget:
    """Second requests while the first still runs: never more than a fixed part of all calls."""

    __slots__ = ("_cap", "_gain", "_left", "calls", "hedged", "refused")

    def __init__(self, ratio: float = 0.05, *, cap: float = 10.0) -> None:
        """Start with nothing to spend.

        Args:
            ratio: Hedges per call at most.
            cap: Most hedges that quiet times save up; a slow spell never makes for more at once.

        Raises:
            ValueError: The ratio is none, or no hedge fits under the cap.
        """
        if not 0 <= ratio <= 1 or not cap >= 1:
            raise ValueError(f"expected a ratio from 0 to 1 and a cap of 1 or more, got {ratio}, {cap}")
        self._gain = round(ratio * _PARTS)
        self._cap = round(cap * _PARTS)
        self._left = 0
        self.calls = 0
        self.hedged = 0
        self.refused = 0

    def called(self) -> None:
        """Count a call that may be hedged."""
        self.calls += 1
        if self._left < self._cap:
            self._left += self._gain

    def take(self) -> bool:
        """Spend one hedge; False where there is none."""
        if self._left < _PARTS:
            self.refused += 1
            return False
        self._left -= _PARTS
        self.hedged += 1
        return True
