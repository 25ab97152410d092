"""What lies below memory, brought up before it is asked for."""

from __future__ import annotations

import asyncio

from narthex.cache.predictive.record import FEWEST
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.insights import prefetch
from narthex.pipeline.predicted_calls import Again
from narthex.pipeline.retrieving import Retriever, TiersBelow
from narthex.tenancy.keys import LOCAL, Caller
from tests.cache.tiers.test_contract import DictTier
from tests.pipeline.test_prefetching import FLOW, Bench


class Shelf:
    """A room that looks things up; it notes what it is asked for."""

    def __init__(self) -> None:
        self.asked = list[tuple[str, str]]()

    async def fetch(self, call: Again, key: bytes, caller: Caller) -> bool:
        """Have nothing that answers."""
        self.asked.append((call.target, caller.owner))
        return False


def tiered(*rungs: str) -> tuple[Bench, DictTier]:
    """Return a house with a tier below memory."""
    bench, tier = Bench(rungs=rungs), DictTier()
    bench.caching.cache.below = (tier,)
    bench.caching.cache._spawn = bench.house.tasks.spawn
    bench.prefetching.retrievers.append(TiersBelow(bench.caching.cache))
    return bench, tier


async def rounds(bench: Bench, count: int) -> list[Exchange]:
    """Ask the same questions again and again, of which memory holds nothing but what was brought up for the next."""
    asked = list[Exchange]()
    for _ in range(count):
        for words in FLOW:
            memory, before = bench.caching.cache.memory, [one.entry.key for one in bench.caching.cache.memory]
            asked.append(await bench.ask(words))
            await asyncio.sleep(0)
            for key in before:
                memory.remove(key)
            await bench.clock.advance(2)
    return asked


async def test_what_lies_below_is_brought_up_once_that_is_proved() -> None:
    """Nothing is asked of any provider for it, or charged; the look of the call finds it in memory."""
    bench, tier = tiered("retrieval")
    await rounds(bench, 20)
    calls, looks = len(bench.provider.calls), tier.figures.hits + tier.figures.misses
    await rounds(bench, 5)
    assert (len(bench.provider.calls), len(tier.held)) == (calls, 3)
    assert tier.figures.hits + tier.figures.misses == looks
    record = bench.prefetching.minds.all()[0][1].record("retrieval")
    assert (record.won > FEWEST, record.used > 15) == (True, True)
    assert bench.prefetching.outcomes["retrieval", "made"] > 15
    assert bench.prefetching.calls.spent.total() == 0
    assert {made.hit.kind for made in await rounds(bench, 1) if made.hit} == {"hit"}


async def test_the_cheapest_comes_first() -> None:
    """What is found below is not made, and what is not is; a room's retriever is asked as the tiers are."""
    bench, tier = tiered("retrieval", "generation")
    shelf = Shelf()
    conforms: Retriever = shelf
    bench.prefetching.retrievers.append(conforms)
    await rounds(bench, 4)
    await bench.ask(FLOW[0])
    bench.caching.cache.memory.clear()
    calls = len(bench.provider.calls)
    (first, *_) = await prefetch(bench.prefetching, LOCAL, "")
    assert (first.rung, first.outcome, len(bench.provider.calls)) == ("retrieval", "made", calls)
    assert ("up/m", LOCAL.owner) in shelf.asked
    bench.caching.cache.memory.clear()
    tier.held.clear()
    (first, *_) = await prefetch(bench.prefetching, LOCAL, "")
    assert (first.rung, first.outcome, len(bench.provider.calls) > calls) == ("generation", "made", True)
    assert bench.prefetching.outcomes["retrieval", "absent"] > 0


async def test_a_rung_that_is_switched_off_is_not_taken() -> None:
    """Nothing is bet on it either; without tiers there is nothing to be brought up."""
    bench, _ = tiered("embeddings", "prefix")
    await rounds(bench, 10)
    assert bench.prefetching.minds.all()[0][1].records == {}
    assert await prefetch(bench.prefetching, LOCAL, "") == []
    assert Bench().prefetching.retrievers == []
