"""The periods of the calendar, in UTC."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from narthex.ledger.limits.spans import span
from narthex.types.limits import Period


def at(text: str) -> float:
    """Return a moment as seconds of Unix time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_periods_begin_with_the_clock_and_the_calendar() -> None:
    """Weeks begin on Mondays, months on their first day, also across the end of a year and a leap day."""
    moment = at("2024-02-29T13:45:07")
    assert span(Period.SECOND, moment + 0.5) == (moment, moment + 1)
    assert span(Period.MINUTE, moment) == (at("2024-02-29T13:45"), at("2024-02-29T13:46"))
    assert span(Period.HOUR, moment) == (at("2024-02-29T13:00"), at("2024-02-29T14:00"))
    assert span(Period.DAY, moment) == (at("2024-02-29"), at("2024-03-01"))
    assert span(Period.WEEK, moment) == (at("2024-02-26"), at("2024-03-04"))
    assert span(Period.MONTH, moment) == (at("2024-02-01"), at("2024-03-01"))
    assert span(Period.MONTH, at("2025-12-31T23:59:59")) == (at("2025-12-01"), at("2026-01-01"))
    assert span(Period.TOTAL, moment) == (0.0, math.inf)


@given(st.datetimes(datetime(1970, 1, 6), datetime(2100, 1, 1)), st.sampled_from([*Period]))  # noqa: DTZ001 - UTC is meant
def test_periods_lie_side_by_side(naive: datetime, period: Period) -> None:
    """Every moment is in its period, and where one ends the next begins."""
    moment = naive.replace(tzinfo=UTC).timestamp()
    start, end = span(period, moment)
    assert start <= moment < end
    assert span(period, start) == (start, end)
    if end < math.inf:
        assert span(period, end)[0] == end
    if period is Period.WEEK:
        begun = datetime.fromtimestamp(start, UTC)
        assert (begun.weekday(), begun.hour, timedelta(seconds=end - start)) == (0, 0, timedelta(days=7))
