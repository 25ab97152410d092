"""Periods follow the calendar, and budgets that cannot hold are refused with their place."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.routing.budgets import Budget, Period, check_budget, check_prices, span
from narthex.types.catalog import Price


def at(text: str) -> float:
    """Return a moment in UTC as Unix time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("period", "moment", "start", "end"),
    [
        ("hour", "2026-03-29T23:59:59", "2026-03-29T23:00", "2026-03-30T00:00"),
        ("day", "2026-03-29T12:30", "2026-03-29T00:00", "2026-03-30T00:00"),
        ("day", "2026-12-31T23:59:59.999", "2026-12-31T00:00", "2027-01-01T00:00"),
        ("month", "2026-01-31T10:00", "2026-01-01T00:00", "2026-02-01T00:00"),
        ("month", "2028-02-29T10:00", "2028-02-01T00:00", "2028-03-01T00:00"),
        ("month", "2026-12-01T00:00", "2026-12-01T00:00", "2027-01-01T00:00"),
    ],
)
def test_periods_are_those_of_the_calendar(period: Period, moment: str, start: str, end: str) -> None:
    """Full hours, days and months, however long they are."""
    assert span(period, at(moment)) == (at(start), at(end))


@given(st.sampled_from(("hour", "day", "month")), st.floats(min_value=0, max_value=4e9))
def test_every_moment_is_in_its_period(period: Period, moment: float) -> None:
    """A period holds the moment it was made for, and the next one begins where it ends."""
    start, end = span(period, moment)
    assert start <= moment < end
    assert span(period, end)[0] == end
    assert span(period, start) == (start, end)


def _budget(*, refuse: bool = False) -> Budget:
    return Budget(microusd=1, period="day", on_empty="refuse" if refuse else "cheapest")


def test_a_budget_needs_somebody_cheaper() -> None:
    """One member alone can only be refused, and tiers have no say."""
    assert list(check_budget(("v",), ["a/m", "b/m"], _budget(), tiers=[1, 1])) == []
    assert list(check_budget(("v",), ["a/m"], _budget(refuse=True), tiers=[1])) == []
    ((path, message),) = check_budget(("v",), ["a/m"], _budget(), tiers=[1])
    assert (path, message.partition(";")[0]) == (("v", "members"), "there is nobody cheaper to go to")
    ((path, message),) = check_budget(("v",), ["a/m", "b/m"], _budget(), tiers=[1, 2])
    assert path == ("v", "members", 1, "tier")


def test_members_stand_from_dear_to_cheap_and_have_a_price() -> None:
    """A member without a price, or dearer than one before it in any way, is refused."""

    def told(**prices: tuple[int, int]) -> list[tuple[str | int, ...]]:
        known = {
            name: Price(input_microusd_per_mtok=one, output_microusd_per_mtok=other)
            for name, (one, other) in prices.items()
        }
        return [path[2:] for path, _ in check_prices(("v",), ["a", "b", "c"], known.get)]

    assert told(a=(3, 3), b=(3, 2), c=(0, 0)) == []
    assert told(a=(3, 3), c=(1, 1)) == [(1, "model")]
    assert told(a=(3, 3), b=(4, 1), c=(1, 2)) == [(1, "model"), (2, "model")]
    assert told() == [(0, "model"), (1, "model"), (2, "model")]
