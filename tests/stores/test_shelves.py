"""What every shelf promises its owners, held against the one in memory and the one in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from narthex.stores.link import LinkSettings
from narthex.stores.redis_shelf import RedisShelf
from narthex.stores.shelves import ENTRY_BYTES, MemoryShelf, Shelf, ShelfLimits
from narthex.testing.clock import FakeClock
from tests.stores.servers import running_redis

DAY_S = 86_400.0
KINDS: Final = ("memory", "redis")


def shelf(*, things: int = 100, owned: int = 100, keep_s: float = DAY_S, clock: FakeClock | None = None) -> MemoryShelf:
    """Return a shelf with room for so many things of ten bytes under names of one character."""
    size = ENTRY_BYTES + 12
    limits = ShelfLimits(max_bytes=things * size, owner_bytes=owned * size, keep_s=keep_s)
    return MemoryShelf(limits, clock or FakeClock())


@asynccontextmanager
async def opened(kind: str, folder: Path, *, owned: int = 100) -> AsyncIterator[Shelf]:
    """Give a shelf of one kind, with as much room."""
    if kind == "memory":
        yield shelf(owned=owned)
        return
    size = ENTRY_BYTES + 12
    limits = ShelfLimits(max_bytes=100 * size, owner_bytes=owned * size, keep_s=DAY_S)
    with running_redis(folder) as server:
        kept = RedisShelf(LinkSettings(url=server.url), limits)
        running = asyncio.ensure_future(kept.run())
        await kept.ready(5)
        try:
            yield Written(kept)
        finally:
            running.cancel()
            await asyncio.wait([running])


class Written:
    """A shelf in Redis as it is once all is written."""

    def __init__(self, kept: RedisShelf) -> None:
        self._kept = kept
        self.get, self.renew, self.delete = kept.get, kept.renew, kept.delete
        self.keep_for = kept.keep_for

    async def put(self, owner: str, name: str, value: bytes) -> None:
        """See `Shelf`."""
        await self._kept.put(owner, name, value)
        await self._kept.flush()


async def put(kept: Shelf, owner: str, *names: str) -> None:
    """Put things of ten bytes."""
    for name in names:
        await kept.put(owner, name, b"0123456789")


async def names_of(kept: Shelf, owner: str, names: str = "abcdef") -> str:
    """Return the names of what an owner has."""
    return "".join([name for name in names if await kept.get(owner, name) is not None])


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_put_is_got_by_its_owner_alone(kind: str, tmp_path: Path) -> None:
    """Nobody else sees it, deletes it or puts something in its place."""
    async with opened(kind, tmp_path) as kept:
        await kept.put("o", "a", b"mine")
        await kept.put("p", "a", b"theirs")
        assert [await kept.get(owner, "a") for owner in "opq"] == [b"mine", b"theirs", None]
        assert await kept.delete("q", "a") is False
        assert await kept.delete("p", "a") is True
        assert await kept.delete("p", "a") is False
        assert await kept.get("o", "a") == b"mine"


async def test_a_thing_is_replaced() -> None:
    """What is put under a name again takes the place of what was there, in the room as well."""
    kept = shelf()
    await kept.put("o", "a", b"x" * 100)
    await kept.put("o", "a", b"y")
    assert await kept.get("o", "a") == b"y"
    assert (len(kept), kept.bytes) == (1, ENTRY_BYTES + 3)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_owner_makes_room_for_itself(kind: str, tmp_path: Path) -> None:
    """What an owner put first goes first, and nothing of another's; what is replaced takes up no room twice."""
    async with opened(kind, tmp_path, owned=2) as kept:
        await put(kept, "p", "a")
        await put(kept, "o", "a", "b", "c", "c", "c")
        assert (await names_of(kept, "o"), await names_of(kept, "p")) == ("bc", "a")


async def test_everybody_makes_room_for_all() -> None:
    """Where there is no room for all together, what was put first goes first, whoever put it."""
    kept = shelf(things=3)
    await put(kept, "p", "a")
    await put(kept, "o", "a", "b", "c")
    assert (await names_of(kept, "o"), await names_of(kept, "p")) == ("abc", "")


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_too_large_is_not_kept(kind: str, tmp_path: Path) -> None:
    """It takes nothing else's place, but what it was to replace is gone."""
    async with opened(kind, tmp_path, owned=2) as kept:
        await put(kept, "o", "a", "b")
        await kept.put("o", "b", b"x" * 5_000)
        assert await names_of(kept, "o") == "a"


async def test_things_have_their_time() -> None:
    """After its time a thing is gone, unless it was renewed; what is gone cannot be renewed."""
    clock = FakeClock()
    kept = shelf(keep_s=10, clock=clock)
    await put(kept, "o", "a", "b")
    clock.now_s += 9
    await kept.renew("o", ["a", "x"])
    clock.now_s += 2
    assert await names_of(kept, "o") == "a"
    await kept.renew("o", ["b"])
    assert await names_of(kept, "o") == "a"
    assert len(kept) == 1
    clock.now_s += 10
    assert (await names_of(kept, "o"), kept.dropped) == ("", 0)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_renewed_is_young(kind: str, tmp_path: Path) -> None:
    """Room is made of what was neither put nor renewed lately; what is gone stays gone."""
    async with opened(kind, tmp_path, owned=2) as kept:
        await put(kept, "o", "a", "b")
        await kept.renew("o", ["a", "x"])
        await put(kept, "o", "c")
        assert await names_of(kept, "o", "abcx") == "ac"


async def test_limits_change() -> None:
    """What other limits have no room for goes at once; what was put before keeps its time, and no longer hides."""
    clock = FakeClock()
    kept = shelf(keep_s=100, clock=clock)
    await put(kept, "o", "a", "b", "c")
    size = kept.bytes // 3
    kept.adopt(ShelfLimits(max_bytes=2 * size, owner_bytes=2 * size, keep_s=1))
    assert await names_of(kept, "o") == "bc"
    await put(kept, "p", "a")
    clock.now_s += 2
    assert (await names_of(kept, "o"), await names_of(kept, "p")) == ("c", "")


async def test_its_lines_tell_what_is_there() -> None:
    """How many things, how large, and how many had to go."""
    kept = shelf(owned=1)
    await put(kept, "o", "a", "b")
    told = [line for line in kept.lines() if not line.startswith("#")]
    assert told == [
        "narthex_kept_responses 1",
        f"narthex_kept_responses_bytes {kept.bytes}",
        "narthex_kept_responses_dropped_total 1",
    ]


class Owners(RuleBasedStateMachine):
    """Two owners on one shelf, against what a plain dictionary says."""

    def __init__(self) -> None:
        super().__init__()
        # One for all steps: to make a loop for each takes far longer than the steps.
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.kept = shelf(things=6, owned=4, keep_s=5, clock=self.clock)
        self.put_at: dict[tuple[str, str], tuple[float, bytes]] = {}

    @rule(owner=st.sampled_from("op"), name=st.sampled_from("abcdef"), size=st.integers(0, 12))
    def put(self, owner: str, name: str, size: int) -> None:
        """Put a thing."""
        value = name.encode() * size
        self.runner.run(self.kept.put(owner, name, value))
        self.put_at[owner, name] = (self.clock(), value)

    @rule(owner=st.sampled_from("op"), name=st.sampled_from("abcdef"))
    def delete(self, owner: str, name: str) -> None:
        """Take a thing away."""
        self.runner.run(self.kept.delete(owner, name))
        self.put_at.pop((owner, name), None)

    def teardown(self) -> None:
        """Close the loop."""
        self.runner.close()

    @rule(seconds=st.integers(1, 3))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.clock.now_s += seconds

    @invariant()
    def holds(self) -> None:
        """What is there is what was put, not too old, and no more than there is room for."""
        sizes = {"o": 0, "p": 0}
        for (owner, name), (at, value) in self.put_at.items():
            got = self.runner.run(self.kept.get(owner, name))
            if got is not None:
                assert got == value
                assert self.clock() < at + 5
                sizes[owner] += ENTRY_BYTES + 2 + len(value)
        assert sum(sizes.values()) == self.kept.bytes <= 6 * (ENTRY_BYTES + 12)
        assert max(sizes.values()) <= 4 * (ENTRY_BYTES + 12)


TestOwners = Owners.TestCase


async def test_an_owner_may_keep_things_for_a_shorter_time() -> None:
    """Of what is put or renewed from then on; never longer than others keep theirs."""
    clock = FakeClock()
    one = shelf(keep_s=100.0, clock=clock)
    await one.put("b", "x", b"0123456789")
    await one.put("a", "1", b"0123456789")
    one.keep_for("a", 10.0)
    await one.put("a", "2", b"0123456789")
    one.keep_for("b", 1_000.0)
    await one.put("b", "y", b"0123456789")
    clock.now_s += 11
    assert [await one.get("a", name) for name in ("1", "2")] == [b"0123456789", None]
    await one.renew("a", ["1"])
    clock.now_s += 11
    assert await one.get("a", "1") is None
    assert len(one) == 2
    one.keep_for("a", None)
    await one.put("a", "3", b"0123456789")
    clock.now_s += 60
    assert await one.get("a", "3") is not None
    clock.now_s += 60
    assert await one.get("b", "y") is None


async def test_redis_lets_go_of_things_as_soon_as_their_owner_says(tmp_path: Path) -> None:
    """By itself, whether a process is there or not."""
    async with opened("redis", tmp_path) as one:
        one.keep_for("a", 0.2)
        await one.put("a", "1", b"short")
        await one.put("b", "1", b"long")
        assert await one.get("a", "1") == b"short"
        await asyncio.sleep(0.4)
        assert [await one.get(owner, "1") for owner in ("a", "b")] == [None, b"long"]
