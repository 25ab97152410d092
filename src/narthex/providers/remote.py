"""A provider behind an address: OpenAI-compatible or Anthropic, the wire being all the difference."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from narthex.errors import Failure, MalformedAnswer, ProviderError, ProviderUnreachable, without_frames
from narthex.providers.contract import Call, Feed, Health, Reply, StreamReply, Timeouts, Told, WholeReply
from narthex.providers.expiry import HEADERS, Phase, expired
from narthex.providers.key_books import KeyBooks, KeyTurns, ProviderKeys, SoleKey, refused
from narthex.providers.transport.connection import (
    Connection,
    ConnectionFailed,
    PhaseTimeout,
    ResponseUnreadable,
    collect,
)
from narthex.providers.transport.origin import Origin
from narthex.providers.transport.pool import Pool
from narthex.types.catalog import Capability, ModelFacts
from narthex.types.dialects import Dialect
from narthex.types.keys import KeyId, KeyReport
from narthex.wire.failures import parse_retry_after
from narthex.wire.registry import CHAT_WIRES

MAX_ERROR_BYTES = 1_048_576
"""Largest error body that is read."""
MAX_WHOLE_BYTES = 67_108_864
"""Largest whole answer that is taken for a streamed one."""

ANTHROPIC_VERSION = "2023-06-01"

_PATHS: Mapping[Dialect, str] = {
    Dialect.OPENAI_CHAT: "/chat/completions",
    Dialect.OPENAI_EMBEDDINGS: "/embeddings",
    Dialect.ANTHROPIC_MESSAGES: "/messages",
    Dialect.ANTHROPIC_COUNT_TOKENS: "/messages/count_tokens",
}

LISTING_LIMITS: Final = Timeouts(connect_s=3.0, headers_s=10.0, first_token_s=10.0, idle_s=10.0, total_s=10.0)
"""How long a provider may take to list its models."""

_EMBEDDING: frozenset[Capability] = frozenset({"embeddings"})


class _Listed(msgspec.Struct):
    id: str
    created: object = None


class _Listing(msgspec.Struct):
    data: list[_Listed]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSettings:
    """What makes a remote provider.

    Attributes:
        name: In the configuration.
        kind: `openai` or `anthropic`.
        origin: Where it is.
        api_key: Its key, if it wants one.
        headers: Sent with every call.
        models: What it serves; empty if it is to be asked.
        capabilities: Of its models, as far as known of the vendor.
        max_connections: Connections to it at once.
        pass_deadline: Whether it is told how long the call may still take, as one that is a Narthex understands.
        user_agent: How this server introduces itself.
    """

    name: str
    kind: str
    origin: Origin
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    models: tuple[str, ...] = ()
    capabilities: frozenset[Capability] = frozenset({"chat", "streaming"})
    max_connections: int = 1_024
    pass_deadline: bool = False
    user_agent: str = "narthex"


def presenting(secret: str, kind: str) -> Mapping[str, str]:
    """Return the header by which a provider of a kind is shown a key."""
    return {"x-api-key": secret} if kind == "anthropic" else {"authorization": f"Bearer {secret}"}


class RemoteProvider:
    """Speaks OpenAI's or Anthropic's wire with one address."""

    def __init__(self, settings: RemoteSettings, keys: ProviderKeys | None = None) -> None:
        """Prepare; nothing is opened yet.

        Args:
            settings: What makes it.
            keys: The books of its key, or keys; without them nothing is told of any.
        """
        self.name = settings.name
        self.kind = settings.kind
        self.base_url = settings.origin.url
        anthropic = settings.kind == "anthropic"
        self.dialects = frozenset(
            {Dialect.ANTHROPIC_MESSAGES, Dialect.ANTHROPIC_COUNT_TOKENS}
            if anthropic
            else {Dialect.OPENAI_CHAT, Dialect.OPENAI_EMBEDDINGS}
        )
        self._settings = settings
        self._adds_headers = anthropic or settings.pass_deadline
        self._pool = Pool(settings.origin, limit=settings.max_connections)
        self._health = Health(status="unknown")
        # While all is well nothing is noted of an answer without error.
        self._is_well = False
        self.books = None if keys is None else KeyBooks(settings.name, keys)
        self._sole = SoleKey(self.books) if self.books is not None and settings.api_key else None
        path = settings.origin.path
        prefix = f"{path}/v1" if anthropic and not path.endswith("/v1") else path
        self._models_path = f"{prefix}/models"
        self._heads = {
            (dialect, stream): self._head("POST", prefix + _PATHS[dialect], stream=stream)
            for dialect in self.dialects
            for stream in (False, True)
        }

    async def send(self, call: Call) -> Reply:
        """Make one attempt over a kept connection, or a new one."""
        if self._sole is not None and self._sole.turns.barred:
            raise self._sole.withdrawn()
        head = self._heads[call.dialect, call.stream]
        if call.headers or self._adds_headers:
            head += self._extra(call.headers, call.timeouts)
        request = b"%bcontent-length: %d\r\n\r\n%b" % (head, len(call.body), call.body)
        kept = None if call.stream else self._pool.kept()
        try:
            if kept is None:
                reply: WholeReply | StreamReply = await self._exchange(request, call.timeouts, streaming=call.stream)
            else:
                # The way of nearly every call, without a coroutine more than it needs.
                done = kept.send(request, call.timeouts)
                try:
                    reply = await done
                except ConnectionFailed as error:
                    reply = await self._once_more(error, request, call.timeouts, begun=kept.begun, streaming=False)
                except asyncio.CancelledError:
                    kept.leave(done)
                    raise
        except (ConnectionFailed, PhaseTimeout, ResponseUnreadable) as error:
            raise self._failed(error) from error
        if reply.status >= 400 or not self._is_well:
            self._answered(reply)
        return reply

    async def list_models(self) -> tuple[ModelFacts, ...]:
        """Return the configured models, or ask the provider for its list."""
        settings = self._settings
        if settings.models:
            return tuple(self._facts(model) for model in settings.models)
        reply = await self._ask_for_models({}, LISTING_LIMITS)
        self._answered(reply)
        return tuple(self._facts(model.id, model.created) for model in self._listing(reply).data)

    async def _ask_for_models(self, headers: Mapping[str, str], limits: Timeouts) -> WholeReply:
        if self._sole is not None and self._sole.turns.barred:
            raise self._sole.withdrawn()
        request = self._head("GET", self._models_path, stream=False) + self._extra(headers, limits) + b"\r\n"
        try:
            reply = await self._exchange(request, limits, streaming=False)
        except (ConnectionFailed, PhaseTimeout, ResponseUnreadable) as error:
            raise self._failed(error) from error
        assert isinstance(reply, WholeReply)
        return reply

    def health(self) -> Health:
        """Return how the last call went."""
        if self._health.status != "ok":
            return self._health
        since_s = asyncio.get_running_loop().time() - self._pool.used_at
        return dataclasses.replace(self._health, checked_at=max(self._health.checked_at or 0, time.time() - since_s))

    def key_reports(self) -> tuple[KeyReport, ...]:
        """Return how each key stands, in the order of the configuration."""
        return () if self.books is None else self.books.reports()

    def next_key(self, prefix: bytes = b"") -> KeyId | None:
        """Return the key that a call would be sent with now; None if there is none to be used."""
        return None if self.books is None else self.books.turns.next(prefix)

    def withdraw_key(self, key: KeyId) -> None:
        """Take a key out of service by hand."""
        self._known(key).withdraw(key)

    def restore_key(self, key: KeyId) -> None:
        """Bring a key back by hand, whatever kept it away."""
        self._known(key).restore(key)

    async def drain(self) -> None:
        """Close each connection as soon as no call uses it, and wait for the last; calls under way go on."""
        await self._pool.drain()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    async def _exchange(self, request: bytes, limits: Timeouts, *, streaming: bool) -> WholeReply | StreamReply:
        kept = self._pool.kept()
        if kept is None:
            begun = asyncio.get_running_loop().time()
            return await self._newly(request, limits, begun=begun, streaming=streaming)
        try:
            return await self._once(kept, request, limits, streaming=streaming)
        except ConnectionFailed as error:
            return await self._once_more(error, request, limits, begun=kept.begun, streaming=streaming)

    async def _once_more(
        self, error: ConnectionFailed, request: bytes, limits: Timeouts, *, begun: float, streaming: bool
    ) -> WholeReply | StreamReply:
        """Send over a new connection, if the kept one turned out closed before a byte had come back.

        Providers close idle connections at any time: a request that meets that moment was never read.
        """
        if not without_frames(error).untouched:
            raise error
        return await self._newly(request, limits, begun=begun, streaming=streaming)

    async def _newly(
        self, request: bytes, limits: Timeouts, *, begun: float, streaming: bool
    ) -> WholeReply | StreamReply:
        """Send over a new connection; the time that it takes to have one is part of the call's."""
        now = asyncio.get_running_loop().time
        left_s = limits.total_s - (now() - begun)
        try:
            connection = await self._pool.open(min(limits.connect_s, left_s))
        except PhaseTimeout as error:
            if left_s > limits.connect_s:
                raise
            raise PhaseTimeout(Phase.TOTAL, limits.total_s) from error
        left_s = limits.total_s - (now() - begun)
        return await self._once(
            connection, request, msgspec.structs.replace(limits, total_s=left_s), streaming=streaming
        )

    async def _once(
        self, connection: Connection, request: bytes, limits: Timeouts, *, streaming: bool
    ) -> WholeReply | StreamReply:
        done = connection.send(request, limits, streaming=streaming)
        if not streaming:
            try:
                return await done
            except asyncio.CancelledError:
                connection.leave(done)
                raise
        await connection.head()
        headers = connection.headers
        if connection.status != 200 or not headers.is_event_stream:
            limit_bytes = MAX_ERROR_BYTES if connection.status != 200 else MAX_WHOLE_BYTES
            return await collect(connection, limit_bytes)

        async def pump(feed: Feed, told: Told | None = None) -> None:
            try:
                await connection.pump(feed, told)
            except (ConnectionFailed, PhaseTimeout, ResponseUnreadable) as error:
                raise self._failed(error) from error

        return StreamReply(connection.status, headers, pump, connection.pause, connection.resume, connection.hurry)

    def _listing(self, reply: WholeReply) -> _Listing:
        if reply.status != 200:
            raise self._refusal(reply)
        try:
            return msgspec.json.decode(reply.body, type=_Listing)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            message = f"{self.name} answered its list of models with something else"
            raise MalformedAnswer(message, provider=self.name) from error

    def _refusal(self, reply: WholeReply) -> ProviderError:
        """Read what the provider's error means; both wires of a kind write their errors alike."""
        wire = CHAT_WIRES[Dialect.ANTHROPIC_MESSAGES if self.kind == "anthropic" else Dialect.OPENAI_CHAT]
        wait_s = parse_retry_after(reply.headers, time.time())
        return wire.decode_error(reply.body, status=reply.status, provider=self.name, retry_after_s=wait_s)

    def _head(self, method: str, path: str, *, stream: bool) -> bytes:
        """Return the lines of a request head that are the same in every call."""
        settings = self._settings
        lines = [
            f"{method} {path} HTTP/1.1",
            f"host: {settings.origin.authority}",
            f"user-agent: {settings.user_agent}",
        ]
        lines.append(f"accept: {'text/event-stream' if stream else 'application/json'}")
        if method == "POST":
            lines.append("content-type: application/json")
        presented = presenting(settings.api_key, settings.kind) if settings.api_key else {}
        lines += [f"{name}: {value}" for name, value in presented.items()]
        lines += [f"{name.lower()}: {value}" for name, value in settings.headers.items()]
        return "".join(f"{line}\r\n" for line in lines).encode("latin-1")

    def _extra(self, headers: Mapping[str, str], limits: Timeouts) -> bytes:
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        if self.kind == "anthropic" and "anthropic-version" not in headers:
            lines.append(f"anthropic-version: {ANTHROPIC_VERSION}\r\n")
        if self._settings.pass_deadline:
            lines.append(f"{HEADERS['total_s']}: {max(limits.total_s, 0.001):.3f}\r\n")
        return "".join(lines).encode("latin-1")

    def _facts(self, model: str, created: object = None) -> ModelFacts:
        capabilities = _EMBEDDING if "embed" in model.lower() else self._settings.capabilities
        return ModelFacts(
            id=model,
            provider=self.name,
            capabilities=capabilities,
            created_at=created if isinstance(created, int) else None,
        )

    def _known(self, key: KeyId) -> KeyTurns:
        if self.books is None:
            raise KeyError(key)
        return self.books.turns

    def _answered(self, reply: WholeReply | StreamReply) -> None:
        status = reply.status
        if status >= 500:
            self._health = Health(status="degraded", detail=f"answered {status}", checked_at=time.time())
        elif status in {401, 403}:
            detail = f"refused our key ({status}); set another `api_key` for providers.{self.name}"
            self._health = Health(status="down", detail=detail, checked_at=time.time())
        else:
            self._health = Health(status="ok", checked_at=time.time())
        is_trusted = self._sole is None or self._sole.heard(refused(reply), self._refusal)
        self._is_well = is_trusted and self._health.status == "ok"

    def _failed(self, error: ConnectionFailed | PhaseTimeout | ResponseUnreadable) -> ProviderError:
        """Give a failure of the connection its class in the error tree."""
        message = f"{self.name}: {without_frames(error)}"
        failure: ProviderError
        if isinstance(error, PhaseTimeout):
            failure = expired(self.name, error.phase, error.limit_s)
        elif isinstance(error, ResponseUnreadable):
            failure = MalformedAnswer(message, provider=self.name, failure=Failure.MALFORMED, retryable=True)
        else:
            kind = Failure.CONNECT if error.untouched else Failure.TRUNCATED
            failure = ProviderUnreachable(message, provider=self.name, failure=kind, retryable=True)
        detail = failure.message.removeprefix(f"{self.name}: ")
        self._health, self._is_well = Health(status="down", detail=detail, checked_at=time.time()), False
        return failure
