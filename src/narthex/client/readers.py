"""Reads streamed answers from the pieces they arrive in; an answer without its end is never taken for a whole one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

import msgspec

from narthex.client.calls import broken
from narthex.client.failures import describe, read_error
from narthex.client.http1 import Head
from narthex.client.values import Generation, GenerationEvent
from narthex.errors import BrokenAnswer, ClientError, NarthexError
from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Event, Failed
from narthex.wire.contract import BrokenStream
from narthex.wire.registry import CHAT_WIRES
from narthex.wire.sse import SseEvent, SseParser

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class EventReader(Protocol[T_co]):
    """Reads one streamed answer."""

    complete: bool
    """Whether its end has come."""

    def feed(self, data: bytes) -> Iterator[T_co]:
        """Yield the events that `data` completes.

        Raises:
            NarthexError: The gateway reports in the stream that it failed; what came before was yielded.
            BrokenAnswer: This is no stream of its kind.
        """
        ...

    def close(self) -> Iterator[T_co]:
        """Take note that nothing more comes; yield what this completes.

        Raises:
            BrokenAnswer: The answer has no end.
        """
        ...


class _Delta(msgspec.Struct):
    text: str


_decode_delta = msgspec.json.Decoder(_Delta).decode
_decode_done = msgspec.json.Decoder(Generation).decode


def _truncated(head: Head) -> BrokenAnswer:
    error = BrokenAnswer("the stream was cut before the end of the answer")
    error.request_id = head.headers.get("x-request-id")
    return error


class GenerationReader:
    """Reads the stream of `POST /api/generate`."""

    def __init__(self, head: Head) -> None:
        self.complete = False
        self._head = head
        self._parser = SseParser()

    def feed(self, data: bytes) -> Iterator[GenerationEvent]:
        """Yield the steps that `data` completes."""
        try:
            for event in self._parser.feed(data):
                step = self._read(event)
                if step is not None:
                    yield step
        except (BrokenStream, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise broken("the stream", error, self._head) from error

    def _read(self, event: SseEvent) -> GenerationEvent | None:
        match event.event:
            case "delta":
                return GenerationEvent(text=_decode_delta(event.data).text)
            case "done":
                self.complete = True
                return GenerationEvent(generation=_decode_done(event.data))
            case "error":
                raise read_error(self._head, event.data)
            case _:
                return None

    def close(self) -> Iterator[GenerationEvent]:
        """Take note that nothing more comes."""
        if not self.complete:
            raise _truncated(self._head)
        yield from ()


class ChatReader:
    """Reads the stream of `POST /v1/chat/completions`, or of another dialect of chat."""

    def __init__(self, head: Head, dialect: Dialect = Dialect.OPENAI_CHAT) -> None:
        self.complete = False
        self._head = head
        self._parser = CHAT_WIRES[dialect].parser()

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield the events that `data` completes."""
        try:
            yield from self._checked(self._parser.feed(data))
        except BrokenStream as error:
            raise broken("the stream", error, self._head) from error

    def close(self) -> Iterator[Event]:
        """Take note that nothing more comes."""
        if not self.complete:
            try:
                yield from self._checked(self._parser.close())
            except BrokenStream as error:
                raise _truncated(self._head) from error
        if not self.complete:
            raise _truncated(self._head)

    def _checked(self, events: list[Event]) -> Iterator[Event]:
        for event in events:
            if isinstance(event, Failed):
                raise describe(event.code or event.kind, event.message, self._head)
            self.complete = self.complete or isinstance(event, Ended)
            yield event


class Progress(Generic[T]):
    """How far the reading of one answer has come.

    What was read before a failure is handed out before the failure is raised.
    """

    def __init__(self, reader: EventReader[T]) -> None:
        self._ready: deque[T] = deque()
        self._reader = reader
        self._failure: NarthexError | None = None
        self._over = False

    def take(self) -> T | None:
        """Return the next event read, or None if more must be read first.

        Raises:
            NarthexError: The answer failed here.
        """
        if self._ready:
            return self._ready.popleft()
        if self._failure is not None:
            raise self._failure
        return None

    @property
    def over(self) -> bool:
        """Whether nothing more is to be read."""
        return self._over

    def add(self, piece: bytes) -> None:
        """Read a piece of the body."""
        self._read(self._reader.feed(piece))

    def end(self) -> None:
        """Take note that the body has come to its end."""
        self._over = True
        self._read(self._reader.close())

    def broke(self, error: ClientError) -> None:
        """Take note that the connection broke; behind the end of the answer that means nothing."""
        self._over = True
        if not self._reader.complete:
            self._failure = error

    def leave(self) -> None:
        """Forget what was read: nobody wants it any more."""
        self._over = True
        self._ready.clear()
        self._failure = None

    def _read(self, events: Iterator[T]) -> None:
        try:
            self._ready.extend(events)
        except NarthexError as error:
            self._over = True
            self._failure = error
