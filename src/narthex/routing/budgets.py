"""Budgets of virtual models: what may be spent in a period, at an even pace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, assert_never

from narthex.types.catalog import Price

Period = Literal["hour", "day", "month"]
"""For how long a budget is; each begins with the clock or the calendar, in UTC."""
OnEmpty = Literal["cheapest", "refuse"]
"""What becomes of calls when a budget is spent."""

Where = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What may be spent in each period."""

    microusd: int
    """In millionths of a US dollar."""
    period: Period
    on_empty: OnEmpty = "cheapest"


def span(period: Period, at: float) -> tuple[float, float]:
    """Return when the period around a moment begins and ends, all in seconds of Unix time."""
    moment = datetime.fromtimestamp(at, UTC).replace(minute=0, second=0, microsecond=0)
    match period:
        case "hour":
            start, end = moment, moment + timedelta(hours=1)
        case "day":
            start = moment.replace(hour=0)
            end = start + timedelta(days=1)
        case "month":
            start = moment.replace(hour=0, day=1)
            end = (start + timedelta(days=31)).replace(day=1)
        case _:
            assert_never(period)
    return start.timestamp(), end.timestamp()


def check_budget(
    path: Where, members: Sequence[str], budget: Budget, *, tiers: Sequence[int]
) -> Iterator[tuple[Where, str]]:
    """Yield what cannot hold in the budget of the virtual model that stands at `path` of the configuration.

    Args:
        path: Where the virtual model stands.
        members: Its models.
        budget: What may be spent.
        tiers: Of each member.
    """
    if len(members) == 1 and budget.on_empty == "cheapest":
        message = 'there is nobody cheaper to go to; add a member, or set `budget.on_empty = "refuse"`'
        yield (*path, "members"), message
    for index, tier in enumerate(tiers):
        if tier != 1:
            message = "members of a paced model are chosen by its budget, not by tiers; list them from best to cheapest"
            yield (*path, "members", index, "tier"), message


def check_prices(
    path: Where, members: Sequence[str], price_of: Callable[[str], Price | None]
) -> Iterator[tuple[Where, str]]:
    """Yield members whose price is not known, or who are dearer than one before them.

    Args:
        path: Where their virtual model stands.
        members: Its models, which are meant to stand from best to cheapest.
        price_of: Tells what a model costs, if that is known.
    """
    before, least = "", None
    for index, member in enumerate(members):
        price = price_of(member)
        place = (*path, "members", index, "model")
        if price is None:
            example = f'"{member}" = {{ input_usd_per_mtok = …, output_usd_per_mtok = … }}'
            yield place, f'what "{member}" costs is not known; add it to [prices]: {example}'
            continue
        if least is not None and _is_dearer(price, least):
            yield place, f'"{member}" is dearer than "{before}" before it; list members from best to cheapest'
        before, least = member, price


def _is_dearer(one: Price, other: Price) -> bool:
    return (
        one.input_microusd_per_mtok > other.input_microusd_per_mtok
        or one.output_microusd_per_mtok > other.output_microusd_per_mtok
    )
