"""Answers that are made before they are asked for."""

from __future__ import annotations

import asyncio
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as some

from narthex.cache.predictive.record import FEWEST
from narthex.config.cache_settings import CacheSettings, PredictiveSettings
from narthex.ledger.entries import Entry
from narthex.pipeline.early_calls import budget_limit
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.prefetching import Prefetching
from narthex.tenancy.keys import LOCAL, Caller
from narthex.testing.clock import FakeClock
from narthex.testing.wires import openai_answer
from narthex.types.accounts import Account
from narthex.types.limits import Limit
from tests.pipeline.doubles import Double, House, whole
from tests.pipeline.recalled import PRICE, ZERO, call, how, said

FLOW = ("Open", "Show", "Close")
ON = {"enabled": True, "usd_per_s": 1_000, "least_probability": 0.25}


class Bench:
    """A house whose cache predicts; its answers last for the next question alone."""

    def __init__(self, limits: tuple[Limit, ...] = (), **options: object) -> None:
        self.provider = Double(*(whole(openai_answer(f"answer {number}")) for number in range(400)))
        given = {"jitter_percent": 0, "early_refresh": False, "predictive": {**ON, **options}, "ttl_s": 10}
        cache = CacheSettings.model_validate(given)
        self.house = House(self.provider, cache=cache, price=lambda _model: PRICE, limits=limits)
        assert self.house.caching is not None
        self.caching = self.house.caching
        self.caching.handle = self.house.engine.handle
        self.prefetching: Prefetching = self.caching.prefetching
        self.clock = FakeClock()
        self.prefetching._clock = self.clock
        self._kept: list[bytes] = []

    async def ask(self, words: str, caller: Caller = LOCAL, **more: object) -> Exchange:
        """Ask, have everything come to rest, and let the answers of before end."""
        body = {**ZERO, "messages": [{"role": "user", "content": words}], **more}
        made = call(body)
        made.caller = caller
        await said(self.house, made)
        for _ in range(40):
            await asyncio.sleep(0)
        return made

    async def flow(self, rounds: int, caller: Caller = LOCAL, **more: object) -> list[str | None]:
        """Go through the same questions again and again, slower than answers last but for the next one."""
        ways: list[str | None] = []
        for _ in range(rounds):
            for words in FLOW:
                made = await self.ask(words, caller, **more)
                ways.append(None if made.hit is None else made.hit.kind)
                await self.clock.advance(6)
                self.end()
        return ways

    def end(self) -> None:
        """Let the answers end that were there a step before."""
        memory = self.caching.cache.memory
        self.caching.cache.forget(self._kept)
        self._kept = [held.entry.key for held in memory]


def written(bench: Bench) -> list[Entry]:
    """Return what stands in the ledger."""
    return [entry for entries in bench.house.pages.entries.values() for entry in entries]


async def test_what_is_proved_to_follow_is_made_early() -> None:
    """Not before that, with the lowest priority, as an ordinary entry, and told in the ledger as what it is."""
    bench = Bench()
    ways = await bench.flow(20)
    assert ways[: FEWEST // 2] == [None] * (FEWEST // 2)
    assert ways[-6:] == ["prefetched"] * 6
    mind = bench.prefetching.minds.all()[0][1]
    record = mind.record("generation")
    assert (record.used > 10, record.wasted) == (True, 0)
    kinds = [entry.kind for entry in written(bench)]
    assert kinds.count("prefetch") == bench.prefetching.outcomes["generation", "made"] > 10
    assert bench.prefetching.calls.spent[LOCAL.owner] > 0
    made = await bench.ask(FLOW[0])
    assert how(made) == "HIT"
    assert 'narthex_prefetch_total{rung="generation",outcome="made"}' in "\n".join(bench.caching.lines())


async def test_nothing_is_learned_where_it_is_off() -> None:
    """Nor for workspaces that are not named; what was known is forgotten with the switch, or if somebody is erased."""
    off, others = Bench(enabled=False), Bench(workspaces=("ws_other",))
    for bench in (off, others):
        assert set(await bench.flow(10)) == {None}
        assert len(bench.prefetching.minds) == 0
    bench = Bench()
    await bench.flow(2)
    assert len(bench.prefetching.minds) == 1
    bench.caching.adopt(CacheSettings())
    assert len(bench.prefetching.minds) == 0
    assert bench.house.caching is not None


async def test_nobody_is_told_of_anothers_questions() -> None:
    """What one key asks behind what is nothing to another, of the same workspace or not."""
    bench = Bench()
    first = Caller(name="a", account=Account(workspace_id="ws_a", key_id="key_a"), workspace="ws_a")
    second = Caller(name="b", account=Account(workspace_id="ws_a", key_id="key_b"), workspace="ws_a")
    await bench.flow(20, first)
    await bench.ask(FLOW[0], second)
    assert bench.prefetching.prospects(second, "") == []
    assert bench.prefetching.prospects(first, "") != []
    assert {entry.key_id for entry in written(bench) if entry.kind == "prefetch"} == {"key_a"}


@settings(max_examples=8, deadline=None)
@given(budget=some.integers(0, 300))
def test_no_more_is_spent_than_the_budget(budget: int) -> None:
    """Of whatever size: a hard limit is asked before each of them."""

    async def run() -> None:
        given = PredictiveSettings(enabled=True, budget_usd_per_day=budget / 1_000_000)
        bench = Bench(limits=budget_limit(given))
        await bench.flow(14)
        spent = sum(entry.cost_picousd for entry in written(bench) if entry.kind == "prefetch")
        assert spent <= budget * 1_000_000
        if budget == 0:
            assert bench.prefetching.outcomes["generation", "made"] == 0
            assert bench.prefetching.outcomes["generation", "refused"] > 0

    asyncio.run(run())


async def test_only_room_to_spare_is_used() -> None:
    """Nothing is made while a model has none, or has failed a moment ago."""
    bench = Bench()
    bench.prefetching.calls.available = lambda _name: False
    assert "prefetched" not in await bench.flow(12)
    assert bench.prefetching.outcomes["generation", "busy"] > 0
    assert bench.prefetching.outcomes["generation", "made"] == 0


async def test_a_question_that_would_be_another_one_is_not_asked() -> None:
    """As when the configuration has changed meanwhile."""
    bench = Bench()
    await bench.flow(3)
    mind = bench.prefetching.minds.all()[0][1]
    (prospect, *_) = [one for _, one in bench.prefetching.prospects(LOCAL, "")]
    asked = len(bench.provider.calls)
    await bench.clock.advance(60)
    other = type(prospect)(intent=b"x" * 32, probability=0.9, needed=0.1, sample=prospect.sample)
    climb = partial(bench.prefetching.climb, rungs=["generation"], caller=LOCAL, peer=None)
    assert await climb(mind, other) == ("generation", "changed")
    assert len(bench.provider.calls) == asked
    assert await climb(mind, prospect) == ("generation", "made")
    assert await climb(mind, prospect) == ("generation", "held")
