"""Make calls under one idempotency key one call, whose answer all of them get.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ describes the header. The first call does
the work, in a task of its own: its caller may lose the connection and come back for the answer, which is what the
header is for. Repeats read what it has written so far from the first frame on, and then follow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from narthex.config.settings import IdempotencySettings
from narthex.errors import Cancelled, DeadlineExceeded, Failure, NarthexError
from narthex.pipeline.contract import Next, Spawn
from narthex.pipeline.digests import digested
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.replay import Kept
from narthex.resilience.decisions import failure_of
from narthex.resilience.idempotency import Entry, IdempotencyPolicy, IdempotencyStore
from narthex.streams.stream import Reader, Stream

_HEADER: Final = b"idempotency-key"
_CHANGING: Final = (b"anthropic-beta", b"anthropic-version", b"openai-beta")
"""Headers beside our own that change the answer."""
_OURS: Final = b"x-narthex-"
_UNCHANGING: Final = (
    b"x-narthex-timeout",
    b"x-narthex-priority",
)
"""How those of our own headers begin that are about the way of the call, and leave the answer as it is."""
_OF_DELIVERY: Final = (
    *(b"x-narthex-stream-id", b"x-narthex-on-disconnect", b"x-narthex-record"),
    *(b"x-narthex-max-tokens-per-second", b"x-narthex-max-bytes-per-second"),
    *(b"x-narthex-min-chunk-bytes", b"x-narthex-flush-ms"),
)
"""Those that say how an answer is given, and leave it as it is."""
_OF_THE_WAY: Final = frozenset(
    {
        *(Failure.CONNECT_TIMEOUT, Failure.FIRST_TOKEN_TIMEOUT, Failure.STALL, Failure.DEADLINE),
        *(Failure.RATE_LIMITED, Failure.OVERLOADED),
    }
)
"""Failures that may come of those: a call that asked for other limits may go well."""


_encode = msgspec.json.Encoder().encode


class Idempotency:
    """Answer repeats of a call from the first one.

    Attributes:
        enabled: Whether the header is heeded.
        store: What is remembered.
    """

    def __init__(self, settings: IdempotencySettings, spawn: Spawn) -> None:
        self.enabled = settings.enabled
        self.store = IdempotencyStore[Kept](_policy(settings))
        self._spawn = spawn

    def adopt(self, settings: IdempotencySettings) -> None:
        """Go by other settings from now on; what they have no room for is forgotten."""
        self.enabled = settings.enabled
        self.store.adopt(_policy(settings))

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[None]:
        """Set `exchange.answer` from an earlier call with the same key, or call on and keep what comes."""
        key = exchange.headers.get(_HEADER)
        if key is None or not self.enabled:
            return call_next(exchange)
        return self._once(exchange, call_next, key.decode("latin-1"))

    async def _once(self, exchange: Exchange, call_next: Next, key: str) -> None:
        assert exchange.caller is not None
        digest = await _digest(exchange)
        try:
            async with asyncio.timeout(exchange.left_s):
                entry, kept = await self.store.claim(tenant=exchange.caller.name, key=key, digest=digest)
        except TimeoutError:
            raise DeadlineExceeded from None
        if kept is None:
            await self._first(exchange, call_next, entry)
        else:
            kept.give(exchange)
            _end_in_time(exchange)

    async def _first(self, exchange: Exchange, call_next: Next, entry: Entry[Kept]) -> None:
        """Have the work done; it goes on if the caller leaves meanwhile."""
        work = _Work(exchange, entry)
        exchange.carried = work.done
        self._spawn(work.run(call_next))
        try:
            await asyncio.shield(work.done)
        finally:
            work.caller_is_served()


class _Work:
    """A call on its way through the rest of the chain, whether or not its caller is still there.

    Attributes:
        done: When there is an answer, or none.
    """

    def __init__(self, exchange: Exchange, entry: Entry[Kept]) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._exchange = exchange
        self._entry = entry
        self._seat: Reader | None = None
        self._served = False

    async def run(self, call_next: Next) -> None:
        """Take the call to its answer."""
        try:
            await call_next(self._exchange)
            self._keep()
        except NarthexError as error:
            error.attempts = self._exchange.story or None
            self._end(error, self._failed)
        except asyncio.CancelledError:
            self._end(Cancelled(), lambda _error: self._entry.abandon())
            raise
        except Exception as error:  # noqa: BLE001 - the engine tells it as what it is, as if no task were between
            self._end(error, lambda _error: self._entry.abandon())
        else:
            if not self.done.done():
                self.done.set_result(None)

    def caller_is_served(self) -> None:
        """Take note that the caller reads by now, or will not."""
        self._served = True
        if self._seat is not None:
            # Later, as it is still on its way to its first read.
            asyncio.get_running_loop().call_soon(self._seat.leave)

    def _end(self, error: Exception, end: Callable[..., None]) -> None:
        end(error)
        if not self.done.done():
            self.done.set_exception(error)

    def _failed(self, error: NarthexError) -> None:
        """Share the failure with those who wait, unless it may come of limits that only this caller asked for."""
        own = any(name.startswith(_UNCHANGING) for name in self._exchange.headers)
        if own and failure_of(error) in _OF_THE_WAY:
            self._entry.abandon()
        else:
            self._entry.fail(error)

    def _keep(self) -> None:
        """Give the answer to those who wait for it, and keep it as it is being written."""
        exchange, entry = self._exchange, self._entry
        answer = exchange.answer
        assert answer is not None
        kept = Kept.of(exchange, answer)
        entry.publish(kept)
        if exchange.instead_of is not None:
            # In place of an error, and no more remembered than that: those who wait share it, others try anew.
            entry.abandon()
            answer.retain(lambda _size: True)
        elif answer.whole:
            entry.finish(answer.bytes_total)
        else:
            self._keep_on(answer, kept)

    def _keep_on(self, answer: Stream, kept: Kept) -> None:
        """Keep a stream as it is being written."""
        self._exchange.source = answer
        # Held until those who were told of it have sat down: without a reader it would be ended.
        self._seat = answer.reader()
        answer.retain(self._entry.grow)
        answer.on_close(lambda stream: self._closed(stream, kept))
        if self._served:
            self.caller_is_served()

    def _closed(self, stream: Stream, kept: Kept) -> None:
        if stream.error is not None:
            self._entry.fail(stream.error)
            return
        kept.complete(self._exchange)
        self._entry.finish(self._entry.size_bytes)


def _policy(settings: IdempotencySettings) -> IdempotencyPolicy:
    return IdempotencyPolicy(**settings.model_dump(exclude={"enabled"}))


async def _digest(exchange: Exchange) -> bytes:
    """Return what tells this call from another: what was asked, where, and under which headers."""
    said = sorted(
        f"{name.decode('latin-1')}: {value.decode('latin-1')}"
        for name, value in exchange.headers.items()
        if name in _CHANGING or (name.startswith(_OURS) and not name.startswith(_UNCHANGING + _OF_DELIVERY))
    )
    where = "\n".join([exchange.operation, exchange.dialect, *said])
    return await digested(where, exchange.body or _encode(exchange.chat_request()))


def _end_in_time(exchange: Exchange) -> None:
    """Have an answer that still comes end for this caller when its own time is over."""
    answer, left_s = exchange.answer, exchange.left_s
    if answer is None or answer.closed or left_s is None:
        return
    timer = asyncio.get_running_loop().call_later(left_s, answer.close, DeadlineExceeded())
    answer.on_close(lambda _stream: timer.cancel())
