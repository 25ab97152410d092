"""A job's pieces as a reply, within the time that the call allows."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable

import pytest

from narthex.errors import Failure, ProviderTimeout
from narthex.providers.contract import Timeouts
from narthex.providers.embedded.jobs import Job
from narthex.providers.embedded.replies import Clock, stream_reply, whole_reply


def _job(*pieces: bytes, then: Callable[[Job[bytes]], None] = lambda _job: None) -> Job[bytes]:
    job: Job[bytes] = Job(lambda: None)

    def work(this: Job[bytes]) -> None:
        for piece in pieces:
            this.give(piece)
        then(this)

    job.run(work)
    return job


def _hang(job: Job[bytes]) -> None:
    while not job.is_unwanted:
        threading.Event().wait(0.005)


async def test_a_whole_answer_is_put_together() -> None:
    """Signs of life add nothing."""
    job = _job(b"", b"", b'{"a"', b":1}")
    reply = await whole_reply(job, await job.next(), Clock(Timeouts()))
    assert (reply.status, reply.body) == (200, b'{"a":1}')
    assert reply.headers["content-type"] == "application/json"


async def test_a_stream_is_passed_on_piece_by_piece() -> None:
    """First piece included, empty ones left out."""
    job = _job(b"a", b"", b"b", b"c")
    reply = stream_reply(job, await job.next(), Clock(Timeouts()))
    heard: list[bytes] = []
    await reply.pump(heard.append)
    assert heard == [b"a", b"b", b"c"]
    assert reply.headers["content-type"].startswith("text/event-stream")
    reply.hurry()


async def test_a_paused_stream_waits() -> None:
    """Nothing is passed on until it is resumed; nothing is lost."""
    job = _job(b"a", b"b")
    reply = stream_reply(job, await job.next(), Clock(Timeouts()))
    heard: list[bytes] = []
    reply.pause()
    pumping = asyncio.ensure_future(reply.pump(heard.append))
    await asyncio.sleep(0.02)
    assert heard == []
    reply.resume()
    await pumping
    assert heard == [b"a", b"b"]


async def test_a_stalled_stream_is_a_timeout() -> None:
    """Silence beyond `idle_s` ends it, and the work with it."""
    job = _job(b"a", then=_hang)
    reply = stream_reply(job, await job.next(), Clock(Timeouts(idle_s=0.02)))
    with pytest.raises(ProviderTimeout, match="idle_s") as caught:
        await reply.pump(lambda _: None)
    assert caught.value.failure is Failure.STALL
    assert job.is_unwanted


async def test_the_whole_call_has_a_limit() -> None:
    """However lively, it ends at `total_s`."""

    def chat(job: Job[bytes]) -> None:
        while not job.is_unwanted:
            job.give(b"")
            threading.Event().wait(0.002)

    job = _job(b"a", then=chat)
    with pytest.raises(ProviderTimeout, match="total_s") as caught:
        await whole_reply(job, await job.next(), Clock(Timeouts(total_s=0.05)))
    assert caught.value.failure is Failure.DEADLINE


async def test_the_first_piece_has_a_limit_of_its_own() -> None:
    """Before the first piece, `first_token_s` counts."""
    clock = Clock(Timeouts(first_token_s=0.01))
    with pytest.raises(TimeoutError):
        async with clock.until_first():
            await asyncio.sleep(10)
    assert clock.expired(first=True).failure is Failure.FIRST_TOKEN_TIMEOUT


async def test_a_streamed_answer_has_a_limit_for_its_head() -> None:
    """Its head comes with its first piece, so that the shorter of both limits counts; a whole answer has no such."""
    limits = Timeouts(headers_s=0.01, first_token_s=5)
    clock = Clock(limits, is_streaming=True)
    with pytest.raises(TimeoutError):
        async with clock.until_first():
            await asyncio.sleep(10)
    assert "headers_s" in clock.expired(first=True).message
    whole = Clock(limits)
    async with whole.until_first():
        await asyncio.sleep(0.02)
    assert "first_token_s" in whole.expired(first=True).message


async def test_a_reader_that_fails_or_leaves_ends_the_work() -> None:
    """An exception of `feed` is passed on, a cancelled pump is cancelled, and both stop the job."""
    job = _job(b"a", then=_hang)
    reply = stream_reply(job, await job.next(), Clock(Timeouts()))

    def fail(_: bytes) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await reply.pump(fail)
    assert job.is_unwanted

    job = _job(b"a", then=_hang)
    reply = stream_reply(job, await job.next(), Clock(Timeouts()))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await reply.pump(lambda _: None)
    assert job.is_unwanted


async def test_an_answer_that_nobody_reads_is_stopped() -> None:
    """Dropped between its head and its body, a stream does not go on writing for nobody."""
    job = _job(b"a", then=_hang)
    reply = stream_reply(job, await job.next(), Clock(Timeouts()))
    assert not job.is_unwanted
    del reply
    gc.collect()
    assert job.is_unwanted
