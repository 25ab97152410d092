"""Periods of the calendar, in UTC: hours, days, weeks that begin on Monday, and months."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, Literal, get_args

from narthex.errors import InvalidRequest

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
_WEEK_MS: Final = 7 * DAY_MS
_TO_MONDAY_MS: Final = 3 * DAY_MS
"""Unix time began on a Thursday."""
MAX_MS: Final = 253_402_300_800_000
"""The first moment of the year 10000, which no calendar here knows."""

Period = Literal["hour", "day", "week", "month"]
PERIODS: Final[tuple[str, ...]] = get_args(Period)


def start_of(period: str, at: int) -> int:
    """Return when the period began in which a moment lies, in milliseconds of Unix time."""
    match period:
        case "hour":
            return at // HOUR_MS * HOUR_MS
        case "day":
            return at // DAY_MS * DAY_MS
        case "week":
            return (at + _TO_MONDAY_MS) // _WEEK_MS * _WEEK_MS - _TO_MONDAY_MS
        case _:
            moment = datetime.fromtimestamp(at // 1_000, UTC)
            return _ms(datetime(moment.year, moment.month, 1, tzinfo=UTC))


def end_of(period: str, at: int) -> int:
    """Return when the period ends in which a moment lies: the first moment of the next one."""
    start = start_of(period, at)
    match period:
        case "hour":
            return start + HOUR_MS
        case "day":
            return start + DAY_MS
        case "week":
            return start + _WEEK_MS
        case _:
            # The 32nd day after the first of a month lies in the next one; behind the last one there is none.
            following = start + 32 * DAY_MS
            return start_of("month", following) if following < MAX_MS else MAX_MS


def parts_of(period: str, since: int, until: int) -> Iterator[tuple[int, int]]:
    """Yield every period that a span of time touches, cut to it."""
    at = since
    while at < until:
        end = min(end_of(period, at), until)
        yield at, end
        at = end


def moment_of(text: str, *, param: str) -> int:
    """Return a moment in milliseconds of Unix time, from `2026-11-01`, `2026-11-01T12:00:00Z` or seconds of Unix time.

    Raises:
        InvalidRequest: It is none of these.
    """
    try:
        at = int(text) * 1_000 if text.isascii() and text.isdecimal() and len(text) > 8 else _ms(_utc(text))
    except (ValueError, OverflowError):
        at = MAX_MS
    if at >= MAX_MS:
        raise InvalidRequest(
            f"{param}: {text[:50]!r} is no moment; give a day such as 2026-11-01, a time such as "
            "2026-11-01T12:00:00Z, or seconds of Unix time",
            param=param,
        )
    # Nothing was used before Unix time began.
    return max(at, 0)


def iso(at: int) -> str:
    """Return a moment as text, to the second."""
    return datetime.fromtimestamp(at // 1_000, UTC).isoformat().replace("+00:00", "Z")


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000 + moment.microsecond // 1_000


def kept_since(ledger_days: int | None, now_ms: int) -> int:
    """Return from when on entries are kept for sure: what is older may be removed, and leaves its sums behind."""
    return 0 if ledger_days is None else now_ms - ledger_days * DAY_MS
