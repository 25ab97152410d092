"""What calls use of limits, and what is told of that."""

from __future__ import annotations

from typing import Final

import msgspec

from narthex.ledger.limits.counters import Gauge
from narthex.types.limits import CALL_MEASURES, Limit

Amounts = tuple[int, int, int, int, int, int]
"""What a call uses, in the order of `CALL_MEASURES`."""

NOTHING: Final[Amounts] = (0, 0, 0, 0, 0, 0)
ONE_OF_EACH: Final[Amounts] = (1, 1, 1, 1, 1, 1)
"""Of a call of whose size nothing is to be known."""
_PLACES: Final = {measure: place for place, measure in enumerate(CALL_MEASURES)}


def place_of(limit: Limit) -> int:
    """Return the place among what a call uses of what a limit counts."""
    return _PLACES[limit.measure]


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold that was passed."""

    limit: Limit
    value: str
    percent: int
    used: int
    """In the unit in which is counted."""
    period_start: float
    """Seconds of Unix time."""


class LimitUsage(msgspec.Struct, frozen=True, kw_only=True):
    """How one limit stands for one of those whom it concerns."""

    limit: Limit
    value: str
    """Of those who are counted separately, who; empty for all together."""
    gauge: Gauge


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger has of one limit, in one stretch of time."""

    value: str
    """Of those who are counted separately, who; empty for all together."""
    at: float
    """When, in seconds of Unix time."""
    used: int
    """In the unit in which is counted."""
