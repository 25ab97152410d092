"""What goes out to a provider: the caller's bytes where it speaks their dialect, a translation where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
import orjson

from narthex.errors import InvalidRequest, UnsupportedContent
from narthex.pipeline.beginnings import prefix_of
from narthex.pipeline.context_caching import improved
from narthex.pipeline.exchange import Exchange
from narthex.providers.catalog import Target
from narthex.providers.contract import Call, Timeouts
from narthex.types.dialects import Dialect, Operation
from narthex.types.requests import ChatRequest
from narthex.wire.openai_embeddings import OPENAI_EMBEDDINGS
from narthex.wire.openai_responses.kept import for_provider
from narthex.wire.registry import CHAT_WIRES
from narthex.wire.splice import add_field, replace_model

_PASSED_ON: Mapping[bytes, str] = {
    b"traceparent": "traceparent",
    b"tracestate": "tracestate",
    b"anthropic-beta": "anthropic-beta",
    b"anthropic-version": "anthropic-version",
    b"openai-beta": "openai-beta",
}
"""Request headers that go on to the provider.

Not the idempotency key, which means something here: over there all callers share one account, so that their keys would
meet; and a rescue, or another model of the same provider, asks something else under it, while a retry might be told the
very failure again that it is to get past.
"""

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_CHAT = Operation.CHAT
_INCLUDE_USAGE = b'{"include_usage":true}'


class Outbound(msgspec.Struct, gc=False):
    """A call ready to be sent.

    Attributes:
        call: What to send.
        passing: Whether the answer passes through unchanged, being in the caller's dialect.
        hide_usage: Whether usage was asked for on our own account, so that its frame must be taken out again.
    """

    call: Call
    passing: bool = False
    hide_usage: bool = False


def outbound(exchange: Exchange, target: Target) -> Outbound:
    """Write the exchange's request for its target.

    Raises:
        InvalidRequest: The request must be translated and is not valid.
        UnsupportedContent: The target cannot carry a part of it, or not this operation at all.
    """
    dialects = target.provider.dialects
    if exchange.dialect in dialects:
        return _passing(exchange, target)
    if exchange.operation is Operation.EMBED:
        return _embedding(exchange, target)
    return translated(exchange, target, exchange.chat_request())


def translated(exchange: Exchange, target: Target, request: ChatRequest) -> Outbound:
    """Write a request in the inner vocabulary for a target, whatever it speaks; raises as `outbound` does."""
    dialects = target.provider.dialects
    dialect = next((one for one in dialects if one in CHAT_WIRES), None)
    if dialect is None:
        if dialects:
            raise UnsupportedContent(f"{target.name} does not answer chats", param="model")
        call = _call(exchange, target, Dialect.NATIVE, b"")
        call.request = request if call.stream == request.stream else _whole(request)
        return Outbound(call)
    wanted = msgspec.structs.replace(request, include_usage=True) if request.stream else request
    if request.stream and not target.streams:
        wanted = _whole(request)
    encoded = CHAT_WIRES[dialect].encode_request(wanted, model=target.model)
    exchange.dropped = encoded.dropped
    return Outbound(_call(exchange, target, dialect, encoded.body))


def _passing(exchange: Exchange, target: Target) -> Outbound:
    body, asked = exchange.body, exchange.model_asked
    hide_usage = False
    if asked != target.model:
        spliced = replace_model(body, asked, target.model) if asked else None
        body = spliced if spliced is not None else with_member(body, "model", target.model)
    if exchange.dialect is Dialect.OPENAI_RESPONSES:
        body = for_provider(body)
    if exchange.streaming and not target.streams:
        body = _without_stream(body)
    elif exchange.streaming and not exchange.usage_wanted and exchange.dialect is Dialect.OPENAI_CHAT:
        hide_usage = True
        added = None if b'"stream_options"' in body else add_field(body, "stream_options", _INCLUDE_USAGE)
        body = added if added is not None else with_member(body, "stream_options", {"include_usage": True})
    return Outbound(_call(exchange, target, exchange.dialect, body), True, hide_usage)


def _whole(request: ChatRequest) -> ChatRequest:
    return msgspec.structs.replace(request, stream=False, include_usage=False)


def _without_stream(body: bytes) -> bytes:
    """Return the body of a call for a stream as one for a whole answer."""
    document = orjson.loads(body)
    document.pop("stream_options", None)
    document["stream"] = False
    return orjson.dumps(document)


def _embedding(exchange: Exchange, target: Target) -> Outbound:
    if target.provider.dialects and Dialect.OPENAI_EMBEDDINGS not in target.provider.dialects:
        raise UnsupportedContent(f"{target.name} does not offer embeddings", param="model")
    request = exchange.embedding_request()
    if target.provider.dialects:
        encoded = OPENAI_EMBEDDINGS.encode_request(request, model=target.model)
        return Outbound(_call(exchange, target, Dialect.OPENAI_EMBEDDINGS, encoded.body))
    call = _call(exchange, target, Dialect.NATIVE, b"")
    call.request = request
    return Outbound(call)


def with_member(body: bytes, name: str, value: object) -> bytes:
    """Re-encode a body with one member changed, where it cannot be done in place."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error
    if name == "stream_options" and isinstance(document.get(name), dict) and isinstance(value, dict):
        value = {**document[name], **value}
    document[name] = value
    return orjson.dumps(document)


def _call(exchange: Exchange, target: Target, dialect: Dialect, body: bytes) -> Call:
    received = exchange.headers
    headers: Mapping[str, str] = _NO_HEADERS
    # Views of both: so the fewer names are looked up among the more.
    if not _PASSED_ON.keys().isdisjoint(received.keys()):
        headers = {name: received[raw].decode("latin-1") for raw, name in _PASSED_ON.items() if raw in received}
    timeouts = target.timeouts
    if exchange.total_s is not None or exchange.limits is not None:
        timeouts = timeouts_of(exchange, target)
    stream = exchange.streaming
    if stream and not target.streams:
        # What is waited for is a whole answer: the limits of a stream's beginning say nothing about that.
        stream, timeouts = False, msgspec.structs.replace(timeouts, first_token_s=timeouts.total_s)
    if target.caching is not None and exchange.operation is _CHAT:
        body = improved(exchange, target, target.caching, dialect, body)
    call = Call(exchange.operation, target.model, dialect, body, stream, timeouts, None, headers)
    if target.by_prefix is not None:
        call.prefix = prefix_of(exchange, auto=target.by_prefix)
    if exchange.shadow_of is not None:
        call.on_trial = True
    return call


def timeouts_of(exchange: Exchange, target: Target) -> Timeouts:
    """Return how long the steps of an attempt may take: the target's limits, the caller's, and what time is left."""
    timeouts = target.timeouts
    if exchange.limits is not None:
        timeouts = exchange.limits.over(timeouts)
    if exchange.total_s is not None:
        timeouts = msgspec.structs.replace(timeouts, total_s=exchange.total_s)
    return timeouts
