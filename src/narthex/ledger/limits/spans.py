"""When the periods of the calendar begin and end, in UTC."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

from narthex.types.limits import LENGTHS_S, Period

_WEEK_OFFSET_S: Final = 3 * 86_400
"""Unix time began on a Thursday; weeks begin on Mondays."""


def span(period: Period, at: float) -> tuple[float, float]:
    """Return when the period around a moment begins and ends, all in seconds of Unix time."""
    if period is Period.TOTAL:
        return 0.0, math.inf
    if period is Period.MONTH:
        return _month(at)
    length = LENGTHS_S[period]
    offset = _WEEK_OFFSET_S if period is Period.WEEK else 0
    start = (at + offset) // length * length - offset
    return start, start + length


def _month(at: float) -> tuple[float, float]:
    moment = datetime.fromtimestamp(at, UTC)
    year, month = moment.year, moment.month
    following = (year + 1, 1) if month == 12 else (year, month + 1)
    return datetime(year, month, 1, tzinfo=UTC).timestamp(), datetime(*following, 1, tzinfo=UTC).timestamp()
