"""What a call is told of its limits, in the headers that SDKs know: of the tightest of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from narthex.ledger.limits.counters import Counter, Gauge
from narthex.types.limits import Limit, Measure

Headers = tuple[tuple[str, str], ...]

_Names = tuple[str, str, str]
"""Of the headers that tell how much there is, how much is left, and when all of it is there again."""


class Words:
    """How the clients of one dialect are told.

    Attributes:
        names: Of headers, by what is counted.
        when: Returns a time from now, in seconds, in their words; given the seconds of Unix time now.
    """

    __slots__ = ("names", "when")

    def __init__(self, names: Mapping[Measure, _Names], when: Callable[[float, float], str]) -> None:
        self.names = names
        self.when = when


class Line(NamedTuple):
    """What is told under the same names, of whichever of several counters least is left."""

    remaining: str
    reset: str
    counters: tuple[tuple[Counter, tuple[str, str]], ...]
    """Each with the header of its amount, the least amount first."""


def duration(seconds: float) -> str:
    """Return a time as OpenAI writes it: `17ms`, `1s`, `6m0s`, `26h0m0s`."""
    if seconds < 1:
        return f"{max(0, round(seconds * 1_000))}ms"
    return _whole(-int(-seconds // 1))


@lru_cache(maxsize=256)
def _whole(seconds: int) -> str:
    minutes, left = divmod(seconds, 60)
    if not minutes:
        return f"{left}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{left}s" if hours else f"{minutes}m{left}s"


@lru_cache(maxsize=64)
def _moment(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _named(form: str, word: str) -> _Names:
    return form.format("limit", word), form.format("remaining", word), form.format("reset", word)


OPENAI: Final = Words(
    {
        measure: _named("x-ratelimit-{0}-{1}", word)
        for measure, word in ((Measure.REQUESTS, "requests"), (Measure.TOKENS, "tokens"))
    },
    lambda seconds, _wall: duration(seconds),
)
"""`x-ratelimit-…`, with durations such as `6m0s`.

https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
"""
ANTHROPIC: Final = Words(
    {
        measure: _named("anthropic-ratelimit-{1}-{0}", word)
        for measure, word in (
            (Measure.REQUESTS, "requests"),
            (Measure.TOKENS, "tokens"),
            (Measure.INPUT_TOKENS, "input-tokens"),
            (Measure.OUTPUT_TOKENS, "output-tokens"),
        )
    },
    lambda seconds, wall: _moment(int(wall + seconds)),
)
"""`anthropic-ratelimit-…`, with moments of RFC 3339.

https://docs.anthropic.com/en/api/rate-limits#response-headers
"""


def headers_of(stands: Iterable[tuple[Limit, Gauge]], words: Words, wall: float) -> Headers:
    """Return what callers are told of limits that stand like this, at a moment in seconds of Unix time."""
    told: list[tuple[str, str]] = []
    for (amount, remaining, reset), (left, limit, gauge) in _tightest(stands, words.names).items():
        told += ((amount, str(limit.amount)), (remaining, str(left)))
        if gauge.resets_s is not None:
            told.append((reset, words.when(gauge.resets_s, wall)))
    return tuple(told)


def lines_of(counters: Iterable[Counter], words: Words) -> tuple[Line, ...]:
    """Return what all calls are told that these counters concern: found once for all of them."""
    together: dict[_Names, list[Counter]] = {}
    for counter in sorted(counters, key=lambda one: one.limit.amount):
        names = words.names.get(counter.limit.measure)
        if names is not None and counter.limit.hard:
            together.setdefault(names, []).append(counter)
    return tuple(
        Line(remaining, reset, tuple((one, (amount, str(one.limit.amount))) for one in some))
        for (amount, remaining, reset), some in together.items()
    )


def headers_now(lines: Iterable[Line], words: Words, wall: float, steady: float) -> Headers:
    """Return what callers are told at a moment by both clocks: as `headers_of`, without looking for it."""
    told: list[tuple[str, str]] = []
    for remaining, reset, counters in lines:
        least = -1
        amount, resets_s = ("", ""), None
        for counter, its_amount in counters:
            left, its_resets_s = counter.left(wall, steady)
            if left < least or least < 0:
                least, amount, resets_s = left, its_amount, its_resets_s
        told += (amount, (remaining, str(least)))
        if resets_s is not None:
            told.append((reset, words.when(resets_s, wall)))
    return tuple(told)


def _tightest(
    stands: Iterable[tuple[Limit, Gauge]], names: Mapping[Measure, _Names]
) -> dict[_Names, tuple[int, Limit, Gauge]]:
    """Return of each kind the hard limit of which least is left, and how much that is."""
    found: dict[_Names, tuple[int, Limit, Gauge]] = {}
    for limit, gauge in stands:
        name = names.get(limit.measure)
        if name is None or not limit.hard:
            continue
        most = limit.amount if limit.burst is None else limit.burst
        left = max(0, most - gauge.used - gauge.reserved)
        before = found.get(name)
        if before is None or (left, limit.amount) < (before[0], before[1].amount):
            found[name] = (left, limit, gauge)
    return found
