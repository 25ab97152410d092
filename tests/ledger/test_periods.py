"""Periods of the calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from narthex.errors import InvalidRequest
from narthex.ledger.periods import MAX_MS, PERIODS, end_of, iso, moment_of, parts_of, start_of

_moments = some.integers(0, MAX_MS - 40 * 86_400_000)


@given(_moments, some.sampled_from(PERIODS))
def test_a_moment_lies_in_its_period_and_the_next_one_follows_at_once(at: int, period: str) -> None:
    """No moment is in two periods or in none."""
    start, end = start_of(period, at), end_of(period, at)
    assert start <= at < end
    assert (start_of(period, start), start_of(period, end - 1), start_of(period, end)) == (start, start, end)


@given(_moments)
def test_they_are_those_of_the_calendar(at: int) -> None:
    """As the standard library knows it: weeks begin on Monday, months on their first day, all at midnight in UTC."""
    day = datetime.fromtimestamp(at // 1_000, UTC).replace(hour=0, minute=0, second=0)
    expected = {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}
    for period, start in expected.items():
        assert start_of(period, at) == int(start.timestamp()) * 1_000


@given(_moments, some.integers(1, 90 * 86_400_000), some.sampled_from(["day", "week", "month"]))
def test_parts_make_up_the_span(since: int, length_ms: int, period: str) -> None:
    """Each begins where the one before it ended."""
    until = min(since + length_ms, MAX_MS - 1)
    parts = list(parts_of(period, since, until))
    assert [parts[0][0], *(end for _, end in parts)] == [*(start for start, _ in parts), until]


def test_moments_are_read_as_people_and_programs_write_them() -> None:
    """Days, times with a zone or without, and Unix time."""
    for text in ("2026-11-01", "2026-11-01T00:00:00Z", "2026-11-01T02:00:00+02:00", "1793491200"):
        assert moment_of(text, param="from") == 1_793_491_200_000
    assert moment_of("1066-10-14", param="from") == 0
    assert iso(1_793_491_200_000) == "2026-11-01T00:00:00Z"


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "9" * 30, "²" * 10, "-5", "9999-12-31T23:59:59-01:00"])
def test_what_is_no_moment_is_told(text: str) -> None:
    """With the parameter's name, and how it is to be written."""
    with pytest.raises(InvalidRequest, match="2026-11-01") as told:
        moment_of(text, param="to")
    assert told.value.param == "to"
