"""How long something takes: counted at next to no cost, and told as quantiles that are at most a sixteenth off."""

from __future__ import annotations

from typing import Final

_STEPS_BITS: Final = 3
"""Each doubling is divided into eight steps."""
_LEAST_NS: Final = 1 << _STEPS_BITS
_STEPS: Final = _LEAST_NS - 1
_LAST: Final = (40 << _STEPS_BITS) + (1 << _STEPS_BITS) - 1
"""Of about 18 minutes; what takes longer is counted there."""


class Latencies:
    """Counts how often something took how long."""

    __slots__ = ("_counts", "count")

    def __init__(self) -> None:
        self._counts = [0] * (_LAST + 1)
        self.count = 0

    def note(self, took_ns: int) -> None:
        """Count that it took so many nanoseconds."""
        # Without `max` and `min`, which would cost as much as all the rest.
        took_ns = max(took_ns, _LEAST_NS)
        bits = took_ns.bit_length() - 1
        step = (bits << _STEPS_BITS) + ((took_ns >> (bits - _STEPS_BITS)) & _STEPS)
        self._counts[min(_LAST, step)] += 1
        self.count += 1

    def quantile_us(self, share: float) -> float | None:
        """Return what this share of all took at most, in microseconds; None before any."""
        left = self.count * share
        for step, count in enumerate(self._counts):
            left -= count
            if count and left <= 0:
                return round(_middle_ns(step) / 1_000, 3)
        return None


def _middle_ns(step: int) -> float:
    bits, part = step >> _STEPS_BITS, step & ((1 << _STEPS_BITS) - 1)
    return float(((1 << _STEPS_BITS) + part + 0.5) * 2 ** (bits - _STEPS_BITS))
