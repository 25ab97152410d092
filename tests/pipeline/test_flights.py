"""The table of calls under way."""

from __future__ import annotations

import asyncio

import pytest

from narthex.errors import Failure, LimitExceeded, ProviderFailed
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.flights import Flight, Flights
from narthex.streams.stream import Stream
from narthex.types.dialects import Dialect
from tests.pipeline.doubles import read
from tests.pipeline.recalled import ZERO_STREAM, call


def flight(asked: Exchange, landed: list[Flight] | None = None) -> Flight:
    """Return a flight."""
    return Flight(asked, room_bytes=10_000, landed=([] if landed is None else landed).append)


async def answered(asked: Exchange) -> None:
    """Answer a call at once."""
    asked.answer = Stream.of(b"{}", Dialect.OPENAI_CHAT)


async def test_only_the_one_that_is_there_is_removed() -> None:
    """A call that was asked anew takes the place of the one before, whose end does not remove it."""
    flights, first, second = Flights(), flight(call()), flight(call())
    flights.add(b"k", first)
    flights.add(b"k", second)
    flights.remove(b"k", first)
    assert flights.get(b"k") is second
    flights.remove(b"k", second)
    assert (flights.get(b"k"), len(flights)) == (None, 0)


async def test_it_lands_once() -> None:
    """With its answer, or without one; those who come after that are given it, or try for themselves."""
    landed: list[Flight] = []
    one = flight(call(), landed)
    await one.run(answered)
    assert landed == [one]
    other = call()
    assert await one.join(other) == "given"
    assert other.answer is not None
    assert other.replays is one.kept


@pytest.mark.parametrize("error", [LimitExceeded("no"), RuntimeError("a fault")])
async def test_what_is_no_failure_of_the_provider_is_not_shared(error: Exception) -> None:
    """It may concern only whoever asked first."""
    one = flight(call())

    async def failing(_: Exchange) -> None:
        await asyncio.sleep(0)
        raise error

    joining = asyncio.ensure_future(one.join(call()))
    await asyncio.sleep(0)
    await one.run(failing)
    assert await joining == "again"
    with pytest.raises(type(error)):
        await one.done


async def test_another_form_waits_for_the_end() -> None:
    """Whoever wants it streamed is sent on when the whole answer is there."""
    one = flight(call())
    streamed = call(ZERO_STREAM)
    streamed.read_head()
    joining = asyncio.ensure_future(one.join(streamed))
    await asyncio.sleep(0)
    await one.run(answered)
    assert await joining == "ended"


async def test_each_has_an_error_of_its_own() -> None:
    """Everybody puts their own ID on it."""
    one, failure = flight(call()), ProviderFailed("x", provider="up", failure=Failure.UPSTREAM_ERROR)

    async def failing(_: Exchange) -> None:
        raise failure

    joining = [asyncio.ensure_future(one.join(call())) for _ in range(2)]
    await asyncio.sleep(0)
    await one.run(failing)
    told = await asyncio.gather(*joining, return_exceptions=True)
    assert len({id(error) for error in (*told, failure)}) == 3
    with pytest.raises(ProviderFailed):
        await one.done


async def test_a_stream_that_has_ended_already_is_given_to_all() -> None:
    """To whoever asked first as well, who reads it last."""
    first, others = call(ZERO_STREAM), [call(ZERO_STREAM) for _ in range(2)]
    one = flight(first)

    async def answered_before(asked: Exchange) -> None:
        await asyncio.sleep(0)
        asked.answer = Stream(Dialect.OPENAI_CHAT)
        asked.answer.append(b"said")
        asked.answer.close()

    joining = [asyncio.ensure_future(one.join(other)) for other in others]
    await asyncio.sleep(0)
    await one.run(answered_before)
    assert await asyncio.gather(*joining) == ["given", "given"]
    assert [await read(asked.answer) for asked in (*others, first) if asked.answer is not None] == [[b"said"]] * 3
