"""A job's pieces as a reply, within the time that the call allows."""

from __future__ import annotations

import asyncio
import weakref

from narthex.errors import ProviderTimeout
from narthex.providers.contract import Feed, StreamReply, Timeouts, Told, WholeReply
from narthex.providers.embedded.jobs import Job
from narthex.providers.expiry import Phase, expired

PROVIDER = "local"
_JSON = {"content-type": "application/json"}
_EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}


class Clock:
    """The time left for one call."""

    def __init__(self, timeouts: Timeouts, *, is_streaming: bool = False) -> None:
        """Start at once.

        Args:
            timeouts: Of the call.
            is_streaming: Whether the answer is streamed: its head then comes with its first piece.
        """
        self._timeouts = timeouts
        now = asyncio.get_running_loop().time()
        self._heads = is_streaming and timeouts.headers_s < timeouts.first_token_s
        self._first_at = now + (timeouts.headers_s if self._heads else timeouts.first_token_s)
        self._end_at = now + timeouts.total_s

    def until_first(self) -> asyncio.Timeout:
        """Limit what comes before the first piece: waiting for a place, loading, reading the prompt."""
        return asyncio.timeout_at(min(self._first_at, self._end_at))

    def until_next(self) -> asyncio.Timeout:
        """Limit the wait for one more piece."""
        now = asyncio.get_running_loop().time()
        return asyncio.timeout_at(min(now + self._timeouts.idle_s, self._end_at))

    def expired(self, *, first: bool) -> ProviderTimeout:
        """Say which limit was met."""
        limits = self._timeouts
        if asyncio.get_running_loop().time() >= self._end_at:
            return expired(PROVIDER, Phase.TOTAL, limits.total_s)
        if not first:
            return expired(PROVIDER, Phase.IDLE, limits.idle_s)
        if self._heads:
            return expired(PROVIDER, Phase.HEADERS, limits.headers_s)
        return expired(PROVIDER, Phase.FIRST_TOKEN, limits.first_token_s)


async def whole_reply(job: Job[bytes], first: bytes | None, clock: Clock) -> WholeReply:
    """Put the pieces together; empty ones are signs of life."""
    pieces = [first or b""]
    try:
        while (piece := await _next(job, clock)) is not None:
            pieces.append(piece)
    finally:
        job.cancel()
    return WholeReply(status=200, headers=_JSON, body=b"".join(pieces))


def stream_reply(job: Job[bytes], first: bytes | None, clock: Clock) -> StreamReply:
    """Pass the pieces on as they come."""
    pumping = _Pumping(job, first, clock)
    return StreamReply(
        status=200,
        headers=_EVENT_STREAM,
        pump=pumping.pump,
        pause=pumping.pause,
        resume=pumping.resume,
        hurry=pumping.hurry,
    )


async def _next(job: Job[bytes], clock: Clock) -> bytes | None:
    try:
        async with clock.until_next():
            return await job.next()
    except TimeoutError as error:
        raise clock.expired(first=False) from error


class _Pumping:
    """One streamed answer. Dropped without being read, it ends its job."""

    def __init__(self, job: Job[bytes], first: bytes | None, clock: Clock) -> None:
        self._job = job
        self._first = first
        self._clock = clock
        self._may_go_on = asyncio.Event()
        self._may_go_on.set()
        weakref.finalize(self, job.cancel).atexit = False

    async def pump(self, feed: Feed, told: Told | None = None) -> None:
        """See `Pump`."""
        try:
            piece = self._first
            while piece is not None:
                await self._may_go_on.wait()
                if piece:
                    feed(piece)
                piece = await _next(self._job, self._clock)
        finally:
            self._job.cancel()

    def pause(self) -> None:
        """Keep what comes; an answer is no longer than the model's window."""
        self._may_go_on.clear()

    def resume(self) -> None:
        """Pass on again."""
        self._may_go_on.set()

    def hurry(self) -> None:
        """Nothing: after the last piece there is nothing to wait for."""
