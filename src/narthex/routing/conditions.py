"""Which calls a rule is about: conditions that all must hold, the cheap ones asked first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo
from hashlib import blake2b
from random import Random
from typing import Final, Literal, assert_never, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from narthex.routing.facts import Facts, Modality, why_no_tag
from narthex.routing.virtual import Canonical, Contradiction, Path
from narthex.types.dialects import Operation
from narthex.types.patterns import expression_of

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: Final[tuple[Weekday, ...]] = get_args(Weekday)
MODALITIES: Final[tuple[Modality, ...]] = get_args(Modality)

By = Literal["key", "caller", "tenant", "call"]
"""What keeps its side of a percentage: the conversation, the caller, the tenant, or nothing at all.

Where that is not known, each call is drawn for itself."""

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """A part of the day, from `start` up to but not including `end`; past midnight if it ends before it starts."""

    start: str
    """`HH:MM`."""
    end: str
    """`HH:MM`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """Conditions, all of which must hold; none at all means every chat, and every count of its tokens."""

    operations: tuple[Operation, ...] = (Operation.CHAT, Operation.COUNT_TOKENS)
    """What is asked; vectors must be named, since those of another model are of no use."""
    models: tuple[str, ...] = ()
    """The model asked for is one of these; `*` stands for any characters."""
    tags: tuple[str, ...] = ()
    """It carries all of these."""
    callers: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    streaming: bool | None = None
    tools: bool | None = None
    """It offers tools, or offers none."""
    modalities: tuple[Modality, ...] = ()
    """It carries at least one of these."""
    min_input_tokens: int | None = None
    max_input_tokens: int | None = None
    """Both count themselves."""
    hours: tuple[Hours, ...] = ()
    """It comes in one of these parts of the day."""
    weekdays: tuple[Weekday, ...] = ()
    """It comes on one of these; the hours after midnight belong to the day on which they began."""
    time_zone: str = "UTC"
    """Of hours and weekdays, such as `Europe/Vienna`."""
    percentage: float = 100.0
    """Share of the calls for which everything else holds."""
    by: By = "key"
    """What keeps its side of the percentage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What conditions are decided with."""

    now: Callable[[], float]
    """Unix time in seconds."""
    random: Random
    canonical: Canonical


Condition = Callable[[Facts], bool]


def conditions(when: When, means: Means, *, name: str) -> tuple[Condition, ...]:
    """Return what must hold, the cheap things first; arguments as for `by_option`."""
    return tuple(condition for _, condition in by_option(when, means, name=name))


def by_option(when: When, means: Means, *, name: str) -> tuple[tuple[str, Condition], ...]:
    """Return what must hold, the cheap things first, each with the option that says so.

    Args:
        when: The conditions.
        means: What they are decided with.
        name: Of the rule: two rules of 10 % each are about different tenths.
    """
    found = [*_known(when, means), *_found_out(when)]
    if when.hours or when.weekdays:
        found.append(("hours" if when.hours else "weekdays", _at(when, means.now)))
    if when.percentage < 100:
        found.append(("percentage", _within(when, means.random, name)))
    return tuple(found)


def _known(when: When, means: Means) -> Iterator[tuple[str, Condition]]:
    """Yield conditions on what is known of every call."""
    yield "operations", lambda facts: facts.operation in when.operations
    if when.streaming is not None:
        yield "streaming", lambda facts: facts.streaming is when.streaming
    if when.models:
        yield "models", _models(when.models, means.canonical)
    if when.tags:
        yield "tags", _tags(frozenset(when.tags))
    if when.callers:
        yield "callers", lambda facts: facts.caller in when.callers
    if when.tenants:
        yield "tenants", lambda facts: facts.tenant in when.tenants


def _models(patterns: Sequence[str], canonical: Canonical) -> Condition:
    """Compare the name as asked for, and the one it stands for."""
    names = frozenset(pattern for pattern in patterns if "*" not in pattern)
    loose = [expression_of(pattern) for pattern in patterns if "*" in pattern]
    matches = re.compile("|".join(loose), re.DOTALL).fullmatch if loose else None

    def holds(facts: Facts) -> bool:
        asked = facts.model
        meant = canonical(asked)
        if asked in names or meant in names:
            return True
        return matches is not None and bool(matches(asked) or (meant != asked and matches(meant)))

    return holds


def _tags(tags: frozenset[str]) -> Condition:
    return lambda facts: tags <= facts.tags


def _found_out(when: When) -> Iterator[tuple[str, Condition]]:
    """Yield conditions for which the call must be looked into."""
    if when.tools is not None:
        yield "tools", lambda facts: facts.tools() is when.tools
    if when.modalities:
        yield "modalities", lambda facts: not facts.modalities().isdisjoint(when.modalities)
    least, most = when.min_input_tokens, when.max_input_tokens
    if least is not None:
        yield "min_input_tokens", lambda facts: facts.input_tokens() >= least
    if most is not None:
        yield "max_input_tokens", lambda facts: facts.input_tokens() <= most


def _at(when: When, now: Callable[[], float]) -> Condition:
    zone = zone_of(when.time_zone)
    spans = tuple((_minute(hours.start), _minute(hours.end)) for hours in when.hours) or ((0, 1_440),)
    days = frozenset(WEEKDAYS.index(day) for day in when.weekdays) or frozenset(range(7))

    def holds(_facts: Facts) -> bool:
        moment = datetime.fromtimestamp(now(), zone)
        minute, today = moment.hour * 60 + moment.minute, moment.weekday()
        for start, end in spans:
            if start <= minute < (end if start < end else 1_440) and today in days:
                return True
            if end < start and minute < end and (today - 1) % 7 in days:
                return True
        return False

    return holds


def zone_of(name: str) -> tzinfo:
    """Return a time zone; raises as `ZoneInfo` does where there is none of that name."""
    # UTC is there even where the system has no data on time zones.
    return UTC if name == "UTC" else ZoneInfo(name)


def _minute(text: str) -> int:
    moment = time.fromisoformat(text)
    return moment.hour * 60 + moment.minute


def _within(when: When, random: Random, name: str) -> Condition:
    return lambda facts: share(facts, when.by, name, random) < when.percentage


def share(facts: Facts, by: By, name: str, random: Random) -> float:
    """Return where a call stands between 0 and 100: the same for the same key and the same name, else drawn."""
    key = key_of(facts, by)
    if not key:
        return random.random() * 100
    digest = blake2b(f"{name}\0{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64 * 100


def key_of(facts: Facts, by: By) -> str:
    """Return what keeps a call on its side; empty if that is not known."""
    match by:
        case "key":
            return facts.key()
        case "caller":
            return facts.caller
        case "tenant":
            return facts.tenant
        case "call":
            return ""
        case _:
            assert_never(by)


def check_when(path: Path, when: When) -> Iterator[Contradiction]:
    """Yield what cannot hold in the conditions of a rule that stand at `path`."""
    if not when.operations:
        yield (*path, "operations"), "there are none; name at least one, or leave it out"
    for index, tag in enumerate(when.tags):
        if reason := why_no_tag(tag):
            yield (*path, "tags", index), f'"{tag}" {reason}'
    yield from _check_tokens(path, when)
    yield from _check_time(path, when)
    if not 0 < when.percentage <= 100:
        yield (*path, "percentage"), f"{when.percentage:g} is no share; give more than 0 and at most 100"


def _check_tokens(path: Path, when: When) -> Iterator[Contradiction]:
    least, most = when.min_input_tokens, when.max_input_tokens
    for option, tokens in (("min_input_tokens", least), ("max_input_tokens", most)):
        if tokens is not None and tokens < 0:
            yield (*path, option), f"{tokens} is no number of tokens; give 0 or more"
    if least is not None and most is not None and least > most:
        yield (*path, "max_input_tokens"), f"{most} is below `min_input_tokens` ({least}); no call is ever both"


def _check_time(path: Path, when: When) -> Iterator[Contradiction]:
    for index, hours in enumerate(when.hours):
        for end, text in (("start", hours.start), ("end", hours.end)):
            if not _CLOCK.fullmatch(text):
                yield (*path, "hours", index, end), f'"{text}" is no time of day; write `HH:MM` from 00:00 to 23:59'
        if hours.start == hours.end:
            yield (*path, "hours", index), f"starts and ends at {hours.start}; leave it out to mean the whole day"
    for index, day in enumerate(when.weekdays):
        if day not in WEEKDAYS:
            yield (*path, "weekdays", index), f'"{day}" is no weekday; write one of {", ".join(WEEKDAYS)}'
    try:
        zone_of(when.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f'the system knows no time zone "{when.time_zone}"; write one such as `Europe/Vienna`, or `UTC`'
        yield (*path, "time_zone"), message
