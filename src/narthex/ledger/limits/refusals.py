"""What is said to those who are refused: which limit, whose, how much of it is used, and when it refills."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from narthex.errors import BudgetExceeded, LimitExceeded, LimitFacts
from narthex.ledger.limits.counters import Gauge
from narthex.types.limits import PICO_PER_MICRO, Limit, Measure, Period, SubjectKind

_WORDS = {
    Measure.REQUESTS: "requests",
    Measure.INPUT_TOKENS: "input tokens",
    Measure.OUTPUT_TOKENS: "output tokens",
    Measure.TOKENS: "tokens",
    Measure.PARALLEL: "calls at once",
    Measure.STORAGE: "bytes",
    Measure.DOCUMENTS: "documents",
    Measure.COLLABORATORS: "collaborators",
    Measure.TASKS: "tasks",
}
_SINGULAR = {measure: words.removesuffix("s") for measure, words in _WORDS.items()} | {Measure.PARALLEL: "call at once"}
_SUBJECTS = {
    SubjectKind.ORGANISATION: "organisation",
    SubjectKind.WORKSPACE: "workspace",
    SubjectKind.MEMBER: "member",
    SubjectKind.KEY: "key",
    SubjectKind.MODEL: "model",
    SubjectKind.TAG: "tag",
    SubjectKind.END_USER: "end user",
}


def refusal(limit: Limit, value: str, gauge: Gauge, need: int, *, wait_s: float | None, wall: float) -> LimitExceeded:
    """Return the error that says why a call was refused.

    Args:
        limit: By which.
        value: Of whom among those whom it concerns; empty for all of them together.
        gauge: How it stands.
        need: How much the call asked for, in the unit in which is counted.
        wait_s: When as much is free, if time brings that.
        wall: Now, in seconds of Unix time.
    """
    resets_at = None if gauge.resets_s is None else round((wall + gauge.resets_s) * 1000)
    facts = LimitFacts(
        id=limit.id,
        subject_kind=limit.subject_kind,
        subject=subject_of(limit, value),
        measure=limit.measure,
        period=limit.period,
        amount=limit.amount,
        used=in_limits_unit(limit, gauge.used),
        reserved=in_limits_unit(limit, gauge.reserved),
        resets_at=resets_at,
    )
    kind = BudgetExceeded if limit.is_money else LimitExceeded
    message = f"{_whose(limit, value)} {_stands(limit, gauge)}; {_remedy(limit, need, wait_s, wall)}"
    return kind(message, facts=facts, retry_after_s=wait_s)


def subject_of(limit: Limit, value: str) -> str:
    """Return whose use is counted."""
    if limit.is_each and limit.subject_kind is SubjectKind.TAG:
        return f"{limit.subject[:-1]}{value}"
    return value or limit.subject


def in_limits_unit(limit: Limit, counted: int) -> int:
    """Return what was counted in the unit of the limit's amount: money in microdollars, rounded half up."""
    return (counted + PICO_PER_MICRO // 2) // PICO_PER_MICRO if limit.is_money else counted


def told(limit: Limit, counted: int) -> str:
    """Return what was counted for people to read."""
    if not limit.is_money:
        return f"{counted} {_WORDS[limit.measure]}" if counted != 1 else f"1 {_SINGULAR[limit.measure]}"
    dollars = Decimal(counted) / 10**12
    rounded = dollars.quantize(Decimal("0.01")) if dollars == dollars.quantize(Decimal("0.01")) else dollars
    return f"{rounded.normalize() if rounded != dollars.quantize(Decimal('0.01')) else rounded:f} USD"


def _whose(limit: Limit, value: str) -> str:
    named = f'{_SUBJECTS[limit.subject_kind]} "{subject_of(limit, value)}"'
    often = "" if limit.period is Period.TOTAL else f" per {limit.period}"
    return f"the limit of {told(limit, limit.units)}{often} for {named} ({limit.id})"


def _stands(limit: Limit, gauge: Gauge) -> str:
    if limit.amount == 0:
        return "lets nothing pass"
    taken = gauge.used + gauge.reserved
    stands = "is reached" if taken >= limit.units else "leaves too little"
    if not gauge.reserved or limit.measure is Measure.PARALLEL:
        return f"{stands}: {told(limit, taken)} in use"
    return f"{stands}: {told(limit, gauge.used)} used and {told(limit, gauge.reserved)} reserved"


def _remedy(limit: Limit, need: int, wait_s: float | None, wall: float) -> str:
    if limit.amount == 0:
        return "whoever set it to 0 can raise it"
    if need > limit.units or (limit.burst is not None and wait_s is None):
        return f"this call alone asks for {told(limit, need)}, more than ever fits: ask for less, or have it raised"
    if wait_s is None:
        return "it is not filled again: have it raised"
    if limit.measure is Measure.PARALLEL:
        return "try again when a call under way has ended"
    moment = datetime.fromtimestamp(wall, UTC) + timedelta(seconds=wait_s)
    return f"this call needs {told(limit, need)}, free at {moment:%Y-%m-%d %H:%M:%S} UTC"
