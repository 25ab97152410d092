"""What the cache did: answers given again, by kind; why others were not; what was saved."""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, NamedTuple

import msgspec

from narthex.cache.entries import owner_of
from narthex.cache.latencies import Latencies

logger = logging.getLogger(__name__)

HitKind = Literal["hit", "stale", "error", "joined", "semantic", "similar", "prefetched"]
"""How an answer was given again: fresh, while a new one is fetched, in place of an error, together with the call that
is under way, for a question of the same meaning, for a similar one in place of an error, or fetched before it was asked
for."""
MissReason = Literal["absent", "expired", "void", "refresh", "too old", "damaged"]
"""Why a call that may be answered from the cache was not."""

MINUTES: Final = 60
"""For how long the trend is kept."""
LAST_MISSES: Final = 200
"""Misses that are remembered one by one."""
MAX_OWNERS: Final = 500
"""Workspaces that are counted one by one; the one that was counted first goes first."""
_MINUTE_S: Final = 60
LATELY_S: Final = 600
"""Over which it is looked whether fewer calls are answered than usual."""
FEWEST_CALLS: Final = 100
"""Of which that says something."""
_NO_LOOK: Final = frozenset({"joined", "error", "semantic", "similar"})
"""Answers given after it was found that there is none under the question's own key, or none that is fresh enough."""


class Minute(msgspec.Struct):
    """What happened in one minute."""

    at: int
    """Its beginning, in seconds of Unix time."""
    hits: int = 0
    misses: int = 0
    sought: int = 0
    """Misses of calls for which an answer was looked for."""
    found: dict[str, int] = {}
    """Answers that were found and given, by the tier that they lay in."""
    withheld: dict[str, int] = {}
    """Answers that were found and not given, as they are too old for that."""


class Miss(msgspec.Struct, frozen=True):
    """A call that was not answered from the cache."""

    request_id: str
    reason: MissReason
    model: str
    scope: str
    at: float
    """Unix time in seconds."""
    key: str
    semantic: str = ""
    """Why no answer to a question of the same meaning was given either; empty where none was looked for."""
    similarity: float | None = None
    """Of the nearest question, where that was held back."""


class Savings(msgspec.Struct):
    """What was not spent."""

    input_tokens: int = 0
    output_tokens: int = 0
    picousd: int = 0

    def add(self, other: Savings) -> None:
        """Add what was not spent besides."""
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.picousd += other.picousd


class Given(Savings):
    """Answers of one kind that were given again, out of one tier."""

    count: int = 0


class Fall(NamedTuple):
    """That far fewer calls are answered than before."""

    rate: float
    """The share that is answered lately."""
    usual: float
    """The share that was in the hour."""
    calls: int
    """Of how many calls lately."""


def _rate(minutes: Iterable[Minute]) -> float:
    hits = calls = 0
    for one in minutes:
        hits += one.hits
        calls += one.hits + one.sought
    return hits / calls if calls else 0.0


class Counts:
    """What was counted, of all calls or of those of one owner.

    Attributes:
        misses: By reason.
        withheld: Answers that were found and not given, as they are too old for that; misses as well.
        stored: Answers that were kept.
        refused: Answers that were not, by reason.
        trend: By the minute, the oldest first.
        last_misses: The latest of them.
        meant: Looks for a question of the same meaning, and those that found one, by category.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._given: dict[tuple[HitKind, str], Given] = {}
        self.misses: dict[MissReason, int] = {}
        self.withheld: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        self.stored = 0
        self.trend: deque[Minute] = deque(maxlen=MINUTES)
        self._last: Minute | None = None
        self.last_misses: deque[Miss] = deque(maxlen=LAST_MISSES)
        self.meant: dict[str, tuple[int, int]] = {}

    def count_hit(self, now: float, kind: HitKind, tier: str, saved: tuple[int, int, int]) -> None:
        """Count an answer that was given again, and what was saved by it: tokens read and written, and picodollars."""
        input_tokens, output_tokens, picousd = saved
        given = self._given.get((kind, tier))
        if given is None:
            given = self._given[kind, tier] = Given()
        given.count += 1
        given.input_tokens += input_tokens
        given.output_tokens += output_tokens
        given.picousd += picousd
        minute = self._minute(now)
        minute.hits += 1
        if tier and kind not in _NO_LOOK:
            minute.found[tier] = minute.found.get(tier, 0) + 1

    def count_miss(self, miss: Miss, tier: str) -> None:
        """Count a call that was not answered; `tier` has what is too old for it."""
        self.misses[miss.reason] = self.misses.get(miss.reason, 0) + 1
        minute = self._minute(miss.at)
        minute.misses += 1
        minute.sought += miss.reason != "refresh"
        if tier:
            for counts in (self.withheld, minute.withheld):
                counts[tier] = counts.get(tier, 0) + 1
        self.last_misses.append(miss)

    def count_meant(self, category: str, *, hit: bool) -> None:
        """Count a look for a question of the same meaning."""
        looks, hits = self.meant.get(category, (0, 0))
        self.meant[category] = looks + 1, hits + hit

    def count_refused(self, reason: str) -> None:
        """Count an answer that was not kept."""
        self.refused[reason] = self.refused.get(reason, 0) + 1

    @property
    def hits(self) -> dict[HitKind, int]:
        """Answers given again, by kind."""
        hits: dict[HitKind, int] = {}
        for (kind, _), given in self._given.items():
            hits[kind] = hits.get(kind, 0) + given.count
        return hits

    @property
    def found(self) -> dict[str, int]:
        """Answers that were found and given, by the tier that they lay in."""
        found: dict[str, int] = {}
        for (kind, tier), given in self._given.items():
            if tier and kind not in _NO_LOOK:
                found[tier] = found.get(tier, 0) + given.count
        return found

    @property
    def saved(self) -> Savings:
        """What was not spent, in all."""
        return self.saved_by(None)

    def saved_by(self, tier: str | None) -> Savings:
        """Return what was not spent as an answer lay in a tier; calls that joined another are told of no tier."""
        saved = Savings()
        for (_, where), given in self._given.items():
            if tier is None or where == tier:
                saved.add(given)
        return saved

    @property
    def looks(self) -> int:
        """How often it was looked whether there is an answer."""
        return self._sought + sum(self.found.values())

    @property
    def _sought(self) -> int:
        return sum(count for reason, count in self.misses.items() if reason != "refresh")

    def fall(self, now: float | None = None) -> Fall | None:
        """Tell whether far fewer calls are answered than before, up to a moment in seconds of Unix time, or now.

        That is in the last ten minutes less than half of what it was in the hour, of enough calls to say something.
        """
        now = self._clock() if now is None else now
        past = [one for one in self.trend if one.at < now]
        lately = [one for one in past if one.at >= now - LATELY_S]
        calls = sum(one.hits + one.sought for one in lately)
        usual, rate = _rate(past), _rate(lately)
        return Fall(rate, usual, calls) if calls >= FEWEST_CALLS and rate < usual / 2 else None

    @property
    def hit_rate(self) -> float | None:
        """The share of calls that were answered from the cache, of those that might have been; None before any.

        Who has an answer made anew, as by warming, does not want it from there.
        """
        hits, sought = sum(self.hits.values()), self._sought
        return hits / (hits + sought) if hits + sought else None

    def _minute(self, now: float) -> Minute:
        last = self._last
        if last is None or not 0 <= now - last.at < _MINUTE_S:
            last = self._last = Minute(int(now) // _MINUTE_S * _MINUTE_S)
            self.trend.append(last)
            self._begun(last)
        return last

    def _begun(self, minute: Minute) -> None:
        """Take note that a minute has begun."""


class CacheFigures(Counts):
    """Counts, of all calls together and of each owner.

    Attributes:
        latencies: How long a look into a tier takes, by its name.
        since: When it began, in seconds of Unix time.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self.since = int(clock())
        self.latencies: defaultdict[str, Latencies] = defaultdict(Latencies)
        self._owners: dict[str, Counts] = {}
        self._is_low = False
        self._told_large_at = -math.inf

    def of(self, owner: str) -> Counts:
        """Return what was counted of the calls of one owner; see `narthex.cache.entries.owner_of`."""
        return self._owners.get(owner) or Counts(self._clock)

    def hit(
        self, kind: HitKind, *, input_tokens: int, output_tokens: int, picousd: int, scope: str = "", tier: str = ""
    ) -> None:
        """Count an answer that was given again, and what was saved by it."""
        now, saved = self._clock(), (input_tokens, output_tokens, picousd)
        self.count_hit(now, kind, tier, saved)
        self._owner(scope).count_hit(now, kind, tier, saved)

    def miss(
        self,
        reason: MissReason,
        *,
        request_id: str,
        model: str,
        scope: str,
        key: bytes,
        tier: str = "",
        semantic: str = "",
        similarity: float | None = None,
    ) -> None:
        """Count a call that was not answered from the cache; `tier` has what is too old for it."""
        miss = Miss(request_id, reason, model, scope, self._clock(), key.hex(), semantic, similarity)
        self.count_miss(miss, tier)
        self._owner(scope).count_miss(miss, tier)

    def looked_for_meaning(self, category: str, scope: str, *, hit: bool) -> None:
        """Count a look for a question of the same meaning."""
        self.count_meant(category, hit=hit)
        self._owner(scope).count_meant(category, hit=hit)

    def keep(self, scope: str) -> None:
        """Count an answer that was kept."""
        self.stored += 1
        self._owner(scope).stored += 1

    def refuse(self, reason: str, scope: str = "") -> None:
        """Count an answer that was not kept; of those that are too large the log tells, once in a while."""
        now = self._clock()
        if reason == "too large" and now - self._told_large_at >= LATELY_S:
            self._told_large_at = now
            logger.info("an answer is larger than `cache.max_entry_bytes` allows, and is not kept")
        self.count_refused(reason)
        self._owner(scope).count_refused(reason)

    def miss_of(self, request_id: str) -> Miss | None:
        """Return why a call was not answered, if that was lately."""
        for counts in (self, *self._owners.values()):
            found = next((miss for miss in reversed(counts.last_misses) if miss.request_id == request_id), None)
            if found is not None:
                return found
        return None

    def _begun(self, minute: Minute) -> None:
        """Say it in the log when far fewer calls are answered than before, once until it is better."""
        fall = self.fall(minute.at)
        if fall is not None and not self._is_low:
            message = "the cache answers %.0f %% of calls in the last ten minutes, and %.0f %% in the last hour"
            logger.warning(message, fall.rate * 100, fall.usual * 100)
        self._is_low = fall is not None

    def _owner(self, scope: str) -> Counts:
        owner = owner_of(scope)
        counts = self._owners.get(owner)
        if counts is None:
            if len(self._owners) >= MAX_OWNERS:
                del self._owners[next(iter(self._owners))]
            counts = self._owners[owner] = Counts(self._clock)
        return counts

    def lines(self) -> Iterator[str]:
        """Yield the counts in Prometheus's text format."""
        yield "# HELP narthex_cache_hits_total Calls answered from the cache."
        yield "# TYPE narthex_cache_hits_total counter"
        yield from (f'narthex_cache_hits_total{{kind="{kind}"}} {count}' for kind, count in self.hits.items())
        yield "# HELP narthex_cache_misses_total Calls that might have been answered from the cache, and were not."
        yield "# TYPE narthex_cache_misses_total counter"
        yield from (f'narthex_cache_misses_total{{reason="{why}"}} {count}' for why, count in self.misses.items())
        yield "# HELP narthex_cache_stored_total Answers that were kept."
        yield "# TYPE narthex_cache_stored_total counter"
        yield f"narthex_cache_stored_total {self.stored}"
        yield "# HELP narthex_cache_refused_total Answers that were not kept."
        yield "# TYPE narthex_cache_refused_total counter"
        yield from (f'narthex_cache_refused_total{{reason="{why}"}} {count}' for why, count in self.refused.items())
        yield "# HELP narthex_cache_saved_usd_total Dollars that were not spent."
        yield "# TYPE narthex_cache_saved_usd_total counter"
        yield f"narthex_cache_saved_usd_total {self.saved.picousd / 1e12:.12f}"
        yield "# HELP narthex_cache_fallen Whether far fewer calls are answered from the cache than before."
        yield "# TYPE narthex_cache_fallen gauge"
        yield f"narthex_cache_fallen {int(self.fall() is not None)}"
