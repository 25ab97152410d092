"""Every attempt at every call has its entry, with what it consumed and what that costs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import (
    Failure,
    NarthexError,
    ProviderError,
)
from narthex.ledger.entries import MAX_TAGS_CHARACTERS, Entry, tags_text
from narthex.ledger.records import Ended, encode
from narthex.ledger.verifying import _cost as entry_cost_wrong
from narthex.pipeline.chain import compose
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.merges import Merges
from narthex.pipeline.settle import Settlement
from narthex.pipeline.simulating import Simulation
from narthex.pipeline.stages.attempt import Attempt
from narthex.pipeline.stages.merge import Merge
from narthex.providers.contract import Call, Reply
from narthex.resilience.decisions import Policy
from narthex.routing.cascades import AnswerCheck
from narthex.routing.virtual import Member, VirtualModel
from narthex.tenancy.keys import LOCAL
from narthex.testing.wires import openai_answer, openai_frames
from narthex.types.accounts import Account
from narthex.types.catalog import Price
from narthex.types.usage import Usage
from narthex.wire.anthropic_messages.schema import WireUsage
from narthex.wire.anthropic_messages.usage import usage_of
from tests.pipeline.billed import DOWN, PRICES, call, house
from tests.pipeline.doubles import CHAT, Double, House, exchange, read, streamed, whole
from tests.pipeline.hedged import Hedged, Held


async def test_a_whole_answer_is_one_entry() -> None:
    """With the tokens that its provider told, the cost of exactly those, and a header that tells it."""
    engine = house(Double(whole(openai_answer("hello there")), name="a"))
    one = call(user="ann")
    await engine.engine.handle(one)
    (entry,) = engine.entries
    assert entry.id == f"{one.id}:0"
    assert (entry.status, entry.code, entry.requests, entry.estimated) == ("settled", "ok", 1, False)
    assert (entry.model, entry.provider, entry.end_user, entry.key_id) == ("a/m", "a", "ann", "local")
    assert one.usage is not None
    assert (entry.input_tokens, entry.output_tokens) == (one.usage.input_tokens, one.usage.output_tokens)
    assert entry.cost_picousd == PRICES["a/m"].picousd(one.usage) > 0
    assert dict(one.told)["x-narthex-cost"].startswith("0.0000")


def test_pictures_sound_and_lines_of_batches_are_billed() -> None:
    """Whatever room says that something was consumed, or that a call is a line of a batch, has it in the ledger."""
    price = Price(
        input_microusd_per_mtok=0,
        output_microusd_per_mtok=0,
        image_microusd=40_000,
        audio_second_microusd=100,
        batch_discount_percent=50,
    )
    engine = House(Double(name="a"), price={"a/m": price}.get)
    for is_batch_line in (False, True):
        one = call()
        one.is_batch_line = is_batch_line
        one.target = engine.catalog.resolve("a/m")
        engine.billing.open(one)
        assert one.bill is not None
        engine.billing.close(one, one.bill, Usage(images=2, audio_ms=1_500), None)
    told = [(one.kind, one.images, one.audio_ms, one.requests, one.cost_picousd) for one in engine.entries]
    assert told == [("call", 2, 1_500, 1, 80_150_000_000), ("batch", 2, 1_500, 1, 40_075_000_000)]


ANTHROPIC = Price(
    input_microusd_per_mtok=3_000_000,
    output_microusd_per_mtok=15_000_000,
    cache_read_microusd_per_mtok=300_000,
    cache_write_microusd_per_mtok=3_750_000,
    cache_write_1h_microusd_per_mtok=6_000_000,
)
"""An input token, one and a quarter of it for five minutes, and twice for an hour."""


@given(st.tuples(*[st.integers(0, 10**6)] * 5), st.sampled_from([None, 3_750_000]), st.sampled_from([None, 6_000_000]))
def test_each_kind_of_write_has_its_price(
    counts: tuple[int, ...], for_minutes: int | None, for_an_hour: int | None
) -> None:
    """Each token is charged at the price of its kind, as the provider tells it; without one as the next kind is."""
    fresh, read, short, long, output = counts
    kinds = {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long}
    told = {"input_tokens": fresh, "output_tokens": output, "cache_read_input_tokens": read, "cache_creation": kinds}
    wire = msgspec.convert({**told, "cache_creation_input_tokens": short + long}, WireUsage)
    price = msgspec.structs.replace(
        ANTHROPIC, cache_write_microusd_per_mtok=for_minutes, cache_write_1h_microusd_per_mtok=for_an_hour
    )
    entry = billed(price, usage_of(wire))
    usual = 3_000_000 if for_minutes is None else for_minutes
    hour = usual if for_an_hour is None else for_an_hour
    assert entry.cost_picousd == fresh * 3_000_000 + read * 300_000 + short * usual + long * hour + output * 15_000_000
    assert (entry.cache_write_tokens, entry.cache_write_1h_tokens) == (short + long, long)
    assert entry_cost_wrong(entry, price) == ""


def billed(price: Price, usage: Usage) -> Entry:
    """Return the entry of a call that consumed so much."""
    engine = House(Double(name="a"), price={"a/m": price}.get)
    one = call()
    one.target = engine.catalog.resolve("a/m")
    engine.billing.open(one)
    assert one.bill is not None
    engine.billing.close(one, one.bill, usage, None)
    (entry,) = engine.entries
    return entry


async def test_without_a_price_nothing_is_said_to_cost_nothing() -> None:
    """No version of a price stands on the entry, and no header tells a cost."""
    engine = House(Double(whole(openai_answer("hello")), name="a"))
    one = call()
    await engine.engine.handle(one)
    (entry,) = engine.entries
    assert (entry.price_id, entry.cost_picousd) == ("", 0)
    assert "x-narthex-cost" not in dict(one.told)


async def test_a_failed_attempt_has_an_entry_that_costs_nothing() -> None:
    """The request is counted with the attempt that brought the answer."""
    engine = house(Double(DOWN, name="a"), Double(whole(openai_answer("hello")), name="b"))
    engine.fallbacks = ("b/m",)
    one = call()
    await engine.engine.handle(one)
    first, second = engine.entries
    assert (first.status, first.code, first.cost_picousd, first.requests) == ("failed", "connect", 0, 0)
    assert (second.status, second.way, second.model, second.requests) == ("settled", "fallback", "b/m", 1)
    assert one.usage is not None
    assert second.cost_picousd == PRICES["b/m"].picousd(one.usage)


async def test_a_call_that_no_attempt_could_answer_is_counted_once() -> None:
    """And costs nothing that is known."""
    engine = house(Double(DOWN, name="a"))
    with pytest.raises(NarthexError):
        await engine.engine.handle(call())
    (entry,) = engine.entries
    assert (entry.status, entry.requests, entry.cost_picousd) == ("failed", 1, 0)


async def test_a_stream_that_breaks_is_charged_by_what_came() -> None:
    """Marked as an estimate."""
    frames = openai_frames("one two three")
    engine = house(Double(streamed(frames[: len(frames) // 2]), name="a"))
    engine.stage(Attempt)._rescue.mode = "off"
    one = call(stream=True)
    answer = await engine.engine.handle(one)
    await read(answer)
    assert answer.error is not None
    (entry,) = engine.entries
    assert (entry.status, entry.estimated) == ("cut", True)
    assert entry.output_tokens > 0
    assert entry.cost_picousd > 0


async def test_a_rescued_stream_is_charged_to_both_who_wrote_it() -> None:
    """Each at its own price, for its own part."""
    frames = openai_frames("one two three four five")
    broken = streamed(frames[: len(frames) // 2])
    rest = streamed(openai_frames(" and the end"))
    engine = house(Double(broken, name="a"), Double(rest, name="b"))
    engine.fallbacks = ("b/m",)
    one = call(stream=True)
    answer = await engine.engine.handle(one)
    await read(answer)
    assert answer.error is None
    first, second = engine.entries
    assert (first.status, first.model, first.estimated, first.requests) == ("cut", "a/m", True, 0)
    assert (second.status, second.model, second.requests) == ("settled", "b/m", 1)
    for entry in (first, second):
        assert entry.input_tokens > 0
        assert entry.output_tokens > 0
        price = PRICES[entry.model]
        expected = entry.input_tokens * price.input_microusd_per_mtok
        assert entry.cost_picousd == expected + entry.output_tokens * price.output_microusd_per_mtok


async def test_each_answer_of_a_cascade_is_charged_at_its_own_price() -> None:
    """Also those that did not pass."""
    model = VirtualModel(
        name="thrifty",
        members=(Member(model="a/m"), Member(model="b/m")),
        strategy="cascade",
        check=AnswerCheck(is_json=True),
    )
    doubles = Double(whole(openai_answer("none")), name="a"), Double(whole(openai_answer('{"a": 1}')), name="b")
    engine = house(*doubles, virtual=[model])
    one = call(model="thrifty")
    await engine.engine.handle(one)
    first, second = engine.entries
    assert (first.model, first.status, first.requests) == ("a/m", "cut", 0)
    assert (second.model, second.status, second.requests, second.model_asked) == ("b/m", "settled", 1, "thrifty")
    assert first.cost_picousd > 0
    assert one.usage is not None
    assert first.input_tokens + second.input_tokens == one.usage.input_tokens
    assert first.output_tokens + second.output_tokens == one.usage.output_tokens


async def test_the_prompt_of_who_leaves_before_an_answer_is_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent may be billed by its provider."""
    double = Double(whole(openai_answer("never")), name="a")
    sent = asyncio.Event()

    async def never(_call: Call) -> Reply:
        sent.set()
        await asyncio.Event().wait()
        raise DOWN

    monkeypatch.setattr(double, "send", never)
    engine = house(double)
    waiting = asyncio.ensure_future(engine.engine.handle(call()))
    await sent.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    (entry,) = engine.entries
    assert (entry.status, entry.code, entry.estimated, entry.output_tokens) == ("cut", "cancelled", True, 0)
    assert entry.cost_picousd > 0


async def test_who_leaves_in_the_pause_before_a_retry_pays_nothing_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody was asked then."""
    overloaded = ProviderError("busy", provider="a", failure=Failure.OVERLOADED, retryable=True)
    engine = house(Double(overloaded, whole(openai_answer("late")), name="a"))
    engine.recovery.policy = Policy(retries=1)
    paused = asyncio.Event()

    async def pause(_seconds: float) -> None:
        paused.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(engine.recovery, "sleep", pause)
    waiting = asyncio.ensure_future(engine.engine.handle(call()))
    await paused.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    (entry,) = engine.entries
    assert (entry.status, entry.cost_picousd, entry.requests) == ("failed", 0, 1)


async def left_while_asked(engine: House, one: Exchange, asked: asyncio.Event) -> None:
    """Make a call, and leave as soon as somebody is asked who never answers."""
    waiting = asyncio.ensure_future(engine.engine.handle(one))
    await asyncio.wait_for(asked.wait(), 30)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def never_answering(double: Double, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Have a provider never answer; return what is set once it is asked."""
    asked = asyncio.Event()

    async def never(_call: Call) -> Reply:
        asked.set()
        await asyncio.Event().wait()
        raise DOWN

    monkeypatch.setattr(double, "send", never)
    return asked


async def test_who_leaves_a_call_that_was_made_again_pays_the_prompt_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the attempt that was under way; the one before it had failed."""
    second = Double(whole(openai_answer("never")), name="b")
    engine = house(Double(DOWN, name="a"), second)
    engine.fallbacks = ("b/m",)
    one = call()
    await left_while_asked(engine, one, never_answering(second, monkeypatch))
    first, rest = engine.entries
    assert (first.status, first.cost_picousd) == ("failed", 0)
    assert (rest.status, rest.model, rest.input_tokens) == ("cut", "b/m", len(one.body) // 4)


@pytest.mark.parametrize("left_at", [0, 1])
async def test_who_leaves_a_cascade_pays_each_answer_once(monkeypatch: pytest.MonkeyPatch, left_at: int) -> None:
    """The one that did not pass, and the prompt of the one that was asked then."""
    model = VirtualModel(
        name="thrifty",
        members=(Member(model="a/m"), Member(model="b/m")),
        strategy="cascade",
        check=AnswerCheck(is_json=True),
    )
    first, second = Double(whole(openai_answer("none")), name="a"), Double(whole(openai_answer("{}")), name="b")
    engine = house(first, second, virtual=[model])
    one = call(model="thrifty")
    await left_while_asked(engine, one, never_answering((first, second)[left_at], monkeypatch))
    prompt = len(one.body) // 4
    assert [entry.model for entry in engine.entries] == ["a/m", "b/m"][: left_at + 1]
    assert engine.entries[-1].input_tokens == prompt
    assert engine.entries[-1].output_tokens == 0
    assert sum(entry.requests for entry in engine.entries) == 1
    if left_at:
        told = openai_usage(openai_answer("none"))
        assert (engine.entries[0].input_tokens, engine.entries[0].output_tokens) == told


@pytest.mark.parametrize("hedged", [False, True])
async def test_who_leaves_a_race_pays_the_prompt_of_each_once(hedged: bool) -> None:
    """Of every attempt that was under way."""
    first, second = Held(whole(openai_answer("one"))), Held(whole(openai_answer("two")), name="b")
    engine = Hedged(first, second) if hedged else Hedged(first)
    one = exchange(CHAT)
    waiting = asyncio.ensure_future(engine.engine.handle(one))
    await engine.turns()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    prompt = len(one.body) // 4
    assert [entry.input_tokens for entry in engine.entries] == [prompt] * (2 if hedged else 1)
    assert sum(entry.requests for entry in engine.entries) == 1


async def test_who_leaves_while_a_stream_is_rescued_pays_what_came_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the one who wrote it before it broke."""
    frames = openai_frames("one two three four five")
    second = Double(streamed(frames), name="b")
    engine = house(Double(streamed(frames[: len(frames) // 2]), name="a"), second)
    engine.fallbacks = ("b/m",)
    asked = never_answering(second, monkeypatch)
    one = call(stream=True)
    answer = await engine.engine.handle(one)
    await asyncio.wait_for(asked.wait(), 30)
    answer.cancel()
    await read(answer)
    await engine.tasks.aclose()
    (entry,) = engine.entries
    assert (entry.model, entry.input_tokens) == ("a/m", len(one.body) // 4)
    assert 0 < entry.output_tokens <= answer.events_total


def openai_usage(answer: bytes) -> tuple[int, int]:
    """Return the tokens that an answer tells."""
    usage = msgspec.json.decode(answer)["usage"]
    return usage["prompt_tokens"], usage["completion_tokens"]


@pytest.mark.parametrize(
    "told",
    [
        {"prompt_tokens": -5, "completion_tokens": -7, "total_tokens": -12},
        {"prompt_tokens": 10**30, "completion_tokens": 10**40, "total_tokens": 1},
        {"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 10**25}},
        {"prompt_tokens": 10, "completion_tokens": 1, "completion_tokens_details": {"reasoning_tokens": 10**6}},
    ],
)
async def test_what_no_answer_can_have_consumed_is_not_believed(told: dict[str, object]) -> None:
    """The call is settled, nobody is paid for calling, and the database takes the entry."""
    answer = msgspec.json.encode({**msgspec.json.decode(openai_answer("hello")), "usage": told})
    price = Price(
        input_microusd_per_mtok=1_000_000,
        output_microusd_per_mtok=3_000_000,
        cache_read_microusd_per_mtok=1,
        reasoning_microusd_per_mtok=1,
    )
    engine = House(Double(whole(answer), name="a"), price=lambda _model: price)
    await engine.engine.handle(call())
    (entry,) = engine.entries
    assert entry.status == "settled"
    assert 0 <= entry.cost_picousd < 2**62
    assert 0 <= entry.cache_read_tokens <= entry.input_tokens <= 10**9
    assert 0 <= entry.reasoning_tokens <= entry.output_tokens <= 10**9
    assert encode(Ended(entry.request_id, (entry,)))


async def test_entries_go_by_the_clock_of_the_wall_as_it_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is set, or a machine that slept, does not leave them in the past."""
    engine = house(Double(whole(openai_answer("hello")), name="a"))
    now = time.time() + 86_400
    monkeypatch.setattr(time, "time", lambda: now)
    await engine.engine.handle(call())
    assert abs(engine.entries[0].at - now * 1_000) < 60_000


async def test_tags_of_the_key_cannot_be_changed_by_its_calls() -> None:
    """Others are added to them."""
    engine = house(Double(whole(openai_answer("one")), name="a"))
    one = call()
    one.headers = {b"x-narthex-tags": b"team=other, night"}
    await engine.engine.handle(one)
    (entry,) = engine.entries
    assert entry.tags == "night,team=other"
    keyed = call()
    keyed.headers = {b"x-narthex-tags": b"team=other, night"}
    caller = engine.keyring.caller("local")
    assert caller is not None
    keyed.caller = replace(caller, account=Account(key_id="key_1", tags=(("team", "red"),)))
    engine.billing.open(await _routed(engine, keyed))
    assert keyed.bill is not None
    assert keyed.bill.tags == (("night", ""), ("team", "red"))


async def test_tags_of_the_key_are_not_pushed_out_by_those_of_its_calls() -> None:
    """However many and long these are: who is billed by the key's tags is."""
    engine = house(Double(whole(openai_answer("one")), name="a"))
    one = call()
    one.headers = {b"x-narthex-tags": b", ".join(b"a%02d=%s" % (number, b"x" * 60) for number in range(32))}
    caller = engine.keyring.caller("local")
    assert caller is not None
    one.caller = replace(caller, account=Account(key_id="key_1", tags=(("team", "red"),)))
    engine.billing.open(await _routed(engine, one))
    (written,) = engine.pages.calls.values()
    assert written.tags.endswith(",team=red")
    assert written.tags.startswith("a00=xxx")
    assert len(written.tags) <= MAX_TAGS_CHARACTERS
    assert one.bill is not None
    assert tags_text(one.bill.tags) == written.tags


async def test_an_end_user_is_told_in_a_way_that_every_database_takes() -> None:
    """Without zeros, and as long as the column is."""
    engine = house(Double(whole(openai_answer("hello")), name="a"))
    await engine.engine.handle(call(user="an\0n" + "n" * 500))
    assert engine.entries[0].end_user == "an\ufffdn" + "n" * 196


async def test_anthropics_user_is_the_end_user() -> None:
    """Each dialect has its own word for it."""
    engine = house(Double(whole(openai_answer("one")), name="a"))
    one = call(metadata={"user_id": "u-7"})
    await engine.engine.handle(one)
    assert engine.entries[0].end_user == "u-7"


async def _routed(engine: House, exchange: Exchange) -> Exchange:
    exchange.read_head()
    exchange.target = engine.catalog.resolve("a/m")
    return exchange


async def test_how_far_a_stream_has_come_is_noted_while_it_comes() -> None:
    """Should the process be killed, as much is charged; when it has ended nothing more is noted."""
    frames = openai_frames("one two three")
    engine = house(Double(streamed(frames[:3], hold=True), name="a"))
    one = call(stream=True)
    answer = await engine.engine.handle(one)
    engine.billing.note_progress()
    assert engine.pages.progress == {one.id: answer.events_total}
    answer.cancel()
    await asyncio.sleep(0)
    await read(answer)
    engine.pages.progress.clear()
    engine.billing.note_progress()
    assert engine.pages.progress == {}


async def test_the_choice_of_a_judge_is_told_apart() -> None:
    """It is an entry of the same request, of its own kind, and a request of its own."""
    said = {"a": "one", "b": "two", "j": '{"best": 1}'}
    engine = house(*(Double(whole(openai_answer(text)), name=name) for name, text in said.items()))
    settlement = Settlement(engine.metrics, None, billing=engine.billing)
    merge = Merge(Merges(), settlement, engine.tasks.spawn, check=engine.catalog.resolve, simulation=Simulation())
    headers = {b"x-narthex-merge": b"best_of", b"x-narthex-judge": b"j/m"}
    one = exchange({**CHAT, "model": "merge:a/m,b/m"}, headers=headers)
    one.read_head()
    one.caller = LOCAL
    await merge(one, compose(engine._stages))
    kinds = {entry.model: (entry.kind, entry.requests, entry.request_id) for entry in engine.entries}
    assert kinds == {
        "a/m": ("call", 1, one.id),
        "b/m": ("call", 1, one.id),
        "j/m": ("judge", 1, one.id),
    }
    assert {call.kind for call in engine.pages.calls.values()} == {"call", "judge"}
