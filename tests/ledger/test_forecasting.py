"""What a period will have cost at its end."""

from __future__ import annotations

import random

from sqlalchemy import create_engine

from narthex.ledger.forecasting import LEVEL, expected, forecast
from narthex.ledger.periods import DAY_MS, HOUR_MS, end_of, start_of
from narthex.ledger.rows import add_entries
from narthex.ledger.usage import question
from narthex.stores.database.schema import metadata
from tests.ledger.calls import entry

USD = 1_000_000_000_000
MONTH = 1_793_491_200_000
"""The first of November 2026, a Sunday."""
MIDDLE = MONTH + 14 * DAY_MS
WEEKDAYS = [5, 3, 1, 1, 5, 6, 7]
"""Of a week that begins on Thursday, as Unix time does."""


def _pattern(since: int, until: int) -> dict[int, int]:
    return {day: WEEKDAYS[day // DAY_MS % 7] * USD for day in range(since, until, DAY_MS)}


def test_weeks_that_are_alike_are_foretold_to_the_cent() -> None:
    """Without an interval to speak of: nothing has ever been otherwise."""
    found = expected(_pattern(MONTH - 40 * DAY_MS, MIDDLE), period="month", now=MIDDLE)
    whole = sum(_pattern(MONTH, end_of("month", MONTH)).values())
    assert (found.expected, found.low, found.high) == (whole, whole, whole)
    assert found.spent == sum(_pattern(MONTH, MIDDLE).values())
    assert found.method == "weekday_means"


def test_what_is_left_of_today_counts_in_part() -> None:
    """At noon half a day is to come, besides the days after."""
    costs = _pattern(MONTH - 40 * DAY_MS, MIDDLE)
    today = WEEKDAYS[MIDDLE // DAY_MS % 7] * USD
    at_noon = expected({**costs, MIDDLE: today // 2}, period="day", now=MIDDLE + 12 * HOUR_MS)
    assert (at_noon.spent, at_noon.expected) == (today // 2, today)


def test_the_interval_holds_as_often_as_it_says() -> None:
    """In months that are drawn by chance, of days that differ by their weekday and by luck."""
    chance, held, runs = random.Random(11), 0, 600
    end = end_of("month", MONTH)
    for _ in range(runs):
        costs = {
            day: max(0, round(chance.gauss(cost, USD))) + 5 * USD
            for day, cost in _pattern(MONTH - 42 * DAY_MS, end).items()
        }
        found = expected({day: cost for day, cost in costs.items() if day < MIDDLE}, period="month", now=MIDDLE)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= sum(cost for day, cost in costs.items() if day >= MONTH) <= found.high
    assert LEVEL - 0.08 < held / runs < LEVEL + 0.08


def test_little_is_known_at_first() -> None:
    """Then the rate goes on, and no interval is made up."""
    found = expected({MONTH: 2 * USD}, period="month", now=MONTH + DAY_MS)
    assert (found.method, found.low, found.high, found.expected) == ("rate", None, None, 60 * USD)


def test_of_nothing_comes_nothing() -> None:
    """And no division by it."""
    found = expected({}, period="week", now=MIDDLE)
    assert (found.spent, found.expected, found.history_days) == (0, 0, 0)


def test_days_before_the_first_use_are_no_days_without_use() -> None:
    """Who began last week is not told the average of two months."""
    found = expected(dict.fromkeys(range(MIDDLE - 10 * DAY_MS, MIDDLE, DAY_MS), USD), period="month", now=MIDDLE)
    assert (found.history_days, found.expected) == (10, 10 * USD + 16 * USD)


def test_what_is_spent_is_never_foretold_away() -> None:
    """A refund in the past does not make the future negative."""
    costs = dict.fromkeys(range(MONTH - 20 * DAY_MS, MONTH, DAY_MS), -USD)
    found = expected({**costs, MONTH: 9 * USD}, period="month", now=MONTH + HOUR_MS)
    assert found.expected == found.low == found.spent == 9 * USD


def test_it_is_made_of_the_ledger() -> None:
    """Of what is asked for, and nothing else."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    days = range(MONTH - 20 * DAY_MS, MIDDLE, DAY_MS)
    entries = [entry(n, at=day + HOUR_MS, cost_picousd=USD) for n, day in enumerate(days)]
    entries += [entry(100 + n, at=day, cost_picousd=USD, model="acme/two") for n, day in enumerate(days)]
    with engine.connect() as connection:
        add_entries(connection, entries)
        asked = question(since=0, until=1, where={"model": ["acme/one"]})
        found = forecast(connection, asked, period="month", now=MIDDLE)
    engine.dispose()
    assert (found.start, found.end) == (start_of("month", MIDDLE), end_of("month", MIDDLE))
    assert (found.spent, found.expected) == (14 * USD, 30 * USD)
