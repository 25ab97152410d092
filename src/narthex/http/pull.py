"""An answer that is asked for piece by piece, by the doors that do not write to their connection themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Final, cast

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from narthex.errors import NarthexError
from narthex.http.heartbeat import COMMENT, Heartbeat, sign_of_life
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.writing import LastWords
from narthex.streams.log import Log
from narthex.streams.stream import Stream
from narthex.streams.throttle import Pace, paced
from narthex.types.dialects import Dialect
from narthex.types.events import Event

STREAM_HEADERS: Final = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}


class Pull:
    """One streamed answer, followed from where it is held on."""

    __slots__ = ("_answer", "_encode", "_is_sign_due", "_last_words", "_reader", "_sign", "_waiter", "_written")

    def __init__(
        self,
        answer: Stream,
        *,
        encode: Callable[[Event], bytes] | None,
        last_words: LastWords,
        after: int = 0,
        sign: bytes = COMMENT,
    ) -> None:
        """Begin to follow.

        Args:
            answer: What is followed.
            encode: Writes an event for the caller; None if the answer's frames are written already.
            last_words: Returns the frames that tell why an answer is not whole.
            after: Events of a kept answer that the caller has already.
            sign: The sign of life.
        """
        self._answer = answer
        self._encode = encode
        self._last_words = last_words
        self._sign = sign
        self._is_sign_due = False
        self._waiter: asyncio.Future[None] | None = None
        self._written = 0
        self._reader = answer.reader(self._wake, after=after)

    @property
    def progress(self) -> int:
        """A figure that is another one whenever something was written since."""
        return self._written

    def keep_alive(self) -> None:
        """Have a sign of life be the next piece, if nothing else is."""
        # Somebody who does not wait for a piece has not taken the last one yet.
        if self._waiter is not None:
            self._is_sign_due = True
            self._wake()

    async def pieces(self, heartbeat: Heartbeat) -> AsyncGenerator[bytes]:
        """Yield what is to be written, to the end of the answer or to the error it ends with.

        Raises:
            ReaderDropped: The caller fell too far behind.

        Closing the iterator ends the call to the provider, unless the answer is kept for others.
        """
        heartbeat.add(self)
        try:
            while not self._reader.ended:
                data = self._take()
                if data:
                    self._written += 1
                    yield data
                else:
                    await self._wait()
            if self._answer.error is not None and not self._answer.tells_error:
                yield self._last_words(self._answer.error)
        finally:
            heartbeat.discard(self)
            self.leave()

    def leave(self) -> None:
        """Follow no longer."""
        self._reader.leave()

    def _take(self) -> bytes:
        frames, encode = self._reader.take(), self._encode
        is_sign_due, self._is_sign_due = self._is_sign_due, False
        if encode is not None:
            data = b"".join([encode(cast("Event", frame)) for frame in frames])
        else:
            data = b"".join(cast("list[bytes]", frames))
        return data or (self._sign if is_sign_due else b"")

    async def _wait(self) -> None:
        """Wait until there is something new."""
        if self._reader.ended or self._reader.has_new:
            # It came while what was before it was taken.
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class EventStream(StreamingResponse):
    """Events on their way to a caller, who may have left before the first of them was asked for."""

    def __init__(
        self, pieces: AsyncIterator[bytes], *, leave: Callable[[], object], headers: Mapping[str, str]
    ) -> None:
        """Take the events.

        Args:
            pieces: Them.
            leave: Ends the following of what they come from; called at the end, whether or not one was asked for.
            headers: Of the answer.
        """
        super().__init__(pieces, media_type="text/event-stream", headers={**headers, **STREAM_HEADERS})
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            # A generator that was never begun ends nothing.
            self._leave()


def pull(exchange: Exchange, answer: Stream, *, encode: Callable[[Event], bytes] | None, last_words: LastWords) -> Pull:
    """Follow the answer to a call, at the pace that is set for it."""
    sign = sign_of_life(exchange.dialect, numbered=isinstance(answer, Log))
    after = exchange.after
    if exchange.pace is not None:
        answer = paced(answer, exchange.pace, dialect=exchange.dialect, encode=encode, after=after)
        encode, after = None, 0
    return Pull(answer, encode=encode, last_words=last_words, after=after, sign=sign)


def pull_log(log: Log, pace: Pace | None, *, after: int) -> Pull:
    """Follow a kept answer behind the event with this number, at a pace if there is one.

    Raises:
        CursorAhead: There is no such event yet.
        EventsForgotten: The next event is no longer held.
    """
    dialect = log.dialect or Dialect.NATIVE
    sign = sign_of_life(dialect, numbered=True)
    if pace is None:
        return Pull(log, encode=None, last_words=_no_words, after=after, sign=sign)
    return Pull(paced(log, pace, dialect=dialect, after=after), encode=None, last_words=_no_words, sign=sign)


def _no_words(_error: NarthexError) -> bytes:
    """Say nothing: a log tells its error itself."""
    return b""
