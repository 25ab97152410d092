"""A stream under its owner's hand: what is told of it, and what its handle does before there is an answer."""

from __future__ import annotations

import asyncio
import json

import pytest

from narthex.errors import Cancelled, PausedTooLong, StreamEnded, StreamNotKept
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.owned import Owned
from narthex.streams.log import Log
from narthex.streams.stream import Stream
from narthex.types.dialects import Dialect
from narthex.types.usage import Usage

BODY = json.dumps({"model": "a/m", "max_completion_tokens": 8}).encode()


def call(body: bytes = BODY) -> Exchange:
    """Return a streamed call."""
    exchange = Exchange(Dialect.OPENAI_CHAT, body, {})
    exchange.streaming, exchange.model_asked = True, "a/m"
    return exchange


async def test_what_was_asked_is_let_go_at_the_end() -> None:
    """The report stays as it was, without the request, which may be large."""
    exchange, log = call(), Log(Dialect.OPENAI_CHAT)
    owned = Owned(exchange, id="stream-1", owner="key:a", log=log)
    log.append(b"data: x\n\n")
    log.events_total = 1
    assert owned.report().progress.percent == 12.5
    exchange.usage = Usage(input_tokens=3, output_tokens=2)
    log.close()
    await asyncio.sleep(0)
    told = owned.report()
    assert (told.status, told.model, told.progress.limit_tokens, told.usage) == ("done", "a/m", 8, exchange.usage)
    assert owned._exchange is None


@pytest.mark.parametrize("body", [b"", b"[", b'{"max_tokens": "many"}', b"\xff"])
async def test_a_body_without_a_limit_has_none(body: bytes) -> None:
    """Whatever it is: a provider may still understand it."""
    assert Owned(call(body), id="s", owner="o", log=None).report().progress.limit_tokens is None


async def test_one_that_waits_has_no_handle_unless_it_is_kept() -> None:
    """Its caller waits for it on a connection of its own, and can leave."""
    with pytest.raises(StreamNotKept, match="x-narthex-stream-id"):
        Owned(call(), id="s", owner="o", log=None).cancel()


async def test_a_kept_one_is_cancelled_while_it_waits() -> None:
    """The work that brings it is ended, and knows why."""
    owned = Owned(call(), id="s", owner="o", log=Log(Dialect.OPENAI_CHAT))
    work = asyncio.ensure_future(asyncio.sleep(60))
    owned.begun(work)
    owned.pause(60, PausedTooLong())
    assert owned.status == "paused"
    owned.cancel()
    await asyncio.wait([work])
    assert work.cancelled()
    assert isinstance(owned.ending, Cancelled)


async def test_a_pause_that_is_over_in_time_ends_nothing() -> None:
    """Its limit counts from the pause, and is forgotten with it."""
    answer = Stream(Dialect.OPENAI_CHAT)
    exchange = call()
    exchange.answer = answer
    owned = Owned(exchange, id="s", owner="o", log=None)
    owned.pause(0.02, PausedTooLong())
    owned.pause(0.02, PausedTooLong())
    owned.resume()
    owned.resume()
    await asyncio.sleep(0.05)
    assert not answer.closed
    owned.pause(0.01, PausedTooLong())
    await asyncio.sleep(0.05)
    assert isinstance(answer.error, PausedTooLong)
    with pytest.raises(StreamEnded):
        owned.resume()


async def test_gaps_and_rates_are_of_what_came() -> None:
    """From the times of the events."""
    now = [0.0]
    log = Log(Dialect.OPENAI_CHAT, clock=lambda: now[0])
    owned = Owned(call(), id="s", owner="o", log=log)
    for seconds in (0.0, 0.1, 0.2, 2.2):
        now[0] = seconds
        log.append(b"x" * 11)
    progress = owned.report().progress
    assert progress.gaps_ms is not None
    assert (progress.gaps_ms.p50, progress.gaps_ms.longest, progress.gaps_ms.stalls) == (100, 2_000, 1)
    assert (progress.bytes_per_s, progress.events_per_s) == (20.0, 1.8)


async def test_a_pause_that_outlasts_the_answer_has_its_limit_too() -> None:
    """Whoever reads gets what waits, and the end, at last."""
    log = Log(Dialect.OPENAI_CHAT)
    owned = Owned(call(), id="s", owner="o", log=log)
    reader = log.reader()
    owned.pause(0.01, PausedTooLong())
    log.append(b"x")
    log.close()
    assert reader.take() == []
    async with asyncio.timeout(10):
        assert await reader.wait()
    assert (reader.take(), reader.ended, log.error) == ([b"x"], True, None)


async def test_what_a_report_costs_is_bounded() -> None:
    """The request is read through once, and gaps are of the newest events."""
    now = [0.0]
    exchange, log = call(), Log(Dialect.OPENAI_CHAT, clock=lambda: now[0])
    owned = Owned(exchange, id="s", owner="o", log=log)
    assert owned.report().progress.limit_tokens == 8
    exchange.body = b""
    assert owned.report().progress.limit_tokens == 8
    log.append(b"x")
    now[0] = 100.0
    for _ in range(5_000):
        log.append(b"x")
    gaps = owned.report().progress.gaps_ms
    assert gaps is not None
    assert (gaps.longest, gaps.stalls) == (0, 0)
