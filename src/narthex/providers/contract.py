"""What the pipeline asks of a provider.

A provider takes a `Call` and gives a `Reply`. It may speak a wire (bytes in, bytes out, in one of its `dialects`), or
speak the inner vocabulary directly (`request` in, events out).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol, runtime_checkable

import msgspec

from narthex.types.catalog import ModelFacts
from narthex.types.dialects import Dialect, Operation
from narthex.types.events import Event
from narthex.types.keys import KeyId, KeyReport
from narthex.types.requests import ChatRequest, EmbeddingRequest


class Timeouts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Limits of one call, each in seconds; whichever is reached first ends it."""

    connect_s: float = 5.0
    """To have a connection."""
    headers_s: float = 120.0
    """From the request sent to the head of a streamed answer; that of a whole one comes when all of it is written."""
    first_token_s: float = 300.0
    """From the request sent to the first content of a stream, or to the end of a whole answer.

    A provider that sees a whole answer being written holds it to the limits of a stream. Also the longest time between
    two pieces of content for which signs of life alone may come.
    """
    idle_s: float = 60.0
    """Without a byte, once the first content of a stream is here."""
    total_s: float = 600.0
    """For all of it, or what a call has left of its time."""


class PartialTimeouts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Some of the limits of a call; those that are None are as they would be without."""

    connect_s: float | None = None
    headers_s: float | None = None
    first_token_s: float | None = None
    idle_s: float | None = None
    total_s: float | None = None

    def over(self, limits: Timeouts) -> Timeouts:
        """Return the limits with these in their place."""
        return Timeouts(
            connect_s=limits.connect_s if self.connect_s is None else self.connect_s,
            headers_s=limits.headers_s if self.headers_s is None else self.headers_s,
            first_token_s=limits.first_token_s if self.first_token_s is None else self.first_token_s,
            idle_s=limits.idle_s if self.idle_s is None else self.idle_s,
            total_s=limits.total_s if self.total_s is None else self.total_s,
        )

    def or_else(self, others: PartialTimeouts) -> PartialTimeouts:
        """Return these, and of the others what is not among them."""
        return PartialTimeouts(
            connect_s=others.connect_s if self.connect_s is None else self.connect_s,
            headers_s=others.headers_s if self.headers_s is None else self.headers_s,
            first_token_s=others.first_token_s if self.first_token_s is None else self.first_token_s,
            idle_s=others.idle_s if self.idle_s is None else self.idle_s,
            total_s=others.total_s if self.total_s is None else self.total_s,
        )


class Call(msgspec.Struct, gc=False):
    """One attempt at one provider."""

    operation: Operation
    model: str
    """The provider's own name of the model."""
    dialect: Dialect
    """Of `body`, and of the answer wanted."""
    body: bytes
    """The request in `dialect`; empty if the provider speaks the inner vocabulary (`Provider.dialects` is empty)."""
    stream: bool
    timeouts: Timeouts
    request: ChatRequest | EmbeddingRequest | None = None
    """The request in the inner vocabulary, where the provider speaks that."""
    headers: Mapping[str, str] = MappingProxyType({})
    """To be sent along, in lower case: `traceparent`, `anthropic-beta` and the like."""
    on_trial: bool = False
    """Whether nobody waits for the answer: what it says of a key must not keep that from callers."""
    prefix: bytes = b""
    """How it begins, where of several keys it wants the one that others had which began alike."""


class WholeReply(msgspec.Struct, gc=False):
    """A whole answer in bytes."""

    status: int
    headers: Mapping[str, str]
    """In lower case."""
    body: bytes


Feed = Callable[[bytes], None]
"""Takes a piece of a streamed answer in."""
Told = Callable[[], bool]
"""Tells whether content came since it was asked last: text, thinking, a tool call; no ping, and no empty piece."""


class Pump(Protocol):
    """Hands a streamed answer on."""

    def __call__(self, feed: Feed, told: Told | None = None) -> Awaitable[None]:
        """Call `feed` with each piece as it comes, to the clean end of the body.

        Args:
            feed: Takes each piece.
            told: Asked now and then, when a limit of time hangs on it: whoever reads the pieces knows what is content.
                Without it every piece counts for some.

        Raises:
            ProviderTimeout: One of `Timeouts` was reached.
            ProviderUnreachable: The connection broke.

        If cancelled, the connection is closed. An exception raised by `feed` closes it too and is passed on.
        """
        ...


@dataclass(slots=True)
class StreamReply:
    """A streamed answer in bytes, after its status and headers."""

    status: int
    headers: Mapping[str, str]
    pump: Pump
    """Reads it."""
    pause: Callable[[], None]
    """Stop reading from the provider."""
    resume: Callable[[], None]
    """Read on."""
    hurry: Callable[[], None]
    """The answer has ended: wait no more than a moment for the response to end too."""


@dataclass(slots=True)
class EventsReply:
    """An answer in the inner vocabulary; its iterator is closed if the caller leaves."""

    events: AsyncIterator[Event]


@dataclass(slots=True)
class VectorsReply:
    """Vectors in the inner vocabulary."""

    vectors: tuple[tuple[float, ...], ...]
    input_tokens: int


Reply = WholeReply | StreamReply | EventsReply | VectorsReply


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a provider is."""

    status: Literal["ok", "loading", "idle", "degraded", "down", "unknown"]
    """`idle`: usable, but its model is not loaded; `unknown`: not asked yet."""
    detail: str | None = None
    """What is wrong and how to mend it, or what is going on."""
    checked_at: float | None = None
    """Unix time in seconds."""


class Provider(Protocol):
    """Something that can answer."""

    name: str
    """In the configuration and in `name/model`."""
    kind: str
    """`openai`, `anthropic`, `scripted`, `embedded`."""
    dialects: frozenset[Dialect]
    """The wires it speaks; empty if it speaks the inner vocabulary."""

    async def send(self, call: Call) -> Reply:
        """Make one attempt.

        Raises:
            ProviderError: It failed before there was a status; `failure` says how.
            ModelUnavailable: The model is known but cannot be loaded here; the message holds the remedy.
        """
        ...

    async def list_models(self) -> tuple[ModelFacts, ...]:
        """Return the models that it serves now.

        Raises:
            ProviderError: It could not be asked.
        """
        ...

    def health(self) -> Health:
        """Return how it was when it was last used or asked; never waits."""
        ...

    async def aclose(self) -> None:
        """Close all connections and stop all work."""
        ...


@runtime_checkable
class TokenCounting(Protocol):
    """A provider that can count the tokens of a request exactly, without answering it."""

    async def count_tokens(self, model: str, request: ChatRequest) -> int:
        """Return the input tokens of `request`."""
        ...


@runtime_checkable
class KeyHolding(Protocol):
    """A provider that may be shown keys."""

    def key_reports(self) -> tuple[KeyReport, ...]:
        """Return how each of its keys stands, in the order of the configuration; none if it has no key."""
        ...

    def next_key(self, prefix: bytes = b"") -> KeyId | None:
        """Return the key that a call would be sent with now, by how it begins; None if there is none to be used."""
        ...

    def withdraw_key(self, key: KeyId) -> None:
        """Take a key out of service by hand.

        Raises:
            KeyError: There is no such key.
        """
        ...

    def restore_key(self, key: KeyId) -> None:
        """Bring a key back by hand, whatever kept it away.

        Raises:
            KeyError: There is no such key.
        """
        ...
