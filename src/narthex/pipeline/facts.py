"""What routing may want to know of a call, found out when it asks."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from narthex.errors import NarthexError
from narthex.pipeline.beginnings import prefix_of
from narthex.pipeline.estimates import prompt_tokens
from narthex.pipeline.exchange import Exchange
from narthex.routing.facts import Facts, Modality, read_tags
from narthex.types.dialects import Operation
from narthex.types.messages import Audio, File, Image, Part
from narthex.types.requests import ChatRequest

_encode = msgspec.json.Encoder().encode
_MODALITIES: tuple[tuple[type, Modality], ...] = ((Image, "image"), (Audio, "audio"), (File, "file"))
FIRST_MESSAGES = 2
"""By so many messages a conversation is known: its instructions, and what was said first."""


def facts_of(exchange: Exchange) -> Facts:
    """Return what is known of a call; only what rules and strategies ask for is read from its body."""
    headers, caller = exchange.headers, exchange.caller
    return Facts(
        exchange.model_asked,
        operation=exchange.operation,
        tags=read_tags(headers.get(b"x-narthex-tags")),
        streaming=exchange.streaming,
        caller="" if caller is None else caller.name,
        tenant="" if caller is None else caller.tenant,
        input_tokens=lambda: prompt_tokens(exchange),
        modalities=lambda: _modalities(exchange),
        tools=lambda: bool((request := _chat(exchange)) and request.tools),
        key=lambda: _key(exchange),
        prefix=lambda auto: prefix_of(exchange, auto=auto),
    )


def _chat(exchange: Exchange) -> ChatRequest | None:
    if exchange.operation is Operation.EMBED:
        return None
    try:
        return exchange.chat_request()
    except NarthexError:
        # It may still pass through to a provider that reads it otherwise.
        return None


def _modalities(exchange: Exchange) -> frozenset[Modality]:
    return frozenset(word for part in _parts(exchange) for kind, word in _MODALITIES if isinstance(part, kind))


def _parts(exchange: Exchange) -> Iterator[Part]:
    request = _chat(exchange)
    for message in request.messages if request is not None else ():
        yield from message.parts


def _key(exchange: Exchange) -> str:
    """Return by what a conversation is known: what the caller says it is, or how it began."""
    said = exchange.headers.get(b"x-narthex-conversation")
    if said:
        return said.decode("latin-1")
    request = _chat(exchange)
    if request is None:
        return ""
    return _encode([message.parts for message in request.messages[:FIRST_MESSAGES]]).decode()
