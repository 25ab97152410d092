"""What is told of the cache: how it does, and what lies in it, of one owner or of all."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

import msgspec

from narthex.cache.entries import Entry, owner_of
from narthex.cache.figures import Counts, Fall, Minute, Miss, Savings
from narthex.cache.semantic.reports import SemanticReport
from narthex.cache.store import MEMORY, Cache
from narthex.cache.tier_figures import TierFigures
from narthex.cache.tiers.memory import Held

TOP: Final = 20
"""Entries that are told as the most used."""
MISSES: Final = 50
"""Misses that are told with the figures."""
_PICO_PER_USD: Final = 1_000_000_000_000
_OWN_TAG: Final = "tag:"


class EntryReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An answer that is kept, without what it says."""

    object: Literal["cache_entry"] = "cache_entry"
    key: str
    model: str
    """`provider/model` that answered."""
    workspace_id: str
    shared_by: Literal["workspace", "key", "user"]
    state: Literal["fresh", "stale", "for errors", "gone"]
    uses: int
    """How often it was given again."""
    bytes: int
    age_s: int
    fresh_s: int
    """For how long it is still fresh; 0 if it is not."""
    input_tokens: int
    output_tokens: int
    cost_usd: str
    """What it cost, and what is saved each time that it is given."""
    tags: list[str]
    """Of the caller's own choice."""
    request_id: str
    """Of the call that it was made for."""


class SavedReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was not spent."""

    input_tokens: int
    output_tokens: int
    usd: str


class MinuteReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happened in one minute."""

    at: int
    """Its beginning, in seconds of Unix time."""
    hits: int
    misses: int


class TierReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a tier does: what was looked for there, what lies there, and what it saved."""

    name: str
    hits: int
    misses: int
    """Looks that did not find it there, or only what is too old; what is not there is looked for in the next tier."""
    hit_rate: float | None
    """Of looks into it; null before any."""
    latency_p50_us: float | None
    latency_p99_us: float | None
    bytes: int | None
    """Of what is told of; null where that is not counted."""
    max_bytes: int | None
    entries: int | None
    evicted: int | None
    """Answers that had to go as there was no room; null for whoever does not run this server."""
    saved: SavedReport
    """By answers that lay there."""
    trend: list[MinuteReport]
    """Looks into it, as the trend of all."""


class MissReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call that was not answered from the cache."""

    object: Literal["cache_miss"] = "cache_miss"
    request_id: str
    reason: str
    """`absent`: nothing was kept under its key. `expired`, `void`: no longer. `refresh`: asked for anew. `too old`: for
    what the call asks for. `damaged`: what was kept cannot be read."""
    model: str
    at: float
    """Unix time in seconds."""
    key: str
    semantic: str | None
    """Why the answer to a question of the same meaning was not given either; null where none was looked for. `unfit`:
    no other question may ever answer it. `no vector`: the embedding model did not answer in time. `nothing near`.
    `number`, `date`, `id`, `quoted`, `code`, `name`, `order`, `negation`, `contrary`, `direction`, `kind`, `language`:
    in this the nearest question differs. `unlikely`, `unsure`: not sure enough. `judged`: found to be another one.
    `unadmitted`: somebody else's, whom nobody has vouched for. `closed`: its category is. `gone`, `too old`, `damaged`:
    its answer. `asked already`: the very same is under way."""
    similarity: float | None
    """Of the nearest question, as the cosine of the two vectors."""


class FallReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That in the last ten minutes less than half as many calls are answered as in the hour, of a hundred or more."""

    hit_rate: float
    """In the last ten minutes."""
    usual_hit_rate: float
    """In the last hour."""
    calls: int
    """In the last ten minutes."""


class CacheReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the cache does since this process began."""

    object: Literal["cache_stats"] = "cache_stats"
    enabled: bool
    mode: str
    everything: bool
    """Whether it is of all workspaces, or of one's own alone."""
    since: int
    """When it began, in seconds of Unix time."""
    hits: dict[str, int]
    """By kind."""
    misses: dict[str, int]
    """By reason."""
    refused: dict[str, int]
    """Answers that were not kept, by reason."""
    stored: int
    hit_rate: float | None
    fall: FallReport | None
    """Set while far fewer calls are answered than before."""
    saved: SavedReport
    tiers: list[TierReport]
    trend: list[MinuteReport]
    """The last hour in which there was something, the oldest minute first."""
    top: list[EntryReport]
    """The most used."""
    last_misses: list[MissReport]
    """The latest first."""
    semantic: SemanticReport | None = None
    """Null where no question is answered by another's answer."""


class Overview(msgspec.Struct, frozen=True):
    """What lies in memory, of those who are asked about."""

    count: int
    bytes: int
    top: Sequence[Held]


def is_of(entry: Entry, owner: str | None) -> bool:
    """Tell whether an entry is an owner's; everything is nobody's in particular, which is None."""
    return owner is None or owner_of(entry.scope) == owner


def overview(held: Iterable[Held], alive: Callable[[Entry], bool], owner: str | None) -> Overview:
    """Return what is told of entries; may run in a thread."""
    own = [one for one in held if is_of(one.entry, owner) and alive(one.entry)]
    top = heapq.nlargest(TOP, (one for one in own if one.uses), key=lambda one: one.uses)
    return Overview(len(own), sum(one.entry.size_bytes for one in own), top)


def report(cache: Cache, owner: str | None, seen: Overview, *, enabled: bool, mode: str) -> CacheReport:
    """Return how the cache does, for one owner or for all."""
    counts = cache.figures if owner is None else cache.figures.of(owner)
    now_ms, fall = cache.now_ms(), counts.fall()
    misses = list(counts.last_misses)[: -MISSES - 1 : -1]
    return CacheReport(
        enabled=enabled,
        mode=mode,
        everything=owner is None,
        since=cache.figures.since,
        hits={str(kind): count for kind, count in counts.hits.items()},
        misses={str(reason): count for reason, count in counts.misses.items()},
        refused=dict(counts.refused),
        stored=counts.stored,
        hit_rate=counts.hit_rate,
        fall=None if fall is None else _fall(fall),
        saved=_saved(counts.saved),
        tiers=_tiers(cache, counts, seen, owner),
        trend=[_minute(one) for one in counts.trend],
        top=[told(one, now_ms) for one in seen.top],
        last_misses=[missed(one) for one in misses],
    )


def _tiers(cache: Cache, counts: Counts, seen: Overview, owner: str | None) -> list[TierReport]:
    looks, minutes, tiers = counts.looks, [_Looks(one) for one in counts.trend], []
    below = {tier.name: tier.figures if owner is None else TierFigures() for tier in cache.below}
    for name, holds in {MEMORY: _in_memory(cache, seen, owner), **below}.items():
        hits, took = counts.found.get(name, 0), cache.figures.latencies[name]
        rate = hits / looks if looks else None
        misses = max(0, looks - hits)
        # What one tier does not have is sought in the next.
        looks = misses - counts.withheld.get(name, 0)
        tiers.append(
            TierReport(
                name=name,
                hits=hits,
                misses=misses,
                hit_rate=rate,
                latency_p50_us=took.quantile_us(0.5),
                latency_p99_us=took.quantile_us(0.99),
                bytes=holds.bytes,
                max_bytes=holds.max_bytes,
                entries=holds.entries,
                evicted=holds.evicted,
                saved=_saved(counts.saved_by(name)),
                trend=[one.into(name) for one in minutes],
            )
        )
    return tiers


def _in_memory(cache: Cache, seen: Overview, owner: str | None) -> TierFigures:
    held = TierFigures()
    held.bytes, held.entries, held.max_bytes = seen.bytes, seen.count, cache.memory.max_bytes
    held.evicted = cache.memory.evicted if owner is None else None
    return held


class _Looks:
    """Looks of one minute, from tier to tier."""

    def __init__(self, minute: Minute) -> None:
        self._minute = minute
        self._left = minute.sought + sum(minute.found.values())

    def into(self, tier: str) -> MinuteReport:
        """Return those into a tier; the next one is asked for what it does not have."""
        hits = self._minute.found.get(tier, 0)
        misses = max(0, self._left - hits)
        self._left = misses - self._minute.withheld.get(tier, 0)
        return MinuteReport(at=self._minute.at, hits=hits, misses=misses)


def _saved(saved: Savings) -> SavedReport:
    return SavedReport(input_tokens=saved.input_tokens, output_tokens=saved.output_tokens, usd=dollars(saved.picousd))


def _fall(fall: Fall) -> FallReport:
    return FallReport(hit_rate=fall.rate, usual_hit_rate=fall.usual, calls=fall.calls)


def told(held: Held, now_ms: int) -> EntryReport:
    """Return what is told of an entry."""
    entry = held.entry
    age_ms = max(0, entry.age_ms(now_ms))
    return EntryReport(
        key=entry.key.hex(),
        model=entry.model,
        workspace_id=workspace_of(entry),
        shared_by=_shared_by(entry.scope),
        state=entry.standing(now_ms),
        uses=held.uses,
        bytes=entry.size_bytes,
        age_s=age_ms // 1_000,
        fresh_s=max(0, entry.fresh_ms - age_ms) // 1_000,
        input_tokens=entry.input_tokens,
        output_tokens=entry.output_tokens,
        cost_usd=dollars(entry.cost_picousd),
        tags=own_tags(entry),
        request_id=entry.maker,
    )


def missed(miss: Miss) -> MissReport:
    """Return what is told of a call that was not answered."""
    return MissReport(
        request_id=miss.request_id,
        reason=miss.reason,
        model=miss.model,
        at=round(miss.at, 3),
        key=miss.key,
        semantic=miss.semantic or None,
        similarity=miss.similarity,
    )


def own_tags(entry: Entry) -> list[str]:
    """Return the tags that callers chose themselves."""
    begin = f"{_OWN_TAG}{owner_of(entry.scope)}:"
    return [tag[len(begin) :] for tag in entry.tags if tag.startswith(begin)]


def workspace_of(entry: Entry) -> str:
    """Return the ID of the workspace that an entry is charged to."""
    return next((tag.partition(":")[2] for tag in entry.tags if tag.startswith("workspace:")), "")


def dollars(picousd: int) -> str:
    """Return an amount in US dollars as an exact decimal."""
    whole, rest = divmod(picousd, _PICO_PER_USD)
    return f"{whole}.{rest:012d}".rstrip("0").rstrip(".")


def _minute(one: Minute) -> MinuteReport:
    return MinuteReport(at=one.at, hits=one.hits, misses=one.misses)


def _shared_by(scope: str) -> Literal["workspace", "key", "user"]:
    _, _, rest = scope.partition("/")
    if not rest:
        return "workspace"
    return "key" if rest.startswith("key:") else "user"
