"""Answers have their time: fresh, then stale, then nothing; and what is damaged is none."""

from __future__ import annotations

import asyncio
import re

import msgspec
import pytest

from narthex.errors import Failure, ProviderFailed, ProviderRejected
from narthex.testing.wires import openai_answer, openai_frames
from tests.pipeline.doubles import House, streamed, whole
from tests.pipeline.keyed import Tap, turns
from tests.pipeline.recalled import ZERO_STREAM, call, house, how, said

ANSWER = whole(openai_answer("Hello"))
DOWN = ProviderFailed("down", provider="up", failure=Failure.UPSTREAM_ERROR, retryable=False)


class Later:
    """Sets the clock of a cache."""

    def __init__(self, made: House) -> None:
        self._made, self._real = made, made.cache.now_ms

    def by(self, seconds: float) -> None:
        """Have it be so much later."""
        self._made.cache.now_ms = lambda: self._real() + int(seconds * 1_000)


def damage(made: House) -> None:
    """Have the only entry be one that cannot be read."""
    held = next(iter(made.cache.memory))
    held.entry = msgspec.structs.replace(held.entry, form="answer", dialect=None, data=b"\xc1")
    held.made = None


async def test_what_is_old_is_fetched_anew() -> None:
    """After its time an answer is not given any more."""
    _, made = house(ttl_s=60)
    assert await said(made, call()) == "answer 1"
    Later(made).by(61)
    asked = call()
    assert await said(made, asked) == "answer 2"
    assert "fwd=stale" in dict(asked.told)["cache-status"]


async def test_a_stale_answer_is_given_while_a_new_one_is_fetched() -> None:
    """Nobody waits; the one who comes next has the new one, and the call for it is on the bill."""
    provider, made = house(ttl_s=60, stale_while_revalidate_s=30)
    later = Later(made)
    assert await said(made, call()) == "answer 1"
    later.by(70)
    assert await said(made, call()) == "answer 1"
    await made.settled()
    assert len(provider.calls) == 2
    later.by(0)
    assert await said(made, call()) == "answer 2"
    assert [entry.kind for entry in made.entries].count("call") == 2
    assert [entry.way for entry in made.entries if entry.kind == "cache"] == ["stale", "hit"]
    assert made.metrics.active == 0


async def test_a_stale_answer_stands_in_for_an_error() -> None:
    """Where a new one cannot be had, the old one is given, and says so; what failed is in the ledger."""
    _, made = house(ANSWER, DOWN, DOWN, ttl_s=60, stale_if_error_s=30)
    later = Later(made)
    assert await said(made, call()) == "Hello"
    later.by(70)
    asked = call()
    assert await said(made, asked) == "Hello"
    assert how(asked) == "HIT"
    status = dict(asked.told)["cache-status"]
    assert re.fullmatch(r"narthex; fwd=stale; ttl=-1[01]; detail=stale-if-error", status)
    assert [(entry.kind, entry.status) for entry in made.entries] == [
        ("call", "settled"),
        ("call", "failed"),
        ("cache", "settled"),
    ]
    assert made.lines[-1].failure == "upstream_error"
    later.by(95)
    with pytest.raises(ProviderFailed):
        await made.engine.handle(call())


async def test_a_damaged_answer_stands_in_for_nothing() -> None:
    """Where it cannot be read and a new one cannot be had, the error is the provider's."""
    _, made = house(ANSWER, DOWN, ttl_s=60, stale_if_error_s=30)
    await said(made, call())
    damage(made)
    with pytest.raises(ProviderFailed):
        await made.engine.handle(call())


async def test_what_was_let_go_of_meanwhile_stands_in_for_nothing() -> None:
    """Declared void while the call was out, an old answer is not given in place of an error either."""
    tap = Tap()
    _, made = house(ANSWER, tap.reply, ttl_s=60, stale_if_error_s=30)
    await said(made, call())
    Later(made).by(70)
    asking = asyncio.ensure_future(made.engine.handle(call(ZERO_STREAM)))
    await turns()
    made.cache.declare_void(tags=["model:key:local:up/m"])
    await tap.give(DOWN)
    with pytest.raises(ProviderFailed):
        await asking


async def test_whoever_joins_a_call_is_not_given_what_is_older() -> None:
    """The answer that they wait for is none to be kept: the one that is there is still too old, for all of them."""
    cut = whole(openai_answer("cut", finish="length"))
    provider, made = house(ANSWER, cut, whole(openai_answer("new")), ttl_s=60, stale_if_error_s=30)
    await said(made, call())
    Later(made).by(70)
    first, other = call(), call(ZERO_STREAM)
    assert await asyncio.gather(*(said(made, one) for one in (first, other))) == ["cut", "new"]
    assert [how(first), how(other), len(provider.calls)] == ["MISS", "MISS", 3]


async def test_answers_that_are_asked_for_often_are_fetched_before_they_end() -> None:
    """Shortly before its end one of those who ask has it fetched anew, and is given what there is."""
    provider, made = house(ttl_s=60, early_refresh=True)
    await said(made, call())
    held = next(iter(made.cache.memory))
    later = Later(made)
    later.by(30)
    await said(made, call())
    assert len(provider.calls) == 1
    held.entry = msgspec.structs.replace(held.entry, took_ms=29_000)
    for _ in range(50):
        await said(made, call())
    await made.settled()
    assert len(provider.calls) == 1
    later.by(29.99)
    held.entry = msgspec.structs.replace(held.entry, took_ms=1_000_000_000)
    assert await said(made, call()) == "answer 1"
    await made.settled()
    assert len(provider.calls) == 2


async def test_definite_refusals_are_remembered_where_that_is_wanted() -> None:
    """The same question is refused again without a call, for as long as is set."""
    refusal = ProviderRejected("too long", provider="up", failure=Failure.CONTEXT_TOO_LONG, retryable=False)
    provider, made = house(refusal, ANSWER, errors_s=60)
    for _ in range(2):
        with pytest.raises(ProviderRejected, match="too long"):
            await made.engine.handle(call())
    assert len(provider.calls) == 1
    made.cache.clear()
    assert await said(made, call()) == "Hello"


async def test_a_damaged_entry_is_a_miss() -> None:
    """What cannot be read is given up, said in the log, and asked for anew."""
    provider, made = house()
    await said(made, call())
    damage(made)
    assert await said(made, call()) == "answer 2"
    assert await said(made, call()) == "answer 2"
    assert len(provider.calls) == 2
    assert made.cache.figures.misses["damaged"] == 1


async def test_large_answers_are_kept_off_the_loop() -> None:
    """A long answer is made into an entry in a thread, and is there soon."""
    long = "word " * 3_000
    provider, made = house(streamed(openai_frames(long)))
    await said(made, call(ZERO_STREAM))
    await made.settled()
    assert await said(made, call()) == long
    assert len(provider.calls) == 1


async def test_a_stream_may_come_as_fast_as_it_came_first() -> None:
    """Where that is asked for; an answer that came at once comes at once."""
    _, made = house()
    await said(made, call())
    held = next(iter(made.cache.memory))
    held.entry = msgspec.structs.replace(held.entry, output_tokens=50, took_ms=2_000)
    paced, plain = call(ZERO_STREAM, x_narthex_cache="on; pace=original"), call(ZERO_STREAM)
    for one in (paced, plain):
        await said(made, one)
    assert paced.pace is not None
    assert paced.pace.tokens_per_s == 25.0
    assert plain.pace is None
