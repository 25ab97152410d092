"""Answers and errors, written in the dialect of whoever asked."""

from __future__ import annotations

from collections.abc import Callable

from narthex.errors import NarthexError
from narthex.pipeline.exchange import Exchange
from narthex.streams.stream import Stream
from narthex.types.dialects import Dialect
from narthex.types.events import Event
from narthex.wire.contract import ChatWire
from narthex.wire.registry import CHAT_WIRES
from narthex.wire.sse import encode_event

LastWords = Callable[[NarthexError], bytes]
"""Returns the frames that tell why an answer is not whole."""


def error_body(dialect: Dialect, error: NarthexError, request_id: str) -> bytes:
    """Return the body that tells an error in the caller's dialect."""
    return _wire(dialect).encode_error(error, request_id)


def error_frames(dialect: Dialect, error: NarthexError, request_id: str) -> bytes:
    """Return the frames that end a stream with an error instead of an end."""
    event = "error" if dialect is Dialect.ANTHROPIC_MESSAGES else None
    return encode_event(_wire(dialect).encode_error(error, request_id), event=event)


def _wire(dialect: Dialect) -> ChatWire:
    if dialect is Dialect.ANTHROPIC_COUNT_TOKENS:
        dialect = Dialect.ANTHROPIC_MESSAGES
    return CHAT_WIRES.get(dialect) or CHAT_WIRES[Dialect.OPENAI_CHAT]


def writers(exchange: Exchange, answer: Stream) -> tuple[Callable[[Event], bytes] | None, LastWords]:
    """Return what writes the events of an answer for its caller, None if they are written, and what tells an error."""
    if answer.dialect is not None:
        return None, lambda error: error_frames(exchange.dialect, error, exchange.id)
    encoder = CHAT_WIRES[exchange.dialect].encoder(exchange.chat_request())
    return encoder.encode, lambda error: encoder.error(error, exchange.id)
