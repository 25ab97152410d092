"""What a period will have cost at its end: an estimate, by a method that can be said in two sentences.

Each day to come is expected to cost what its weekday cost on average in the last eight weeks, and what is left of today
a share of that; the interval is that of normally distributed days that know nothing of each other. Where fewer than
seven whole days are known, what was spent goes on at the same rate, and no interval is told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, variance
from typing import Final, Literal, NamedTuple

import msgspec
from sqlalchemy import Connection

from narthex.ledger.periods import DAY_MS, end_of, start_of
from narthex.ledger.usage import Question, usage

HISTORY_DAYS: Final = 56
LEAST_DAYS: Final = 7
LEVEL: Final = 0.8
_DEVIATIONS: Final = 1.2816
"""Half the width of that interval, in standard deviations."""
_WEEK: Final = 7


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What a period will have cost; all but `spent` is an estimate. Money is in picodollars."""

    start: int
    end: int
    at: int
    """When it was made."""
    spent: int
    expected: int
    low: int | None
    high: int | None
    """Between these it lies in `LEVEL` of all cases; None where too little is known for that."""
    method: Literal["weekday_means", "rate"]
    history_days: int
    """Whole days that it rests on."""


class _Guess(NamedTuple):
    """What one weekday costs."""

    mean: float
    variance: float
    days: int


def forecast(connection: Connection, asked: Question, *, period: str, now: int) -> Forecast:
    """Return what the period that `now` lies in will have cost, of what is asked for.

    Args:
        connection: In a transaction.
        asked: What; its own time is of no concern.
        period: `day`, `week` or `month`.
        now: In milliseconds of Unix time.
    """
    daily = daily_question(asked, period=period, now=now)
    return expected(daily_costs(connection, daily), period=period, now=now)


def daily_question(asked: Question, *, period: str, now: int) -> Question:
    """Return what is asked of the ledger to tell what the period that `now` lies in will have cost."""
    start, today = start_of(period, now), start_of("day", now)
    since = min(start, today - HISTORY_DAYS * DAY_MS)
    return msgspec.structs.replace(asked, since=since, until=now + 1, by=(), period="day")


def daily_costs(connection: Connection, daily: Question) -> Mapping[int, int]:
    """Return what each day has cost, by its beginning, in picodollars."""
    return {int(row.start or 0): row.sums.cost_picousd for row in usage(connection, daily)}


def expected(costs: Mapping[int, int], *, period: str, now: int) -> Forecast:
    """Return what a period will have cost, from what each day until now has; days without any need not be there."""
    start, end, today = start_of(period, now), end_of(period, now), start_of("day", now)
    spent = sum(cost for day, cost in costs.items() if day >= start)
    past = [day for day in range(today - HISTORY_DAYS * DAY_MS, today, DAY_MS) if day >= min(costs, default=today)]
    history = [costs.get(day, 0) for day in past]
    plain = Forecast(
        start=start,
        end=end,
        at=now,
        spent=spent,
        expected=spent,
        low=None,
        high=None,
        method="rate",
        history_days=len(history),
    )
    if len(history) < LEAST_DAYS:
        return msgspec.structs.replace(plain, expected=spent + max(0, round(_rate(costs, now) * (end - now))))
    guesses = _guesses(past, history)
    shares = [(today, (today + DAY_MS - now) / DAY_MS), *((day, 1.0) for day in range(today + DAY_MS, end, DAY_MS))]
    whole = spent + max(0, round(sum(guesses[_weekday(day)].mean * share for day, share in shares)))
    margin = round(_DEVIATIONS * math.sqrt(_variance(guesses, shares)))
    # What is spent is spent.
    low, high = max(spent, whole - margin), whole + margin
    return msgspec.structs.replace(plain, expected=whole, low=low, high=high, method="weekday_means")


def _rate(costs: Mapping[int, int], now: int) -> float:
    """Return what a millisecond costs since the first day that is known."""
    first = min(costs, default=now)
    return sum(costs.values()) / max(now - first, DAY_MS // 24) if first <= now else 0.0


def _guesses(past: Sequence[int], history: Sequence[int]) -> Sequence[_Guess]:
    """Return what each weekday costs; one that was seen once only is told by all days."""
    every = _Guess(fmean(history), variance(history), len(history))
    found: list[_Guess] = []
    for weekday in range(_WEEK):
        own = [cost for day, cost in zip(past, history, strict=True) if _weekday(day) == weekday]
        found.append(_Guess(fmean(own), variance(own), len(own)) if len(own) > 1 else every)
    return found


def _variance(guesses: Sequence[_Guess], shares: Sequence[tuple[int, float]]) -> float:
    """Return how uncertain the sum of days is: each for itself, and the means that they share."""
    whole = [0.0] * _WEEK
    own = 0.0
    for day, share in shares:
        weekday = _weekday(day)
        whole[weekday] += share
        own += share * guesses[weekday].variance
    return own + sum(days**2 * guess.variance / guess.days for days, guess in zip(whole, guesses, strict=True))


def _weekday(day: int) -> int:
    return day // DAY_MS % _WEEK
