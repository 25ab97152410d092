"""What comes back from a provider, made into the exchange's answer.

Nothing is a whole answer before its end has been seen: whatever breaks earlier closes the stream with an error.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec

from narthex.errors import (
    Cancelled,
    Failure,
    InternalError,
    MalformedAnswer,
    NarthexError,
    ProviderError,
    TruncatedAnswer,
)
from narthex.pipeline.exchange import Exchange
from narthex.providers.contract import StreamReply
from narthex.streams.stream import Stream
from narthex.types.events import Ended, Event, Failed, Started, UsageReported
from narthex.wire.contract import (
    MalformedStream,
    StreamFailed,
    StreamParser,
    StreamScanner,
    TruncatedStream,
)
from narthex.wire.failures import provider_error


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


class PassingSink:
    """Passes frames on as they are, scanned for what must be known of them."""

    def __init__(self, exchange: Exchange, reply: StreamReply, stream: Stream, scanner: StreamScanner) -> None:
        self._exchange = exchange
        self._reply = reply
        self._stream = stream
        self._scanner = scanner
        self.ended = False

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
            self._reply.hurry()
        elif frames:
            stream.append(frames)

    def close(self) -> None:
        """Pass on what is left, if it is the end."""
        try:
            frames = self._scanner.close()
        finally:
            self._note()
        if frames:
            self._stream.append(frames)

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
        self.ended = False

    def feed(self, data: bytes) -> None:
        """Append the events that this completes."""
        for event in self._parser.feed(data):
            if note(self._exchange, self._stream, event):
                self.ended = True
                self._reply.hurry()

    def close(self) -> None:
        """Append the events that the end completes."""
        for event in self._parser.close():
            self.ended = note(self._exchange, self._stream, event) or self.ended


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
    stream.append(event)
    if isinstance(event, Ended):
        stream.close()
        return True
    return False


async def produce(exchange: Exchange, reply: StreamReply, stream: Stream, sink: Sink) -> None:
    """Carry a provider's streamed reply into our stream, to its end or to an error."""
    provider = _name(exchange)
    try:
        await reply.pump(sink.feed)
        if not sink.ended:
            sink.close()
        stream.close()
    except asyncio.CancelledError:
        stream.close(Cancelled())
        raise
    except StreamFailed as failed:
        if failed.frames:
            stream.append(failed.frames)
        stream.close(provider_error(failed.message, code=failed.code, kind=failed.kind, status=None, provider=provider))
    except TruncatedStream as error:
        stream.close(truncated(provider, str(error)))
    except MalformedStream as error:
        stream.close(_malformed(provider, str(error)))
    except ProviderError as error:
        stream.close(_after_all(sink, error))
    except Exception as error:
        stream.close(InternalError(f"the answer could not be read: {type(error).__name__}"))
        raise


async def relay(exchange: Exchange, events: AsyncIterator[Event], stream: Stream, go_on: asyncio.Event) -> None:
    """Carry a provider's events into our stream, to their end or to an error; waits whenever `go_on` is not set."""
    provider = _name(exchange)
    try:
        async with closing(events):
            async for event in events:
                await go_on.wait()
                if note(exchange, stream, event):
                    return
        stream.close(truncated(provider, "the provider stopped"))
    except asyncio.CancelledError:
        stream.close(Cancelled())
        raise
    except StreamFailed as failed:
        stream.close(provider_error(failed.message, code=failed.code, kind=failed.kind, status=None, provider=provider))
    except NarthexError as error:
        stream.close(error)
    except Exception as error:
        stream.close(InternalError(f"the provider broke: {type(error).__name__}"))
        raise


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
    except (TruncatedStream, MalformedStream):
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


def _malformed(provider: str, why: str) -> MalformedAnswer:
    message = f"{provider}: what it streamed is not an answer: {why}" if why else None
    return MalformedAnswer(message, provider=provider, failure=Failure.MALFORMED, retryable=True)
