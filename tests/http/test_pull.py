"""A door that asks for an answer piece by piece gets all of it, in order, with signs of life in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from narthex.errors import Cancelled, CursorAhead, NarthexError
from narthex.http.heartbeat import COMMENT, Heartbeat
from narthex.http.pull import EventStream, Pull, pull, pull_log
from narthex.pipeline.exchange import Exchange
from narthex.streams.log import Log, LogBounds, ReaderDropped
from narthex.streams.stream import Stream
from narthex.streams.throttle import Pace
from narthex.types.dialects import Dialect
from narthex.types.events import Event, TextDelta

OPENAI = Dialect.OPENAI_CHAT


def words(error: NarthexError) -> bytes:
    """Say why an answer is not whole."""
    return b"error: " + error.code.encode()


def text_of(event: Event) -> bytes:
    """Write the text of an event."""
    return event.text.encode() if isinstance(event, TextDelta) else b""


async def all_of(pieces: AsyncIterator[bytes]) -> list[bytes]:
    """Return every piece to the end."""
    return [piece async for piece in pieces]


async def settle() -> None:
    """Let tasks run until they wait."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_is_there_is_one_piece() -> None:
    """Frames that are there together are given together, and then the end."""
    stream = Stream(OPENAI)
    stream.append(b"a")
    stream.append(b"b")
    stream.close()
    assert await all_of(Pull(stream, encode=None, last_words=words).pieces(Heartbeat())) == [b"ab"]


async def test_what_comes_later_is_waited_for() -> None:
    """Each frame is a piece, events without words are none, and the error comes last."""
    stream = Stream(None)
    task = asyncio.ensure_future(all_of(Pull(stream, encode=text_of, last_words=words).pieces(Heartbeat())))
    for text in ("a", "", "b"):
        await settle()
        stream.append(TextDelta(text=text))
    await settle()
    stream.close(Cancelled())
    assert await task == [b"a", b"b", b"error: cancelled"]


async def test_what_comes_while_a_piece_is_taken_is_not_missed() -> None:
    """A producer that goes on within the taking is heard, though nobody waits at that moment."""
    stream = Stream(None)
    stream.throttle(lambda: None, lambda: stream.append(TextDelta(text="b")), high_water_bytes=0)
    stream.append(TextDelta(text=""))
    pieces = Pull(stream, encode=text_of, last_words=words).pieces(Heartbeat())
    assert await asyncio.wait_for(anext(pieces), 30) == b"b"
    await pieces.aclose()


async def test_a_silent_stream_gives_a_sign_of_life() -> None:
    """A sign is a piece of its own, only while nothing else comes, and counts for no progress."""
    stream, beat = Stream(OPENAI), Heartbeat(10.0)
    pulled = Pull(stream, encode=None, last_words=words)
    pieces = pulled.pieces(beat)
    coming = asyncio.ensure_future(anext(pieces))
    await settle()
    beat.sweep(0.0)
    beat.sweep(10.0)
    assert await coming == COMMENT
    # Nobody waits: what was given is not taken yet.
    pulled.keep_alive()
    stream.append(b"a")
    assert await anext(pieces) == b"a"
    coming = asyncio.ensure_future(anext(pieces))
    await settle()
    pulled.keep_alive()
    stream.append(b"b")
    assert await coming == b"b"
    stream.close()
    with pytest.raises(StopAsyncIteration):
        await anext(pieces)
    assert len(beat) == 0


async def test_who_leaves_ends_the_call() -> None:
    """Closing the iterator while it waits leaves the stream, and the watch over it."""
    ended: list[bool] = []
    stream, beat = Stream(OPENAI), Heartbeat()
    stream.cancel = lambda: ended.append(True)
    coming = asyncio.ensure_future(all_of(Pull(stream, encode=None, last_words=words).pieces(beat)))
    await settle()
    assert len(beat) == 1
    coming.cancel()
    await asyncio.wait({coming})
    assert ended == [True]
    assert len(beat) == 0


@pytest.mark.parametrize("pace", [None, Pace(min_chunk_bytes=100)])
async def test_a_call_has_its_pace(pace: Pace | None) -> None:
    """What is gathered comes in one piece; without a pace everything comes as it comes."""
    exchange = Exchange(OPENAI, b"{}", {})
    exchange.pace = pace
    stream = Stream(None)
    task = asyncio.ensure_future(all_of(pull(exchange, stream, encode=text_of, last_words=words).pieces(Heartbeat())))
    for text in "abc":
        await settle()
        stream.append(TextDelta(text=text))
    await settle()
    stream.close()
    assert await task == ([b"a", b"b", b"c"] if pace is None else [b"abc"])


async def test_a_stream_that_is_halted_is_waited_for() -> None:
    """Paused delivery gives nothing, not even its end, until it goes on; signs of life come all the same."""
    stream = Stream(OPENAI)
    pulled = Pull(stream, encode=None, last_words=words)
    pieces = pulled.pieces(Heartbeat())
    stream.append(b"a")
    stream.pause_delivery()
    stream.close()
    coming = asyncio.ensure_future(anext(pieces))
    await settle()
    pulled.keep_alive()
    assert await coming == COMMENT
    coming = asyncio.ensure_future(anext(pieces))
    await settle()
    assert not coming.done()
    stream.resume_delivery()
    assert await coming == b"a"
    await pieces.aclose()


@pytest.mark.parametrize("pace", [None, Pace(tokens_per_s=1_000)])
async def test_a_kept_answer_is_followed_from_an_event_on(pace: Pace | None) -> None:
    """What the caller has does not come again, and an error that stands in the log comes once."""
    log = Log(OPENAI)
    for frame in (b"id: x:1\ndata: a\n\n", b"id: x:2\ndata: b\n\n"):
        log.append(frame)
    log.close(Cancelled())
    pieces = await all_of(pull_log(log, pace, after=1).pieces(Heartbeat()))
    assert pieces == [b"id: x:2\ndata: b\n\n"]
    with pytest.raises(CursorAhead):
        pull_log(log, pace, after=3)


async def test_who_is_too_far_behind_gets_no_end() -> None:
    """A caller that was dropped is cut off, so that nobody takes the answer for whole."""
    log = Log(OPENAI, LogBounds(reader_lag_bytes=1_000))
    log.detached = True
    pieces = pull_log(log, None, after=0).pieces(Heartbeat())
    log.append(b"a")
    assert await anext(pieces) == b"a"
    for _ in range(2):
        log.append(b"x" * 20_000)
    with pytest.raises(ReaderDropped):
        await anext(pieces)


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
async def test_who_leaves_before_the_first_piece_has_left(spec_version: str) -> None:
    """The call is ended as for all who leave, though nothing was asked for yet."""
    stream = Stream(OPENAI)
    ended: list[str] = []
    stream.cancel = lambda: ended.append("cancelled")
    pulled = Pull(stream, encode=None, last_words=words)
    answer = EventStream(pulled.pieces(Heartbeat()), leave=pulled.leave, headers={})

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_message: Message) -> None:
        if spec_version == "2.4":
            raise OSError
        await asyncio.Event().wait()

    scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": spec_version}}
    with suppress(ClientDisconnect):
        await answer(scope, receive, send)
    assert ended == ["cancelled"]
