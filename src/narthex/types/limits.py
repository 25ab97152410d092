"""Limits: how much of something somebody may use in a period."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, Literal

import msgspec

PICO_PER_MICRO: Final = 1_000_000
"""Picodollars in a microdollar."""

MAX_AMOUNT: Final = 9_000_000_000_000
"""Largest amount of money, in microdollars: nine million dollars, which fit in a database in picodollars."""

MAX_COUNT: Final = 2**53 - 1
"""Largest amount of anything else."""


class Measure(StrEnum):
    """What is counted."""

    REQUESTS = "requests"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    TOKENS = "tokens"
    COST = "cost_microusd"
    PARALLEL = "parallel"
    STORAGE = "storage_bytes"
    DOCUMENTS = "documents"
    COLLABORATORS = "collaborators"
    TASKS = "tasks"


CALL_MEASURES: Final = (
    Measure.REQUESTS,
    Measure.INPUT_TOKENS,
    Measure.OUTPUT_TOKENS,
    Measure.TOKENS,
    Measure.COST,
    Measure.PARALLEL,
)
"""What calls use, in the order in which it is reckoned."""

LEVEL_MEASURES: Final = frozenset({Measure.STORAGE, Measure.DOCUMENTS, Measure.COLLABORATORS, Measure.TASKS})
"""What is there or is not: no call uses it, and services ask before they add to it."""


UNCOUNTED: Final = frozenset({Measure.DOCUMENTS})
"""What no room of this version keeps: a limit on it would be silent."""


class Period(StrEnum):
    """For how long an amount is."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"
    """For ever: of what is under way or there at one time, or a budget that is never filled again."""


LENGTHS_S: Final = {
    Period.SECOND: 1,
    Period.MINUTE: 60,
    Period.HOUR: 3_600,
    Period.DAY: 86_400,
    Period.WEEK: 604_800,
    Period.MONTH: 2_592_000,
}
"""How long the rolling periods are; a month is thirty days."""

RATES: Final = frozenset({Period.SECOND, Period.MINUTE})
"""Periods so short that what was counted in them is not looked up again after a restart."""


class SubjectKind(StrEnum):
    """Whose use is counted."""

    ORGANISATION = "organisation"
    WORKSPACE = "workspace"
    MEMBER = "member"
    KEY = "key"
    MODEL = "model"
    TAG = "tag"
    END_USER = "end_user"


EACH: Final = "*"
"""In place of a name: each separately."""

WindowKind = Literal["calendar", "rolling"]


class Limit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How much of one thing one subject may use in a period."""

    id: str
    organisation_id: str = ""
    """Whose calls it concerns; empty for all."""
    workspace_id: str | None = None
    """Concerns calls of this workspace alone; None for those of all of the organisation."""
    subject_kind: SubjectKind
    subject: str
    """The ID, pattern or name; `*` for each separately, in tags `name=*`."""
    measure: Measure
    amount: int
    """In the unit of the measure; with 0 nothing passes."""
    period: Period
    window: WindowKind = "calendar"
    burst: int | None = None
    """How much may pass at once where the amount comes in evenly, as in a token bucket."""
    hard: bool = True
    """Whether it refuses, or only tells."""
    alert_percents: tuple[int, ...] = ()
    enabled: bool = True

    @property
    def is_money(self) -> bool:
        """Whether it is a budget."""
        return self.measure is Measure.COST

    @property
    def units(self) -> int:
        """The amount in the unit in which it is counted: money in picodollars."""
        return self.amount * PICO_PER_MICRO if self.is_money else self.amount

    @property
    def is_each(self) -> bool:
        """Whether each of those whom it concerns is counted separately."""
        return self.subject == EACH or (self.subject_kind is SubjectKind.TAG and self.subject.endswith("=*"))

    @property
    def thresholds(self) -> tuple[tuple[int, int], ...]:
        """At which uses, in the unit in which is counted, somebody is told, least first, each with its percentage."""
        return tuple((-(-self.units * percent // 100), percent) for percent in sorted(set(self.alert_percents)))

    @property
    def lasts(self) -> bool:
        """Whether its count outlives a restart."""
        return self.period not in RATES and self.measure is not Measure.PARALLEL


def problems_of(limit: Limit) -> Iterator[tuple[str, str]]:
    """Yield what cannot hold in a limit, with the name of its field."""
    if limit.enabled and limit.measure in UNCOUNTED:
        yield "measure", f"nothing counts `{limit.measure}` yet, so this would limit nothing: limit `storage_bytes`"
    yield from _amount_problems(limit)
    yield from _period_problems(limit)
    yield from _subject_problems(limit)
    for percent in limit.alert_percents:
        if not 1 <= percent <= 1_000:
            yield "alert_percents", f"{percent} is no percentage of the amount: give whole numbers from 1 to 1000"
    if limit.alert_percents and not limit.lasts:
        message = "alerts are for periods of an hour or more: what lasts a minute is over before anybody reads it"
        yield "alert_percents", message


def _amount_problems(limit: Limit) -> Iterator[tuple[str, str]]:
    most = MAX_AMOUNT if limit.is_money else MAX_COUNT
    if limit.amount < 0:
        yield "amount", f"{limit.amount} is below zero: give 0 to let nothing pass, or more"
    elif limit.amount > most:
        yield "amount", f"{limit.amount} is more than can be counted exactly: give {most} at most"
    if limit.burst is None:
        return
    if limit.window != "rolling" or limit.period not in RATES or limit.measure is Measure.PARALLEL:
        yield (
            "burst",
            'a burst is for a rolling second or minute: set `window = "rolling"` and such a `period`, or none',
        )
    elif not 1 <= limit.burst <= most:
        yield "burst", f"a burst of {limit.burst} would let nothing pass: give 1 to {most}"


def _period_problems(limit: Limit) -> Iterator[tuple[str, str]]:
    is_level = limit.measure is Measure.PARALLEL or limit.measure in LEVEL_MEASURES
    if is_level and limit.period is not Period.TOTAL:
        yield "period", f'`{limit.measure}` is what there is at one time, and has no period: set `period = "total"`'
    if limit.period is Period.TOTAL and limit.window == "rolling":
        yield "window", 'what has no end does not roll: set `window = "calendar"`, or another `period`'


def _subject_problems(limit: Limit) -> Iterator[tuple[str, str]]:
    kind, subject = limit.subject_kind, limit.subject
    if not subject or len(subject) > 200 or not subject.isprintable():
        yield "subject", "expected 1 to 200 printable characters, or `*` for each separately"
        return
    if kind is SubjectKind.TAG:
        name, equals, value = subject.partition("=")
        if not (name and equals and value):
            yield "subject", f'"{subject}" is no tag: write `name=value`, or `name=*` for each value separately'
    if kind is SubjectKind.MODEL and set(subject) & set("[]?"):
        message = f'"{subject}" is no pattern: `*` stands for any characters, and nothing else has a meaning'
        yield "subject", message
    if limit.measure in LEVEL_MEASURES and kind not in {SubjectKind.ORGANISATION, SubjectKind.WORKSPACE}:
        yield "subject_kind", f"`{limit.measure}` belongs to workspaces and organisations: limit one of these"
