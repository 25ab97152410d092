"""Reads streamed answers from the pieces they arrive in; an answer without its end is never taken for a whole one."""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

import msgspec

from narthex.client.calls import broken
from narthex.client.failures import describe, read_error
from narthex.client.http1 import Head
from narthex.client.values import Generation, GenerationEvent
from narthex.errors import BrokenAnswer, ClientError
from narthex.types.events import Ended, Event, Failed
from narthex.wire.contract import BrokenStream
from narthex.wire.openai_chat import OPENAI_CHAT
from narthex.wire.sse import SseEvent, SseParser

T = TypeVar("T")


class EventReader(Protocol[T]):
    """Reads one streamed answer."""

    complete: bool
    """Whether its end has come."""

    def feed(self, data: bytes) -> list[T]:
        """Return the events that `data` completes.

        Raises:
            NarthexError: The gateway reports in the stream that it failed.
            BrokenAnswer: This is no stream of its kind.
        """
        ...

    def close(self) -> list[T]:
        """Take note that nothing more comes; return what this completes.

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

    def feed(self, data: bytes) -> list[GenerationEvent]:
        """Return the steps that `data` completes."""
        try:
            return [step for event in self._parser.feed(data) if (step := self._read(event)) is not None]
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

    def close(self) -> list[GenerationEvent]:
        """Take note that nothing more comes."""
        if not self.complete:
            raise _truncated(self._head)
        return []


class ChatReader:
    """Reads the stream of `POST /v1/chat/completions`."""

    def __init__(self, head: Head) -> None:
        self.complete = False
        self._head = head
        self._parser = OPENAI_CHAT.parser()

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that `data` completes."""
        try:
            return self._checked(self._parser.feed(data))
        except BrokenStream as error:
            raise broken("the stream", error, self._head) from error

    def close(self) -> list[Event]:
        """Take note that nothing more comes."""
        try:
            events = self._checked(self._parser.close()) if not self.complete else []
        except BrokenStream as error:
            raise _truncated(self._head) from error
        if not self.complete:
            raise _truncated(self._head)
        return events

    def _checked(self, events: list[Event]) -> list[Event]:
        for event in events:
            if isinstance(event, Failed):
                raise describe(event.code or event.kind, event.message, self._head)
            self.complete = self.complete or isinstance(event, Ended)
        return events


class Progress(Generic[T]):
    """How far the reading of one answer has come."""

    def __init__(self, reader: EventReader[T]) -> None:
        self.ready: deque[T] = deque()
        """Events read and not yet taken."""
        self.over = False
        """Whether nothing more is to be read."""
        self._reader = reader

    def add(self, piece: bytes) -> None:
        """Read a piece of the body.

        Raises:
            NarthexError: The gateway reports that it failed.
            BrokenAnswer: This is no stream of its kind.
        """
        self.ready.extend(self._reader.feed(piece))

    def end(self) -> None:
        """Take note that the body has come to its end.

        Raises:
            BrokenAnswer: The answer has no end.
        """
        self.over = True
        self.ready.extend(self._reader.close())

    def broke(self, error: ClientError) -> None:
        """Take note that the connection broke; behind the end of the answer that means nothing.

        Raises:
            ClientError: The same, if the answer has no end yet.
        """
        self.over = True
        if not self._reader.complete:
            raise error
