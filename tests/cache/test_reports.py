"""What is told of the cache."""

from __future__ import annotations

from narthex.cache.entries import Entry
from narthex.cache.figures import CacheFigures
from narthex.cache.reports import MISSES, TOP, CacheReport, Overview, is_of, missed, overview, own_tags, report, told
from narthex.cache.store import Cache, Found
from narthex.cache.tier_figures import TierFigures
from narthex.cache.tiers.memory import Held
from tests.cache.kept import ENTRY, entry

NOW_MS = ENTRY.made_ms + 1_500
NOTHING = Overview(0, 0, ())


class Below:
    """A tier that has one entry."""

    name = "shelf"

    def __init__(self, held: Entry) -> None:
        self.held = held
        self.figures = TierFigures()

    async def get(self, key: bytes) -> Entry | None:
        """Return it."""
        return self.held if key == self.held.key else None

    async def put(self, entry: Entry) -> None:
        """Hold nothing else."""

    async def remove(self, keys: object) -> None:
        """Keep it."""

    async def clear(self, scope: str | None = None) -> None:
        """Keep it."""


def made(*below: Below) -> Cache:
    """Return a cache whose clock stands."""
    return Cache(policy="lru", max_bytes=1_000_000, max_entry_bytes=10_000, below=below, clock_ms=lambda: NOW_MS)


def test_an_entry_is_told_without_what_it_says() -> None:
    """How old, how large, whose, and with which tags of one's own; nobody's name."""
    tags = (*ENTRY.tags, "tag:workspace:ws:a", "tag:workspace:other:b", "workspace:ws", "end-user:ws:eve")
    one = told(Held(entry(tags=tags, scope="workspace:ws/user:eve", cost_picousd=1_500_000_000_000)), NOW_MS)
    assert (one.age_s, one.fresh_s, one.state, one.cost_usd) == (1, 58, "fresh", "1.5")
    assert (one.tags, one.workspace_id, one.shared_by) == (["a"], "ws", "user")
    assert "eve" not in str(one)
    assert told(Held(entry(scope="workspace:ws/key:k:n")), NOW_MS).shared_by == "key"
    assert told(Held(entry(cost_picousd=0)), NOW_MS + 10**6).fresh_s == 0
    assert own_tags(entry(tags=())) == []


def test_whose_an_entry_is() -> None:
    """The owner's, with all that is narrower; everything is for who asks for everything."""
    assert is_of(ENTRY, None)
    assert is_of(entry(scope="workspace:ws/key:k:n"), "workspace:ws")
    assert not is_of(entry(scope="workspace:ws2"), "workspace:ws")


def test_an_overview_counts_what_may_be_given() -> None:
    """Of those that are used, the most used first, and only so many."""
    held = [Held(entry(key=bytes([number]))) for number in range(TOP + 5)]
    for number, one in enumerate(held):
        one.uses = number
    seen = overview(held, lambda one: one.key != b"\x01", "workspace:ws")
    assert (seen.count, seen.bytes) == (TOP + 4, ENTRY.size_bytes * (TOP + 4))
    assert [one.uses for one in seen.top] == list(range(TOP + 4, 4, -1))
    assert overview(held, lambda _: True, "workspace:no").count == 0


async def test_what_one_tier_does_not_have_is_sought_in_the_next() -> None:
    """But for what is only too old there. Each is told with what it had, what that saved, and how long a look takes."""
    cache = made(Below(ENTRY))
    found = await cache.search(ENTRY.key, "absent")
    assert isinstance(found, Found)
    figures = cache.figures
    for tier in ("shelf", "memory", "memory"):
        figures.hit("hit", input_tokens=1, output_tokens=1, picousd=5, scope=ENTRY.scope, tier=tier)
    for _ in range(MISSES + 1):
        figures.miss("absent", request_id="req_9", model="m", scope=ENTRY.scope, key=b"\x01")
    figures.miss("too old", request_id="req_8", model="m", scope=ENTRY.scope, key=b"\x01", tier="memory")
    one = report(cache, "workspace:ws", overview(cache.memory, cache.is_alive, None), enabled=True, mode="all")
    memory, shelf = one.tiers
    assert (memory.hits, memory.misses, memory.entries) == (2, MISSES + 3, 1)
    assert (shelf.hits, shelf.misses, shelf.entries) == (1, MISSES + 1, None)
    assert (memory.hit_rate, shelf.hit_rate) == (2 / (MISSES + 5), 1 / (MISSES + 2))
    assert [(each.hits, each.misses) for each in memory.trend] == [(2, MISSES + 3)]
    assert [(each.hits, each.misses) for each in shelf.trend] == [(1, MISSES + 1)]
    assert (memory.saved.usd, shelf.saved.usd, shelf.saved.output_tokens) == ("0.00000000001", "0.000000000005", 1)
    assert memory.latency_p50_us is None
    assert shelf.latency_p99_us is not None
    assert (memory.evicted, one.saved.usd) == (None, "0.000000000015")
    assert len(one.last_misses) == MISSES
    assert one.last_misses[0] == missed(figures.last_misses[-1])
    whole = report(cache, None, overview((), cache.is_alive, None), enabled=True, mode="all")
    assert (whole.tiers[0].evicted, whole.everything) == (0, True)


def test_a_fall_is_told_while_it_lasts() -> None:
    """With what it was before, and of how many calls."""
    cache, now, reports = made(), [0.0], list[CacheReport]()
    cache.figures = CacheFigures(lambda: now[0])
    for minute in range(20):
        now[0] = minute * 60.0 + 30
        for _ in range(20):
            if minute < 12:
                cache.figures.hit("hit", input_tokens=0, output_tokens=0, picousd=0, scope=ENTRY.scope)
            else:
                cache.figures.miss("absent", request_id="r", model="m", scope=ENTRY.scope, key=b"k")
        reports.append(report(cache, "workspace:ws", NOTHING, enabled=True, mode="all"))
    assert [one.fall is not None for one in reports] == [False] * 18 + [True] * 2
    last, since = reports[-1].fall, reports[-1].since
    assert last is not None
    assert (last.hit_rate, last.usual_hit_rate, last.calls, since) == (0.2, 0.6, 200, 0)
    assert report(cache, "workspace:other", NOTHING, enabled=True, mode="all").fall is None
    assert "narthex_cache_fallen 1" in cache.figures.lines()
