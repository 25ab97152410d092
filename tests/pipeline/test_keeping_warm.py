"""Prompts that are kept in their providers' caches."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from narthex.cache.predictive.record import FEWEST
from narthex.config.cache_settings import CacheSettings, PredictiveSettings
from narthex.ledger.entries import Entry
from narthex.pipeline.early_calls import budget_limit
from narthex.pipeline.exchange import Exchange
from narthex.providers.contract import Call, Reply
from narthex.providers.prefixes import PrefixCaching, Prefixes
from narthex.tenancy.keys import LOCAL
from narthex.testing.clock import FakeClock
from narthex.testing.wires import anthropic_answer
from narthex.types.catalog import Price
from narthex.types.dialects import Dialect
from narthex.types.limits import Limit
from tests.pipeline.doubles import ANTHROPIC, Double, House, whole
from tests.pipeline.prefixed import PrefixCache
from tests.pipeline.recalled import call, said

RULES = "The rules of the house, told at length. " * 150
FLOW = ("Open", "Show", "Close")
PRICE = Price(
    input_microusd_per_mtok=1_000_000,
    output_microusd_per_mtok=5_000_000,
    cache_read_microusd_per_mtok=100_000,
    cache_write_microusd_per_mtok=1_250_000,
)
PLAIN = Price(input_microusd_per_mtok=1_000_000, output_microusd_per_mtok=5_000_000)
TTL_S = 300.0


class Vendor(Double):
    """A provider that keeps what is marked for five minutes from its last use on, and tells what it has read of it."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(dialects=ANTHROPIC)
        self.clock = clock
        self.cache = PrefixCache()
        self.used_at = 0.0
        self.keeps = True

    async def send(self, call: Call) -> Reply:
        """Answer with what was read and written."""
        self.calls.append(call)
        if self.clock() - self.used_at >= TTL_S or not self.keeps:
            self.cache.kept.clear()
        self.used_at = self.clock()
        read, written = self.cache.take(call.body)
        answer = json.loads(anthropic_answer("So be it."))
        answer["usage"] |= {"cache_read_input_tokens": read, "cache_creation_input_tokens": written}
        return whole(json.dumps(answer).encode())

    @property
    def renewals(self) -> int:
        """How many calls asked for next to nothing."""
        return sum(json.loads(one.body)["max_tokens"] == 1 for one in self.calls)


class Bench:
    """A house in which questions with the same long rules come again and again."""

    def __init__(self, price: Price = PRICE, limits: tuple[Limit, ...] = (), **options: object) -> None:
        self.clock = FakeClock()
        self.vendor = Vendor(self.clock)
        predictive = {"enabled": True, "rungs": ["prefix"], **options}
        given = {"jitter_percent": 0, "early_refresh": False, "predictive": predictive, "ttl_s": 3_600}
        self.house = House(
            self.vendor, cache=CacheSettings.model_validate(given), price=lambda _model: price, limits=limits
        )
        caching = PrefixCaching(way="markers", auto=True, ttl="5m", prefixes=Prefixes(self.clock))
        self.house.catalog._caching = {"up": caching}
        assert self.house.caching is not None
        self.caching = self.house.caching
        self.caching.handle = self.house.engine.handle
        self.prefetching = self.caching.prefetching
        self.warmth = self.prefetching.warmth
        self.prefetching._clock = self.prefetching.calls._clock = self.warmth.clock = self.clock
        self.warmth.sleep = self.clock.sleep

    async def ask(self, words: str, rules: str = RULES, **more: object) -> Exchange:
        """Ask, and have everything come to rest."""
        body = {"model": "up/claude-sonnet-4-5", "max_tokens": 50, "temperature": 0, "system": rules, **more}
        made = call(
            {**body, "messages": [{"role": "user", "content": words}]},
            Dialect.ANTHROPIC_MESSAGES,
            x_narthex_context_cache="on",
        )
        await said(self.house, made)
        for _ in range(20):
            await asyncio.sleep(0)
        return made

    async def flow(self, rounds: int, pause_s: float, rules: str = RULES, **more: object) -> list[int]:
        """Ask the same questions again and again, with pauses; return what was read of the prompt in each."""
        read = list[int]()
        for _ in range(rounds):
            for words in FLOW:
                made = await self.ask(words, rules, **more)
                read.append(0 if made.usage is None else made.usage.cache_read_tokens)
                self.caching.cache.memory.clear()
                await self.clock.advance(pause_s)
        return read

    def written(self) -> list[Entry]:
        """Return what stands in the ledger of what was sent early."""
        entries = [entry for entries in self.house.pages.entries.values() for entry in entries]
        return [entry for entry in entries if entry.kind == "prefetch"]


async def test_a_prompt_is_kept_where_that_is_proved_to_pay() -> None:
    """Not before; by a call that has nothing written, in the name and on the account of who asks, and for less."""
    bench, off = Bench(), Bench(rungs=["generation"], budget_usd_per_day=0)
    read, without = await bench.flow(20, 400), await off.flow(20, 400)
    assert set(read[:FEWEST]) == set(without) == {0}
    assert min(read[-20:]) > 1_000
    assert bench.vendor.renewals == len(bench.written()) >= 20
    assert (off.vendor.renewals, off.written()) == (0, [])
    assert bench.vendor.cache.cost < off.vendor.cache.cost
    record = bench.prefetching.minds.all()[0][1].record("prefix")
    assert (record.used >= 20, record.wasted, record.lost) == (True, 0, 0)
    assert {entry.workspace_id for entry in bench.written()} == {LOCAL.account.workspace_id}
    paid = sum(entry.cost_picousd for entry in bench.written())
    assert bench.prefetching.calls.spent[LOCAL.owner] == paid > 0
    assert bench.prefetching.outcomes["prefix", "made"] == bench.vendor.renewals
    assert bench.caching.cache.memory.peek(b"") is None


@pytest.mark.parametrize(
    ("pause_s", "price", "more"),
    [
        (100, PRICE, {}),
        (700, PRICE, {}),
        (400, PLAIN, {}),
        (400, PRICE, {"short": True}),
        (400, PRICE, {"tools": [{"name": "f", "input_schema": {"type": "object"}}]}),
        (400, PRICE, {"thinking": {"type": "enabled", "budget_tokens": 1_024}}),
    ],
)
async def test_nothing_is_sent_where_it_would_be_of_no_use(
    pause_s: float, price: Price, more: dict[str, object]
) -> None:
    """Used in time anyhow; too late even so; the price is the same; too short to be kept; tools; other prompts."""
    bench = Bench(price)
    rules = "Be brief." if more.pop("short", False) else RULES
    await bench.flow(12, pause_s, rules, **more)
    assert bench.vendor.renewals == 0
    record = bench.prefetching.minds.all()[0][1].record("prefix")
    assert (record.won, record.lost > 20) == (0, pause_s == 700)
    await bench.clock.advance(1_000)
    assert len(bench.warmth) == 0


async def test_it_stops_where_the_provider_does_not_keep_it_after_all() -> None:
    """What was sent and is not read then is lost, whatever the provider tells of what it has written."""
    bench = Bench()
    await bench.flow(10, 400)
    bench.vendor.keeps = False
    await bench.flow(40, 400)
    hours = 40 * 3 * 400 / 3_600
    assert 0 < bench.prefetching.outcomes["prefix", "absent"] <= hours + 1


async def test_only_room_to_spare_is_used_and_what_fails_is_left_alone() -> None:
    """As for all that is sent early; nothing is known any more where it is switched off."""
    bench = Bench()
    await bench.flow(10, 400)
    bench.prefetching.calls.available = lambda _name: False
    before = bench.vendor.renewals
    await bench.flow(2, 400)
    assert bench.vendor.renewals == before
    assert bench.prefetching.outcomes["prefix", "busy"] > 0
    await bench.ask(FLOW[0])
    assert len(bench.warmth) == 1
    bench.caching.adopt(CacheSettings.model_validate({"predictive": {"enabled": True, "rungs": ["generation"]}}))
    assert len(bench.warmth) == 0


async def test_a_renewal_that_is_refused_costs_nothing() -> None:
    """As where the budget of the day is spent; the provider hears nothing of it."""
    given = PredictiveSettings(enabled=True, budget_usd_per_day=0)
    bench = Bench(limits=budget_limit(given))
    await bench.flow(10, 400)
    assert bench.vendor.renewals == 0
    assert bench.prefetching.outcomes["prefix", "refused"] > 0
    assert bench.prefetching.calls.spent.total() == 0


async def test_what_is_kept_for_an_hour_saves_what_that_costs() -> None:
    """By the price of writing it for so long, where it has one of its own."""
    for_long = msgspec.structs.replace(PRICE, cache_write_1h_microusd_per_mtok=2_000_000)
    saves = list[int]()
    for ttl in ("5m", "1h"):
        bench = Bench(for_long)
        caching = bench.house.catalog._caching["up"]
        bench.house.catalog._caching = {"up": msgspec.structs.replace(caching, ttl=ttl)}
        await bench.ask(FLOW[0])
        await bench.ask(FLOW[1])
        saves += [kept.saves for kept in bench.warmth._kept.values()]
    assert saves[1] / saves[0] == pytest.approx(1.9 / 1.15)


async def test_nothing_is_sent_with_a_key_that_is_gone() -> None:
    """A prompt may be kept for an hour: its caller may have been let go of in between."""
    bench = Bench()
    bench.warmth.standing = lambda _caller: None
    await bench.flow(10, 400)
    assert bench.vendor.renewals == 0
    assert bench.prefetching.outcomes["prefix", "refused"] > 0


async def test_calls_that_the_cache_of_answers_is_not_for_keep_a_prompt_too() -> None:
    """What begins with it meanwhile, whatever it asks, moves its end."""
    bench = Bench()
    await bench.flow(10, 400)
    await bench.ask(FLOW[0])
    before = bench.vendor.renewals
    for _ in range(4):
        await bench.clock.advance(200)
        await bench.ask("What is new?", temperature=1)
    assert bench.vendor.renewals == before
    await bench.clock.advance(290)
    assert bench.vendor.renewals == before + 1
