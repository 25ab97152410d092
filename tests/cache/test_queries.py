"""Answers that are held until what they rest on changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from narthex.cache.queries import ENTRY_BYTES, Queries


class Source:
    """What is asked: it says how often it was written, when it lets it be read."""

    def __init__(self) -> None:
        """Begin with nothing written."""
        self.written = 0
        self.reads = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self) -> int:
        """Read, and hand it over when the gate is open."""
        self.reads += 1
        value = self.written
        await self.gate.wait()
        return value


async def test_what_is_held_is_not_read_again() -> None:
    """Until it is invalidated: by its name, by what it is about, or by what it rests on."""
    queries, source = Queries(max_bytes=100_000), Source()

    async def ask() -> int:
        return await queries.read("usage", ("acme",), source.read, tags=("ledger",))

    for number, invalidate in enumerate(
        (
            lambda: queries.invalidate("usage"),
            lambda: queries.invalidate("usage", ("acme",)),
            lambda: queries.invalidate_tag("ledger"),
            queries.clear,
        )
    ):
        assert await ask() == await ask() == number
        source.written += 1
        invalidate()
    assert await ask() == 4
    assert (source.reads, queries.hits, queries.misses) == (5, 4, 5)
    queries.invalidate("usage", ("other",))
    queries.invalidate_tag("other")
    assert await ask() == 4
    assert source.reads == 5


async def test_a_reading_that_was_overtaken_is_not_kept() -> None:
    """Who asks after an invalidation is never given what was read before it, not even by joining that reading."""
    queries, source = Queries(max_bytes=100_000), Source()
    source.gate.clear()
    before = asyncio.ensure_future(queries.read("usage", (), source.read))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    source.written += 1
    queries.invalidate("usage")
    after = asyncio.ensure_future(queries.read("usage", (), source.read))
    await asyncio.sleep(0)
    source.gate.set()
    assert list(await asyncio.gather(before, after)) == [0, 1]
    assert await queries.read("usage", (), source.read) == 1
    assert (source.reads, queries.spoiled) == (2, 1)


async def test_who_asks_the_same_at_once_is_answered_by_one_reading() -> None:
    """A thousand questions are one; the one who began it may leave."""
    queries, source = Queries(max_bytes=100_000), Source()
    source.gate.clear()
    asking = [asyncio.ensure_future(queries.read("usage", (), source.read)) for _ in range(1_000)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    source.gate.set()
    assert set(await asyncio.gather(*asking[1:])) == {0}
    assert (source.reads, queries.joined) == (1, 999)


async def test_a_reading_that_nobody_waits_for_is_ended() -> None:
    """When the last one leaves, it is cancelled, and the next one reads anew."""
    queries, source = Queries(max_bytes=100_000), Source()
    source.gate.clear()
    alone = asyncio.ensure_future(queries.read("usage", (), source.read))
    await asyncio.sleep(0)
    alone.cancel()
    await asyncio.gather(alone, return_exceptions=True)
    source.gate.set()
    assert await queries.read("usage", (), source.read) == 0
    assert source.reads <= 2


async def test_a_failure_is_told_and_not_held() -> None:
    """All who wait for it are told, and the next one reads anew."""
    queries = Queries(max_bytes=100_000)

    async def fail() -> int:
        raise ValueError("broken")

    for told in await asyncio.gather(*(queries.read("a", (), fail) for _ in range(3)), return_exceptions=True):
        assert isinstance(told, ValueError)
    with pytest.raises(ValueError, match="broken"):
        await queries.read("a", (), fail)
    assert await queries.read("a", (), Source().read) == 0


async def test_it_is_bounded_in_bytes() -> None:
    """What has rested longest goes, and what is larger than all room is not held."""
    queries, source = Queries(max_bytes=3 * (ENTRY_BYTES + 100)), Source()

    async def ask(number: int, size: int = 100) -> int:
        return await queries.read("usage", number, source.read, size=lambda _: size)

    for number in (1, 2, 3, 1, 4, 1, 3):
        await ask(number)
    assert (source.reads, queries.evicted, queries.bytes) == (4, 1, 3 * (ENTRY_BYTES + 100))
    await ask(9, size=100_000)
    await ask(9, size=100_000)
    assert source.reads == 6
    assert "narthex_query_cache_hits_total 3" in list(queries.lines())


async def test_others_are_told_by_tag() -> None:
    """What is invalidated here is told; what others have told is not told again."""
    queries, told = Queries(max_bytes=1_000), list[str]()
    queries.when_invalidated = told.append
    queries.invalidate("usage")
    queries.invalidate("usage", ("acme",))
    queries.invalidate_tag("ledger")
    queries.forget("ledger")
    assert told == ["usage", "usage", "ledger"]


class NeverStale(RuleBasedStateMachine):
    """Writes, reads that take their time, and invalidations, held against the truth."""

    def __init__(self) -> None:
        """Begin with a loop of its own."""
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.queries = Queries(max_bytes=4 * (ENTRY_BYTES + 10))
        self.truth = [0, 0, 0]
        self.open: list[tuple[int, int, asyncio.Future[int], asyncio.Event]] = []

    def turn(self) -> None:
        """Let everything go on as far as it can."""
        for _ in range(6):
            self.loop.run_until_complete(asyncio.sleep(0))

    @rule(about=st.integers(0, 2), variant=st.integers(0, 1))
    def ask(self, about: int, variant: int) -> None:
        """Begin to read; the reading looks now, and hands over what it saw later."""
        gate = asyncio.Event()

        async def produce() -> int:
            value = self.truth[about]
            await gate.wait()
            return value

        def asking() -> Awaitable[int]:
            return self.queries.read("sum", (about, variant), produce, tags=(f"of-{about}",), size=lambda _: 10)

        asked: Callable[[], Awaitable[int]] = asking
        reading = asyncio.ensure_future(asked(), loop=self.loop)
        self.turn()
        if reading.done():
            assert reading.result() == self.truth[about]
        else:
            self.open.append((about, self.truth[about], reading, gate))

    @rule(about=st.integers(0, 2))
    def write(self, about: int) -> None:
        """Write, and then say so, as services do."""
        self.truth[about] += 1
        self.queries.invalidate_tag(f"of-{about}")

    @rule(all_of_it=st.booleans())
    def invalidate(self, *, all_of_it: bool) -> None:
        """Let go of things without need: that is never wrong."""
        if all_of_it:
            self.queries.clear()
        else:
            self.queries.invalidate("sum")

    @rule(place=st.integers(0, 30), leaves=st.booleans())
    def go_on(self, place: int, *, leaves: bool) -> None:
        """Let a reading hand over what it saw, or its asker leave."""
        if not self.open:
            return
        about, least, reading, gate = self.open.pop(place % len(self.open))
        if leaves:
            reading.cancel()
            self.turn()
            gate.set()
            self.turn()
            return
        for _, _, _, other in self.open:
            other.set()
        gate.set()
        self.turn()
        # Nothing from before the question: it may be older than now, and never older than when it was asked.
        assert least <= reading.result() <= self.truth[about]

    @invariant()
    def it_holds_only_what_is_true(self) -> None:
        """Whatever is held is what would be read now, and fits."""
        for (_, arguments), held in self.queries._held.items():
            assert isinstance(arguments, tuple)
            assert held.value == self.truth[arguments[0]]
        assert self.queries.bytes == sum(held.size for held in self.queries._held.values()) <= 4 * (ENTRY_BYTES + 10)
        assert {key for keys in self.queries._by_tag.values() for key in keys} == set(self.queries._held)

    def teardown(self) -> None:
        """End what is left."""
        for _, _, reading, gate in self.open:
            gate.set()
            reading.cancel()
        self.turn()
        self.loop.close()


TestNeverStale = NeverStale.TestCase
TestNeverStale.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
