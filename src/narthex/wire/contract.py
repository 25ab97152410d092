"""What a dialect of chat must be able to do.

Four directions, each whole and streamed: a request read from a client and written for a provider, an answer read from
a provider and written for a client. Whole and streamed answers share one mapping. What a target cannot carry raises
`UnsupportedContent` if it is content, and is dropped and named if it is tuning.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from narthex.errors import NarthexError, ProviderError
from narthex.types.answers import ChatAnswer
from narthex.types.dialects import Dialect
from narthex.types.events import Event
from narthex.types.requests import ChatRequest
from narthex.types.usage import Usage


class Encoded(msgspec.Struct, frozen=True, kw_only=True):
    """A request written for a provider."""

    body: bytes
    dropped: tuple[str, ...] = ()
    """Tuning that the target cannot carry, by the field names of `ChatRequest`; named to the caller in a header."""


class StreamParser(Protocol):
    """Reads a provider's streamed answer, whatever the pieces it arrives in.

    One malformed event in an otherwise healthy stream is skipped and counted.
    """

    skipped: int
    """Malformed events passed over so far."""

    def feed(self, data: bytes) -> list[Event]:
        """Return the events completed by `data`; `Ended` is the last of a whole answer."""
        ...

    def close(self) -> list[Event]:
        """Take note that the connection has ended.

        Returns the events that this completes: `Ended`, if all that was missing is the provider's closing mark.

        Raises:
            MalformedStream: Nothing in the stream was an event of this dialect.
            TruncatedStream: The answer has no end.
        """
        ...


class StreamEncoder(Protocol):
    """Writes events for a client, as frames of its dialect."""

    def encode(self, event: Event) -> bytes:
        """Return the frames for `event`: none, one or several."""
        ...

    def error(self, error: NarthexError, request_id: str) -> bytes:
        """Return the frames that end the stream with an error instead of an end."""
        ...


class StreamScanner(Protocol):
    """Watches a stream that passes through unchanged: no decoding beyond what the promises need."""

    usage: Usage | None
    """What the provider reported so far."""
    complete: bool
    """Whether the end of the answer has been seen."""
    model: str | None
    """The model that the provider named."""
    events: int
    """Frames passed on so far."""

    @property
    def finished(self) -> bool:
        """Whether every choice has ended: what is still to come is usage and the closing mark."""
        ...

    def feed(self, data: bytes) -> bytes:
        """Return the whole frames completed by `data`, to be passed on; an incomplete one is kept back.

        Raises:
            StreamFailed: The provider reports an error inside the stream; `frames` holds what came before.
        """
        ...

    def close(self) -> bytes:
        """Take note that the connection has ended; return what is still to be passed on.

        Raises:
            MalformedStream: Nothing in the stream was an event of this dialect.
            TruncatedStream: The answer has no end.
        """
        ...


class BrokenStream(Exception):
    """A provider's stream did not end as an answer ends."""


class TruncatedStream(BrokenStream):
    """The stream ended without its end."""


class MalformedStream(BrokenStream):
    """The stream is not one of this dialect."""


class StreamFailed(BrokenStream):
    """The provider reported an error inside the stream."""

    def __init__(self, message: str, *, code: str | None, kind: str | None, frames: bytes = b"") -> None:
        """Keep the provider's words, and the frames that came before them."""
        super().__init__(message)
        self.message = message
        self.code = code
        self.kind = kind
        self.frames = frames


class MalformedBody(Exception):
    """A provider's whole answer is not one of this dialect."""


class WholeScan(msgspec.Struct, frozen=True, kw_only=True):
    """What must be known of a whole answer that passes through unchanged."""

    model: str | None
    usage: Usage | None


class ChatWire(Protocol):
    """One dialect of chat, both ways, whole and streamed."""

    dialect: Dialect

    def decode_request(self, body: bytes) -> ChatRequest:
        """Read a client's request.

        Raises:
            InvalidRequest: Not JSON, or not this dialect; `param` names the field.
        """
        ...

    def encode_request(self, request: ChatRequest, *, model: str) -> Encoded:
        """Write a request for a provider that knows the model as `model`.

        Raises:
            UnsupportedContent: The dialect cannot carry a part of the request; `param` names it.
        """
        ...

    def decode_answer(self, body: bytes) -> ChatAnswer:
        """Read a provider's whole answer.

        Raises:
            MalformedBody: Not an answer of this dialect, or one without its end.
        """
        ...

    def encode_answer(self, answer: ChatAnswer, request: ChatRequest | None = None) -> bytes:
        """Write a whole answer for a client.

        Args:
            answer: What is told.
            request: What was asked, where the dialect repeats it in its answers.
        """
        ...

    def scan_answer(self, body: bytes) -> WholeScan:
        """Look a whole answer over that passes through unchanged.

        Raises:
            MalformedBody: Not an answer of this dialect, or one without its end.
        """
        ...

    def parser(self) -> StreamParser:
        """Make a reader for one streamed answer."""
        ...

    def encoder(self, request: ChatRequest) -> StreamEncoder:
        """Make a writer for one streamed answer to `request`."""
        ...

    def scanner(self, *, hide_usage: bool = False) -> StreamScanner:
        """Make a watcher for one stream that passes through.

        Args:
            hide_usage: The caller did not ask for usage and we did: take the frame that holds only usage out.
        """
        ...

    def has_content(self, frames: bytes) -> bool:
        """Tell whether a model says something in whole frames of a stream: text, thinking, a tool call, its end.

        A role, a ping, an empty piece and figures of usage are none of these.
        """
        ...

    def encode_error(self, error: NarthexError, request_id: str) -> bytes:
        """Write an error body for a client."""
        ...

    def decode_error(self, body: bytes, *, status: int, provider: str, retry_after_s: float | None) -> ProviderError:
        """Read a provider's error answer, classified by its code first and its status second."""
        ...
