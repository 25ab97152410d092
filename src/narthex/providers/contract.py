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
from narthex.types.keys import KeyReport
from narthex.types.requests import ChatRequest, EmbeddingRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Limits of one call, each in seconds; the phases follow each other, `total_s` spans them all."""

    connect_s: float = 5.0
    first_token_s: float = 120.0
    """From the request sent to the first byte of the answer's body."""
    idle_s: float = 60.0
    """Between two pieces of a streamed answer."""
    total_s: float = 600.0


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


class WholeReply(msgspec.Struct, gc=False):
    """A whole answer in bytes."""

    status: int
    headers: Mapping[str, str]
    """In lower case."""
    body: bytes


@dataclass(slots=True)
class StreamReply:
    """A streamed answer in bytes, after its status and headers."""

    status: int
    headers: Mapping[str, str]
    pump: Callable[[Callable[[bytes], None]], Awaitable[None]]
    """`await pump(feed)` calls `feed` with each piece as it comes and returns at the clean end of the body.

    Raises:
        ProviderTimeout: Nothing came for `Timeouts.idle_s`, or the whole took longer than `Timeouts.total_s`.
        ProviderUnreachable: The connection broke.

    If cancelled, the connection is closed. An exception raised by `feed` closes it too and is passed on.
    """
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
    """A provider with several keys."""

    def key_reports(self) -> tuple[KeyReport, ...]:
        """Return how each of its keys stands, in the order of the configuration."""
        ...
