"""What a call may have consumed, where its provider did not say or its answer was cut: marked as an estimate."""

from __future__ import annotations

from typing import Final

import msgspec

from narthex.pipeline.exchange import Exchange
from narthex.streams.stream import Stream
from narthex.types.dialects import Operation
from narthex.types.messages import Text
from narthex.types.usage import Usage
from narthex.wire.contract import MalformedBody
from narthex.wire.registry import CHAT_WIRES

BYTES_PER_TOKEN: Final = 4
"""What a token is taken for."""

_encode = msgspec.json.Encoder().encode


def estimate(exchange: Exchange, answer: Stream) -> Usage:
    """Return the tokens read and written; what the provider did say is kept."""
    told = exchange.usage
    written = _written(exchange, answer)
    return Usage(
        input_tokens=_read(exchange) if told is None else told.input_tokens,
        output_tokens=written if told is None else max(written, told.output_tokens),
        cache_read_tokens=0 if told is None else told.cache_read_tokens,
        cache_write_tokens=0 if told is None else told.cache_write_tokens,
        estimated=True,
    )


def _read(exchange: Exchange) -> int:
    """Return a quarter of the request's bytes: what is not text in it (names, braces) makes up for what is short."""
    if exchange.body or exchange.operation is not Operation.CHAT:
        return len(exchange.body) // BYTES_PER_TOKEN
    return len(_encode([message.parts for message in exchange.chat_request().messages])) // BYTES_PER_TOKEN


def _written(exchange: Exchange, answer: Stream) -> int:
    if not answer.whole:
        return answer.frames_total if answer.dialect is None else answer.events_total
    if exchange.operation is not Operation.CHAT or exchange.dialect not in CHAT_WIRES:
        return 0
    try:
        decoded = CHAT_WIRES[exchange.dialect].decode_answer(answer.body)
    except MalformedBody:
        return answer.bytes_total // BYTES_PER_TOKEN
    parts = [part for choice in decoded.choices for part in choice.message.parts]
    said = sum(len(part.text.encode()) if isinstance(part, Text) else len(_encode(part)) for part in parts)
    return -(-said // BYTES_PER_TOKEN)
