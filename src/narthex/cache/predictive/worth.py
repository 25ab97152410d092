"""From which probability on it pays to have an answer made before it is asked for."""

from __future__ import annotations

import math


def least_of_renewal(*, cost: float, saved: float) -> float:
    """Return the probability above which it pays to keep a prompt in its provider's cache; above 1 where never.

    Args:
        cost: What keeping it costs, which is paid besides.
        saved: What the next call that begins with it pays less for that; in the same unit.
    """
    return cost / saved if saved > 0 else math.inf


def least_probability(*, cost: float, value: float, reused: float = 0.0) -> float:
    """Return the probability above which a prediction is worth its price.

    Args:
        cost: What the answer costs.
        value: What it is worth that nobody waits for it; in the same unit.
        reused: The chance that one which was not asked for next is of use later.

    A right prediction only moves its cost ahead, so that what is risked is the cost of a wrong one.
    """
    risk = max(0.0, cost) * (1 - reused)
    if risk == 0:
        return 0.0
    return risk / (risk + max(0.0, value))
