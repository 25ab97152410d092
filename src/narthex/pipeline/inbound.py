"""What comes back from a provider, made into the exchange's answer.

Nothing is a whole answer before its end has been seen: whatever breaks earlier closes the stream with an error.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

import msgspec

from narthex.errors import (
    Cancelled,
    Failure,
    InternalError,
    MalformedAnswer,
    NarthexError,
    ProviderError,
    TruncatedAnswer,
    without_frames,
)
from narthex.pipeline.exchange import Exchange
from narthex.providers.contract import StreamReply
from narthex.streams.stream import Stream
from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Event, Failed, Finished, Started, UsageReported, is_content
from narthex.wire.contract import BrokenStream, ChatWire, StreamFailed, StreamParser, TruncatedStream
from narthex.wire.failures import provider_error

MAX_KEPT_BYTES: Final = 4_194_304
"""Largest part of an answer that is kept so that it can be continued elsewhere."""

Rescue = Callable[[Exchange, Stream, NarthexError, Sequence[Event]], Awaitable[None]]
"""Brings a stream that broke to an end, good or bad: the call, the stream, why it broke, what was delivered."""


class Sink(Protocol):
    """Takes the pieces of a provider's stream in, and puts frames on ours."""

    ended: bool
    """Whether the end of the answer has come, so that nothing needs to be waited for."""

    def feed(self, data: bytes) -> None:
        """Take a piece in."""
        ...

    def close(self) -> None:
        """Take note of the end of the response; raises `BrokenStream` if it is not the end of the answer."""
        ...

    def pass_on(self, frames: bytes) -> None:
        """Put frames on our stream that came before a failure."""
        ...

    def delivered(self) -> Sequence[Event] | None:
        """Return what was put on our stream so far; None if that is too much to be kept."""
        ...

    def told(self) -> bool:
        """Tell whether content came since this was asked last; see `narthex.providers.contract.Told`."""
        ...


class PassingSink:
    """Passes frames on as they are, scanned for what must be known of them."""

    def __init__(
        self, exchange: Exchange, reply: StreamReply, stream: Stream, wire: ChatWire, *, hide_usage: bool = False
    ) -> None:
        self._exchange = exchange
        self._reply = reply
        self._stream = stream
        self._wire = wire
        self._scanner = wire.scanner(hide_usage=hide_usage)
        self._passed: list[bytes] = []
        self._looked = 0
        self._hurried = self.ended = False

    def feed(self, data: bytes) -> None:
        """Pass on the whole frames there are."""
        scanner, stream = self._scanner, self._stream
        frames = scanner.feed(data)
        stream.events_total = scanner.events
        if scanner.complete:
            # On the exchange before the stream closes: whoever settles then finds it.
            self._note()
            self.ended = True
            stream.close(last=frames or None)
            self._hurry()
        elif frames:
            stream.append(frames)
            self._passed.append(frames)
            if scanner.finished:
                # A provider that forgets its closing mark, and holds the connection, costs no more than a moment.
                self._hurry()

    def close(self) -> None:
        """Pass on what is left, if it is the end, in one with that."""
        try:
            frames = self._scanner.close()
        finally:
            self._note()
        self._stream.close(last=frames or None)

    def _hurry(self) -> None:
        if not self._hurried:
            self._hurried = True
            self._reply.hurry()

    def pass_on(self, frames: bytes) -> None:
        """Put frames on our stream."""
        self._stream.append(frames)
        self._passed.append(frames)

    def delivered(self) -> Sequence[Event] | None:
        """Return the events in the frames that were passed on."""
        if self._stream.bytes_total > MAX_KEPT_BYTES:
            return None
        return self._wire.parser().feed(b"".join(self._passed))

    def told(self) -> bool:
        """Look at the frames that were passed on, the last first, as that nearly always has some."""
        fresh = self._passed[self._looked :]
        self._looked += len(fresh)
        return any(self._wire.has_content(frames) for frames in reversed(fresh))

    def _note(self) -> None:
        scanner = self._scanner
        self._exchange.usage = scanner.usage
        self._exchange.model_answered = scanner.model


class TranslatingSink:
    """Reads events out of the provider's dialect."""

    def __init__(self, exchange: Exchange, reply: StreamReply, stream: Stream, parser: StreamParser) -> None:
        self._exchange = exchange
        self._reply = reply
        self._stream = stream
        self._parser = parser
        self._delivered: list[Event] = []
        self._looked = 0
        self._hurried = self.ended = False

    def feed(self, data: bytes) -> None:
        """Append the events that this completes."""
        for event in self._parser.feed(data):
            self._delivered.append(event)
            self.ended = note(self._exchange, self._stream, event)
            if self.ended or (isinstance(event, Finished) and not event.choice):
                self._hurry()

    def close(self) -> None:
        """Append the events that the end completes."""
        for event in self._parser.close():
            self.ended = note(self._exchange, self._stream, event) or self.ended

    def _hurry(self) -> None:
        if not self._hurried:
            self._hurried = True
            self._reply.hurry()

    def pass_on(self, frames: bytes) -> None:
        """Do nothing: events are passed on as they are read."""

    def delivered(self) -> Sequence[Event] | None:
        """Return the events that were passed on."""
        return self._delivered if self._stream.bytes_total <= MAX_KEPT_BYTES else None

    def told(self) -> bool:
        """Look at the events that were read."""
        fresh = self._delivered[self._looked :]
        self._looked += len(fresh)
        return any(map(is_content, fresh))


def note(exchange: Exchange, stream: Stream, event: Event) -> bool:
    """Append an event to the stream and keep what must be known of it; True when the answer has ended.

    Raises:
        StreamFailed: The provider reports an error inside the stream.
    """
    if isinstance(event, Failed):
        raise StreamFailed(event.message, code=event.code, kind=event.kind)
    if isinstance(event, UsageReported):
        exchange.usage = event.usage
    elif isinstance(event, Started):
        exchange.model_answered = event.model
        if not event.created_at:
            # Not every dialect tells the time.
            event = msgspec.structs.replace(event, created_at=int(time.time()))
        if exchange.dialect is Dialect.OPENAI_RESPONSES:
            event = msgspec.structs.replace(event, id=response_id_of(exchange))
    if isinstance(event, Ended):
        # In one with the close: nobody reads an end that is not settled.
        stream.close(last=dated(exchange, event))
        return True
    stream.append(event)
    return False


def response_id_of(exchange: Exchange) -> str:
    """Return the ID of the response that a call gets: one that no other has, whatever its provider calls it."""
    return f"resp_{exchange.id.removeprefix('req_')}"


def dated(exchange: Exchange, event: Event) -> Event:
    """Return an event with the time in it, if it is an end and the dialect tells when that was.

    Whoever writes the answer, and whenever, then writes the same.
    """
    if isinstance(event, Ended) and exchange.dialect is Dialect.OPENAI_RESPONSES:
        return Ended(at=int(time.time()))
    return event


async def produce(
    exchange: Exchange, reply: StreamReply, stream: Stream, sink: Sink, rescue: Rescue | None = None
) -> None:
    """Carry a provider's streamed reply into our stream, to its end, to a rescue, or to an error."""
    try:
        error = await _carry(reply, stream, sink, _name(exchange))
        await _conclude(exchange, stream, error, rescue, sink.delivered)
    except asyncio.CancelledError:
        stream.close(Cancelled())
        raise
    except Exception as error:
        stream.close(InternalError(f"the answer could not be read: {type(error).__name__}"))
        raise


async def relay(
    exchange: Exchange,
    events: AsyncIterator[Event],
    stream: Stream,
    go_on: asyncio.Event,
    rescue: Rescue | None = None,
) -> None:
    """Carry a provider's events into our stream, to their end, to a rescue, or to an error.

    Waits whenever `go_on` is not set.
    """
    delivered: list[Event] = []
    try:
        error = await _carry_events(exchange, events, stream, go_on, delivered)
        await _conclude(exchange, stream, error, rescue, lambda: delivered)
    except asyncio.CancelledError:
        stream.close(Cancelled())
        raise
    except Exception as error:
        stream.close(InternalError(f"the provider broke: {type(error).__name__}"))
        raise


async def _carry(reply: StreamReply, stream: Stream, sink: Sink, provider: str) -> NarthexError | None:
    """Feed the sink to the end of the response; return why that is not the end of the answer, if it is not."""
    try:
        await reply.pump(sink.feed, sink.told)
        if not sink.ended:
            sink.close()
    except StreamFailed as failed:
        if failed.frames:
            sink.pass_on(failed.frames)
        return broken(provider, failed)
    except BrokenStream as error:
        return broken(provider, error)
    except ProviderError as error:
        return _after_all(sink, error)
    return None


async def _carry_events(
    exchange: Exchange, events: AsyncIterator[Event], stream: Stream, go_on: asyncio.Event, delivered: list[Event]
) -> NarthexError | None:
    try:
        async with closing(events):
            async for event in events:
                await go_on.wait()
                delivered.append(event)
                if note(exchange, stream, event):
                    return None
    except StreamFailed as failed:
        return broken(_name(exchange), failed)
    except NarthexError as error:
        return error
    return truncated(_name(exchange), "the provider stopped")


async def _conclude(
    exchange: Exchange,
    stream: Stream,
    error: NarthexError | None,
    rescue: Rescue | None,
    delivered: Callable[[], Sequence[Event] | None],
) -> None:
    """End the stream; one that broke after something was delivered may be brought to a good end yet."""
    if error is not None and rescue is not None and stream.frames_total and not stream.closed:
        events = delivered()
        if events is not None:
            if exchange.answer is None:
                # It began and broke in one piece: whoever waited for its first frame keeps the books first.
                await asyncio.sleep(0)
            await rescue(exchange, stream, error, events)
            return
    stream.close(error)


@asynccontextmanager
async def closing(events: AsyncIterator[Event]) -> AsyncIterator[None]:
    """Close an iterator of events on the way out, where it can be closed."""
    try:
        yield
    finally:
        aclose = getattr(events, "aclose", None)
        if aclose is not None:
            await aclose()


def _after_all(sink: Sink, error: ProviderError) -> NarthexError | None:
    """Return what a broken connection means: nothing, if all that was missing is the provider's closing mark."""
    if sink.ended:
        return None
    try:
        sink.close()
    except StreamFailed:
        return error
    except BrokenStream:
        if error.failure is Failure.TRUNCATED:
            return truncated(error.provider, error.message)
        return error
    return None


def _name(exchange: Exchange) -> str:
    return exchange.target.provider.name if exchange.target is not None else ""


def truncated(provider: str, why: str) -> TruncatedAnswer:
    """Return the error of an answer without its end."""
    message = f"{provider}: the answer was cut before its end: {why}" if why else None
    return TruncatedAnswer(message, provider=provider, failure=Failure.TRUNCATED, retryable=True)


def broken(provider: str, error: BrokenStream) -> ProviderError:
    """Return the error of a stream that did not end as an answer ends."""
    # The connection keeps it, as what its response ended with.
    without_frames(error)
    if isinstance(error, StreamFailed):
        return provider_error(error.message, code=error.code, kind=error.kind, status=None, provider=provider)
    if isinstance(error, TruncatedStream):
        return truncated(provider, str(error))
    message = f"{provider}: what it streamed is not an answer: {error}" if str(error) else None
    return MalformedAnswer(message, provider=provider, failure=Failure.MALFORMED, retryable=True)
