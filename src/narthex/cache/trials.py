"""How often caches answer, tried on traces: one policy, or several tiers behind one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from narthex.cache.eviction import Item, Policy
from narthex.cache.workloads import Trace

Make = Callable[[int], Policy]


def hit_rate(make: Make, trace: Trace, room: int) -> float:
    """Return the share of a trace that a cache with room for so many answers gives from memory."""
    return tier_rates(make, trace, [room])[0]


def tier_rates(make: Make, trace: Trace, rooms: Sequence[int]) -> list[float]:
    """Return for each of several tiers, nearest first, the share of a trace that it answers.

    What a tier has is put into those before it; what none has, into all.
    """
    tiers = [make(room) for room in rooms]
    hits = [0] * len(tiers)
    for key in trace:
        missing = len(tiers)
        for number, tier in enumerate(tiers):
            if tier.get(key) is not None:
                hits[number] += 1
                missing = number
                break
        for tier in tiers[:missing]:
            tier.put(Item(key, None, 1))
    return [count / len(trace) if trace else 0.0 for count in hits]
