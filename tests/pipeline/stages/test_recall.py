"""Answers are given again to those who may have them, whole, and to nobody else; many who ask at once make one call."""

from __future__ import annotations

import asyncio

import pytest

from narthex.errors import (
    Cancelled,
    DeadlineExceeded,
    Failure,
    InvalidRequest,
    LimitExceeded,
    NotCached,
    ProviderError,
    ProviderFailed,
    TruncatedAnswer,
)
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.stages.recall import Recall
from narthex.testing.wires import openai_answer, openai_embeddings, openai_frames, tool_call
from narthex.types.dialects import Dialect, Operation
from tests.pipeline.doubles import MESSAGE, Double, House, exchange, read, streamed, whole
from tests.pipeline.keyed import FRAMES, Tap, turns
from tests.pipeline.recalled import ZERO, ZERO_STREAM, call, house, how, said, text_of

ALICE, BOB = "sk-alice-0123456789", "sk-bob-0123456789ab"
ANSWER = whole(openai_answer("Hello"))
DOWN = ProviderFailed("down", provider="up", failure=Failure.UPSTREAM_ERROR, retryable=False)


# -- given again -------------------------------------------------------------------------------------------------------


async def test_a_question_is_answered_once() -> None:
    """Asked again it is the same answer, byte for byte, under an ID of its own; and its headers say where from."""
    provider, made = house()
    first, again = call(), call()
    body = (await made.engine.handle(first)).body
    assert (await made.engine.handle(again)).body == body
    assert len(provider.calls) == 1
    assert (how(first), how(again)) == ("MISS", "HIT")
    assert dict(again.told)["cache-status"].startswith("narthex; hit; ttl=3")
    assert dict(again.told)["age"] == "0"
    assert first.id != again.id


async def test_what_is_given_again_is_on_nobodys_bill() -> None:
    """The ledger has an entry of no cost, with what was saved; tokens and limits count the first call alone."""
    _, made = house()
    await said(made, call())
    await said(made, call())
    first, again = made.entries
    assert (first.kind, first.requests, first.cost_picousd > 0, first.saved_picousd) == ("call", 1, True, 0)
    assert (again.kind, again.requests, again.cost_picousd, again.input_tokens) == ("cache", 0, 0, 0)
    assert again.saved_picousd == first.cost_picousd
    assert (again.way, again.status, again.code) == ("hit", "settled", "ok")
    assert [line.cache for line in made.lines] == [None, "hit"]
    assert [line.output_tokens for line in made.lines] == [2, 0]


async def test_an_answer_serves_every_surface_and_form() -> None:
    """Asked in one dialect, it answers whole and streamed, in that dialect and in the other."""
    provider, made = house(whole(openai_answer("Hello again")))
    body = {**MESSAGE, "temperature": 0}
    for dialect in (Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES):
        assert await said(made, call(body, dialect)) == "Hello again"
    streamed_one = call({**body, "stream": True})
    assert text_of(await read(await made.engine.handle(streamed_one))) == "Hello again"
    assert how(streamed_one) == "HIT"
    assert len(provider.calls) == 1


async def test_a_stream_is_kept_too() -> None:
    """What came as a stream is given again as one, and whole."""
    provider, made = house(streamed(FRAMES))
    assert await said(made, call(ZERO_STREAM)) == "one two three four"
    assert await said(made, call(ZERO_STREAM)) == "one two three four"
    assert await said(made, call()) == "one two three four"
    assert len(provider.calls) == 1
    assert [entry.kind for entry in made.entries] == ["call", "cache", "cache"]


async def test_vectors_are_kept() -> None:
    """Embeddings are deterministic by themselves."""
    provider, made = house(whole(openai_embeddings([[0.5, 0.25]])))
    bodies = set()
    for _ in range(2):
        asked = exchange({"model": "up/e", "input": "a"}, dialect=Dialect.OPENAI_EMBEDDINGS, operation=Operation.EMBED)
        bodies.add((await made.engine.handle(asked)).body)
    assert len(bodies) == len(provider.calls) == 1


# -- whom it is for ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"temperature": 0.7}, {"temperature": None}, {"logit_bias": {}, "temperature": 1}])
async def test_what_is_not_deterministic_is_asked_each_time(changes: dict[str, object]) -> None:
    """Unless somebody asks for the cache, only `temperature` 0 is answered from it."""
    provider, made = house()
    for _ in range(2):
        asked = call({**ZERO, **changes})
        await made.engine.handle(asked)
        assert how(asked) is None
    assert len(provider.calls) == 2


async def test_whoever_asks_for_the_cache_has_it() -> None:
    """A header says so, with a time and tags of one's own."""
    provider, made = house()
    warm = {**ZERO, "temperature": 1}
    assert await said(made, call(warm, x_narthex_cache="on; tags=a")) == "answer 1"
    assert await said(made, call(warm, x_narthex_cache="on")) == "answer 1"
    assert await said(made, call(warm)) == "answer 2"
    made.cache.declare_void(tags=["tag:key:local:a"])
    assert await said(made, call(warm, x_narthex_cache="on")) == "answer 3"
    assert len(provider.calls) == 3


async def test_no_tenant_gets_anothers_answer() -> None:
    """Two keys that nobody has put together share nothing, whatever they ask for."""
    provider = Double(*(whole(openai_answer(f"answer {number}")) for number in range(4)))
    made = House(provider, keys=[("alice", ALICE), ("bob", BOB)], cache=house()[1].caching.policy.settings)  # type: ignore[union-attr]
    answers = [
        await said(made, call(authorization=f"Bearer {key}", x_narthex_cache="on; shared_by=workspace; namespace=n"))
        for key in (ALICE, BOB, ALICE, BOB)
    ]
    assert answers == ["answer 0", "answer 1", "answer 0", "answer 1"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"x_narthex_cache": "on; namespace=a"}, {"x_narthex_cache": "on; namespace=b"}),
        ({"anthropic_beta": "x"}, {}),
        ({"x_narthex_cache": "on; shared_by=user"}, {"x_narthex_cache": "on"}),
    ],
)
async def test_what_is_told_apart_is_two_questions(first: dict[str, str], second: dict[str, str]) -> None:
    """Another namespace, another header for the provider, another circle: another answer."""
    provider, made = house()
    assert await said(made, call(**first)) == "answer 1"
    assert await said(made, call(**second)) == "answer 2"
    assert await said(made, call(**first)) == "answer 1"
    assert len(provider.calls) == 2


async def test_end_users_are_apart_where_that_is_asked() -> None:
    """With `shared_by=user` two users of one application share nothing."""
    _, made = house(shared_by="user")
    users = ["eve", "eve", "mallory"]
    assert [await said(made, call({**ZERO, "user": user})) for user in users] == ["answer 1", "answer 1", "answer 2"]


# -- what a request says -----------------------------------------------------------------------------------------------


async def test_directives_are_heeded() -> None:
    """`off`, `refresh`, `only` and their cousins of the standard do what they say."""
    provider, made = house()
    asked = call(cache_control="only-if-cached")
    with pytest.raises(NotCached):
        await made.engine.handle(asked)
    assert await said(made, call(x_narthex_cache="off")) == "answer 1"
    assert await said(made, call(cache_control="no-store")) == "answer 2"
    assert await said(made, call()) == "answer 3"
    assert await said(made, call(x_narthex_cache="only")) == "answer 3"
    assert await said(made, call(cache_control="no-cache")) == "answer 4"
    assert await said(made, call(cache_control="max-age=60")) == "answer 4"
    assert len(provider.calls) == 4


async def test_a_directive_that_is_none_is_refused() -> None:
    """The error names the header, and what may stand there."""
    _, made = house()
    with pytest.raises(InvalidRequest, match="on, off, refresh, only"):
        await made.engine.handle(call(x_narthex_cache="maybe"))


async def test_whoever_asks_in_vain_is_told() -> None:
    """Where the cache is off, a call that asks for it says so, and is answered; `only` is not."""
    _, made = house(mode="off")
    asked = call(x_narthex_cache="on")
    await made.engine.handle(asked)
    assert how(asked) == "DISABLED"
    with pytest.raises(NotCached):
        await made.engine.handle(call(x_narthex_cache="only"))


# -- what is not kept --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (openai_answer("cut", finish="length"), "length"),
        (openai_answer("hidden", finish="content_filter"), "content_filter"),
        (openai_answer(""), "empty"),
        (openai_answer(None, finish="tool_calls", tool_calls=[tool_call("f", {})]), "tool_calls"),
    ],
)
async def test_only_whole_answers_without_consequences_are_kept(reply: bytes, reason: str) -> None:
    """What was cut, filtered or empty, or asks for a tool to be run, is not given again."""
    provider, made = house(whole(reply), whole(reply))
    for _ in range(2):
        await made.engine.handle(call())
    assert len(provider.calls) == 2
    assert made.cache.figures.refused == {reason: 2}


async def test_a_stream_that_breaks_is_not_kept() -> None:
    """A truncated answer is never a success, and never one again."""
    broken = streamed(FRAMES[:2])
    provider, made = house(broken, streamed(FRAMES))
    answer = await made.engine.handle(call(ZERO_STREAM))
    await read(answer)
    assert isinstance(answer.error, TruncatedAnswer)
    assert await said(made, call(ZERO_STREAM)) == "one two three four"
    assert len(provider.calls) == 2


async def test_what_was_declared_void_meanwhile_is_not_kept() -> None:
    """An answer that was asked for before a declaration does not come back after it."""
    tap = Tap()
    _, made = house(tap.reply)
    asking = asyncio.ensure_future(made.engine.handle(call(ZERO_STREAM)))
    await tap.give(*FRAMES[:1])
    made.cache.declare_void(tags=["model:key:local:up/m"])
    await tap.end(1)
    await read(await asking)
    assert not len(made.cache.memory)


async def test_tool_calls_are_kept_where_that_is_wanted() -> None:
    """A setting says that running a tool again does no harm."""
    reply = openai_answer(None, finish="tool_calls", tool_calls=[tool_call("f", {})])
    provider, made = house(whole(reply), tool_calls=True)
    bodies = {(await made.engine.handle(call())).body for _ in range(2)}
    assert len(bodies) == len(provider.calls) == 1


# -- many at once ------------------------------------------------------------------------------------------------------


async def test_a_thousand_who_ask_at_once_make_one_call() -> None:
    """They are all answered by it, live, each to the end."""
    tap = Tap()
    provider, made = house(tap.reply)
    calls = [call(ZERO_STREAM) for _ in range(1_000)]
    tasks = [asyncio.ensure_future(made.engine.handle(one)) for one in calls]
    await turns()
    await tap.give(*FRAMES[:2])
    answers = await asyncio.gather(*tasks)
    readers = [asyncio.ensure_future(read(answer)) for answer in answers]
    await tap.end(2)
    texts = {text_of(frames) for frames in await asyncio.gather(*readers)}
    assert texts == {"one two three four"}
    assert len(provider.calls) == 1
    assert {how(one) for one in calls[1:]} == {"JOINED"}
    kinds = [entry.kind for entry in made.entries]
    assert (kinds.count("call"), kinds.count("cache")) == (1, 999)
    assert {entry.saved_picousd > 0 for entry in made.entries if entry.kind == "cache"} == {True}


@pytest.mark.parametrize("by_key", [False, True])
async def test_nobody_joins_a_call_that_was_overtaken(by_key: bool) -> None:
    """What it was asked for was declared void since, by a tag or by its key: another one goes out, and is kept."""
    tap = Tap()
    provider, made = house(tap.reply, whole(openai_answer("new")))
    first = asyncio.ensure_future(said(made, call(ZERO_STREAM)))
    await tap.give(*FRAMES[:2])
    if by_key:
        made.cache.forget([next(iter(made.stage(Recall).flights._flights))])
    else:
        made.cache.declare_void(tags=["model:key:local:up/m"])
    assert await said(made, call()) == "new"
    await tap.end(2)
    assert await first == "one two three four"
    assert await said(made, call()) == "new"
    assert len(provider.calls) == 2


async def test_whoever_comes_late_reads_from_the_first_frame_on() -> None:
    """A call that joins in the middle misses nothing; one in another form waits for the end."""
    tap = Tap()
    provider, made = house(tap.reply)
    first = asyncio.ensure_future(made.engine.handle(call(ZERO_STREAM)))
    await tap.give(*FRAMES[:3])
    reading = asyncio.ensure_future(read(await first))
    await turns()
    late, other = call(ZERO_STREAM), call()
    late_answer = await made.engine.handle(late)
    whole_one = asyncio.ensure_future(said(made, other))
    await tap.end(3)
    assert text_of(await read(late_answer)) == text_of(await reading) == "one two three four"
    assert await whole_one == "one two three four"
    assert (how(late), how(other), len(provider.calls)) == ("JOINED", "JOINED", 1)
    assert (made.cache.figures.hits, made.cache.figures.misses) == ({"joined": 2}, {"absent": 1})


async def test_a_leader_that_leaves_does_no_harm_to_the_others() -> None:
    """Whoever asked first goes, before the first frame or after it: the others have the whole answer."""
    for given in (0, 2):
        tap = Tap()
        provider, made = house(tap.reply)
        first = asyncio.ensure_future(made.engine.handle(call(ZERO_STREAM)))
        await turns()
        other = asyncio.ensure_future(made.engine.handle(call(ZERO_STREAM)))
        await turns()
        await tap.give(*FRAMES[:given])
        if given:
            (await first).reader().leave()
        else:
            first.cancel()
            await turns()
        await tap.end(given)
        assert text_of(await read(await other)) == "one two three four"
        assert len(provider.calls) == 1
        assert len(made.cache.memory) == 1


async def test_who_waits_for_the_end_keeps_the_call_alive() -> None:
    """Everybody who reads it as it comes may leave: one in another form still has it whole."""
    tap = Tap()
    provider, made = house(tap.reply)
    first = asyncio.ensure_future(made.engine.handle(call(ZERO_STREAM)))
    await tap.give(*FRAMES[:2])
    other = asyncio.ensure_future(said(made, call()))
    await turns()
    (await first).reader().leave()
    await tap.end(2)
    assert await other == "one two three four"
    assert len(provider.calls) == 1


async def test_an_answer_that_is_too_large_holds_nobody_up() -> None:
    """Those who would have to have all of it at once make calls of their own, and the first goes on."""
    frames = openai_frames("word " * 100)
    provider, made = house(streamed(frames), whole(openai_answer("short")), max_entry_bytes=1_024)
    answer = await made.engine.handle(call(ZERO_STREAM))
    other = asyncio.ensure_future(said(made, call()))
    await turns()
    assert text_of(await read(answer)) == "word " * 100
    assert await other == "short"
    assert len(provider.calls) == 2


async def test_with_the_last_who_wants_it_the_call_ends() -> None:
    """Nobody is left: the provider is not kept busy for the cache's sake."""
    tap = Tap()
    _, made = house(tap.reply)
    tasks = [asyncio.ensure_future(made.engine.handle(call(ZERO_STREAM))) for _ in range(3)]
    await turns()
    for task in tasks:
        task.cancel()
    await turns()
    await made.settled()
    assert made.metrics.active == 0
    assert {entry.kind for entry in made.entries} == {"call"}

    tap = Tap()
    _, made = house(tap.reply)
    tasks = [asyncio.ensure_future(made.engine.handle(call(ZERO_STREAM))) for _ in range(3)]
    await turns()
    await tap.give(*FRAMES[:2])
    for answer in await asyncio.gather(*tasks):
        answer.reader().leave() if answer.dialect is not None else None
        answer.cancel()
    await turns()
    await made.settled()
    assert "cancelled" in tap.notes
    assert not len(made.cache.memory)


async def test_a_failure_of_the_provider_is_everybodys() -> None:
    """Those who wait are told the same, each with an error of its own; whoever comes later tries anew."""
    provider, made = house(DOWN, ANSWER)
    calls = [call() for _ in range(5)]
    results = await asyncio.gather(*(made.engine.handle(one) for one in calls), return_exceptions=True)
    assert all(isinstance(result, ProviderFailed) for result in results)
    assert len({id(result) for result in results}) == 5
    assert {result.request_id for result in results if isinstance(result, ProviderError)} == {one.id for one in calls}
    assert await said(made, call()) == "Hello"
    assert len(provider.calls) == 2


async def test_what_concerns_one_caller_alone_is_not_told_to_others() -> None:
    """If the first is refused by a limit of its own, another goes in its place."""
    provider, made = house(ANSWER)
    refusals = iter([LimitExceeded("no more")])
    open_ = made.billing.open

    def refusing(exchange: Exchange, *, limited: bool = True) -> None:
        error = next(refusals, None)
        if error is not None:
            raise error
        open_(exchange, limited=limited)

    made.billing.open = refusing  # type: ignore[method-assign]
    results = await asyncio.gather(*(made.engine.handle(call()) for _ in range(4)), return_exceptions=True)
    assert [isinstance(result, LimitExceeded) for result in results] == [True, False, False, False]
    assert len(provider.calls) == 1


async def test_nobody_waits_for_longer_than_they_said() -> None:
    """A call that joins has its own time."""
    tap = Tap()
    _, made = house(tap.reply)
    first = asyncio.ensure_future(made.engine.handle(call(ZERO_STREAM)))
    await turns()
    with pytest.raises(DeadlineExceeded):
        await made.engine.handle(call(ZERO_STREAM, x_narthex_timeout="0.05"))
    first.cancel()
    await turns()
    with pytest.raises((asyncio.CancelledError, Cancelled)):
        await first
