"""The cache over its tiers: nothing void, nothing old, nothing of another is found."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from narthex.cache.store import Cache, Found, scope_tag
from tests.cache.kept import ENTRY, entry
from tests.cache.tiers.test_contract import DictTier


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_ms = ENTRY.made_ms

    def __call__(self) -> int:
        """Return the time."""
        return self.now_ms


class Made:
    """A cache, its clock, and what it has done beside."""

    def __init__(self, *below: DictTier) -> None:
        self.clock = Clock()
        self.tasks: list[asyncio.Task[None]] = []
        for number, tier in enumerate(below):
            tier.name += str(number)
        self.cache = Cache(
            policy="s3-fifo",
            max_bytes=100_000,
            max_entry_bytes=1_000,
            below=below,
            spawn=self._spawn,
            clock_ms=self.clock,
        )

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    async def settle(self) -> None:
        """Wait for what is done beside."""
        await asyncio.gather(*self.tasks)


def test_what_was_found_before_is_not_found_once_it_is_void() -> None:
    """However late that is heard: under a number, too, that another declaration had already."""
    made = Made()
    assert made.cache.keep(ENTRY)
    made.cache.invalidation.declare(tags=["of others"], number=7)
    for _ in range(2):
        assert isinstance(made.cache.find(ENTRY.key), Found)
    made.cache.invalidation.declare(tags=ENTRY.tags[:1], number=5)
    assert made.cache.find(ENTRY.key) == "void"


def test_what_is_kept_is_found_until_it_is_gone() -> None:
    """Fresh and stale entries are found with their standing; one that is of no use any more is let go of."""
    made = Made()
    assert made.cache.find(ENTRY.key) == "absent"
    assert made.cache.keep(ENTRY)
    found = made.cache.find(ENTRY.key)
    assert isinstance(found, Found)
    assert (found.entry, found.standing, found.tier) == (ENTRY, "fresh", "memory")
    made.clock.now_ms += 65_000
    assert isinstance(stale := made.cache.find(ENTRY.key), Found)
    assert stale.standing == "stale"
    made.clock.now_ms += 20_000
    assert made.cache.find(ENTRY.key) == "expired"
    assert made.cache.find(ENTRY.key) == "absent"


def test_a_clock_that_is_set_back_gives_nothing_from_the_future() -> None:
    """An entry that is made later than now is none."""
    made = Made()
    made.cache.keep(ENTRY)
    made.clock.now_ms -= 3_600_000
    assert made.cache.find(ENTRY.key) == "expired"


def test_what_is_declared_void_is_not_found() -> None:
    """By a tag, by a pattern, by its scope, or with all the rest; what was asked before and comes later neither."""
    made = Made()
    made.cache.keep(ENTRY)
    made.cache.declare_void(tags=["model:up/other"])
    assert isinstance(made.cache.find(ENTRY.key), Found)
    made.cache.declare_void(patterns=["model:up/*"])
    assert made.cache.find(ENTRY.key) == "void"
    assert not made.cache.keep(ENTRY)
    assert made.cache.figures.refused == {"void": 1}
    later = entry(number=made.cache.invalidation.number)
    assert made.cache.keep(later)
    assert made.cache.clear("workspace:another") == 0
    assert made.cache.clear(later.scope) == 1
    assert scope_tag(later.scope) in later.tags
    assert made.cache.keep(entry(number=made.cache.invalidation.number))
    assert made.cache.clear() == 1
    assert made.cache.find(ENTRY.key) == "absent"


def test_what_is_too_large_is_not_kept() -> None:
    """One answer has no more than its share."""
    made = Made()
    assert not made.cache.keep(entry(data=b"x" * 1_001))
    assert made.cache.figures.refused == {"too large": 1}


async def test_what_a_tier_below_has_is_brought_up() -> None:
    """Found below, it is in memory from then on; kept, it is in all tiers; forgotten, in none."""
    near, far = DictTier(), DictTier()
    made = Made(near, far)
    far.held[ENTRY.key] = ENTRY
    assert made.cache.find(ENTRY.key) == "absent"
    found = await made.cache.search(ENTRY.key, "absent")
    assert isinstance(found, Found)
    assert found.tier == "dict1"
    assert [(one.hits, one.misses) for one in (near.figures, far.figures)] == [(0, 1), (1, 0)]
    assert isinstance(made.cache.find(ENTRY.key), Found)
    other = entry(key=b"o" * 32)
    made.cache.keep(other)
    await made.settle()
    assert other.key in near.held
    assert other.key in far.held
    assert made.cache.forget([other.key]) == 1
    made.cache.clear("workspace:ws")
    await made.settle()
    assert not near.held
    assert not far.held
    assert await made.cache.search(other.key, "absent") == "absent"


async def test_what_lies_below_is_brought_up_before_it_is_asked_for() -> None:
    """Into all tiers above it, and without a look that is counted; what is void is not."""
    near, far = DictTier(), DictTier()
    made = Made(near, far)
    far.held[ENTRY.key] = ENTRY
    assert await made.cache.bring_up(ENTRY.key)
    assert isinstance(made.cache.find(ENTRY.key), Found)
    assert ENTRY.key in near.held
    assert [one.figures.hits + one.figures.misses for one in (near, far)] == [0, 0]
    assert not await made.cache.bring_up(b"x" * 32)
    made.cache.declare_void(tags=ENTRY.tags[:1])
    made.cache.memory.clear()
    assert not await made.cache.bring_up(ENTRY.key)


def test_what_was_asked_before_its_key_was_let_go_of_is_not_kept() -> None:
    """Nor is what is void by a tag; what was asked since is."""
    made = Made()
    made.cache.keep(ENTRY)
    assert made.cache.forget([ENTRY.key]) == 1
    assert not made.cache.keep(ENTRY)
    assert made.cache.keep(entry(key=b"o" * 32))
    assert made.cache.keep(entry(number=made.cache.invalidation.number))


async def test_what_is_void_or_old_below_is_not_brought_up() -> None:
    """A tier that others write too may hold what this process knows to be void."""
    far = DictTier()
    made = Made(far)
    far.held[ENTRY.key] = ENTRY
    made.cache.declare_void(tags=["model:up/m"])
    assert await made.cache.search(ENTRY.key, "absent") == "void"
    far.held[ENTRY.key] = entry(number=made.cache.invalidation.number)
    made.clock.now_ms += 100_000
    assert await made.cache.search(ENTRY.key, "absent") == "expired"
    assert not len(made.cache.memory)


def test_what_is_void_makes_room() -> None:
    """An entry that would not be given is taken out; another's stays."""
    made = Made()
    made.cache.keep(ENTRY)
    made.cache.keep(entry(key=b"o" * 32, tags=("scope:workspace:other",)))
    made.cache.declare_void(tags=["scope:workspace:other"])
    assert [made.cache.is_alive(held.entry) for held in made.cache.memory] == [True, False]
    assert made.cache.sweep() == 1
    assert [held.entry for held in made.cache.memory] == [ENTRY]
