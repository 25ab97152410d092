"""What every tier outside this process's memory must be like."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from narthex.cache.entries import Entry
from narthex.cache.tier_figures import TierFigures
from narthex.cache.tiers.contract import Tier
from tests.cache.kept import ENTRY, entry


class DictTier:
    """The least that is a tier."""

    name = "dict"

    def __init__(self) -> None:
        self.held: dict[bytes, Entry] = {}
        self.figures = TierFigures()

    async def get(self, key: bytes) -> Entry | None:
        """Return what lies there."""
        return self.held.get(key)

    async def put(self, entry: Entry) -> None:
        """Put it there."""
        self.held[entry.key] = entry

    async def remove(self, keys: Sequence[bytes]) -> None:
        """Take them away."""
        for key in keys:
            self.held.pop(key, None)

    async def clear(self, scope: str | None = None) -> None:
        """Take all of a scope away, or all."""
        self.held = {key: one for key, one in self.held.items() if scope is not None and one.scope != scope}


async def promises_of_a_tier(tier: Tier, written: Callable[[], Awaitable[None]]) -> None:
    """Check what every tier promises; `written` waits until what was put is there."""
    other = entry(key=b"o" * 32, scope="workspace:other", data=b"x" * 70_000)
    assert await tier.get(ENTRY.key) is None
    for one in (ENTRY, other):
        await tier.put(one)
    await written()
    assert [await tier.get(ENTRY.key), await tier.get(other.key)] == [ENTRY, other]
    await tier.put(entry(data=b"new"))
    await written()
    assert await tier.get(ENTRY.key) == entry(data=b"new")
    await tier.clear("workspace:nobody")
    assert await tier.get(ENTRY.key) is not None
    await tier.clear(ENTRY.scope)
    assert [await tier.get(ENTRY.key), await tier.get(other.key)] == [None, other]
    await tier.remove([other.key, b"never there" * 3])
    assert await tier.get(other.key) is None
    for one in (ENTRY, other):
        await tier.put(one)
    await written()
    await tier.clear()
    assert [await tier.get(ENTRY.key), await tier.get(other.key)] == [None, None]
    await tier.remove([])


async def test_the_least_that_is_a_tier() -> None:
    """What was put is there until it is removed."""

    async def written() -> None:
        pass

    await promises_of_a_tier(DictTier(), written)
