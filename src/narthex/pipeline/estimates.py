"""What a call may have consumed, where its provider did not say or its answer was cut: marked as an estimate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from narthex.errors import NarthexError
from narthex.pipeline.exchange import Exchange
from narthex.streams.stream import Stream
from narthex.tokens.media import audio_tokens, file_tokens, image_tokens
from narthex.types.answers import ChatAnswer
from narthex.types.dialects import Dialect, Operation
from narthex.types.messages import Audio, File, Image, Part, Text, ToolResult
from narthex.types.usage import Usage
from narthex.wire.contract import MalformedBody
from narthex.wire.registry import CHAT_WIRES

BYTES_PER_TOKEN: Final = 4
"""What a token is taken for."""
_BASE64: Final = b"base64"
_AUDIO: Final = b"input_audio"
"""Without one of these a body carries nothing but text."""
_SEMICOLON: Final = ord(";")
"""In `data:image/png;base64,…`."""
_DATA_URLS_ALONE: Final = frozenset({Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES})
"""Dialects in which base64 stands in data URLs, but for sounds."""

_encode = msgspec.json.Encoder().encode


def estimate(exchange: Exchange, answer: Stream) -> Usage:
    """Return the tokens read and written; what the provider did say is kept."""
    told = exchange.usage
    written = _written(exchange, answer)
    return Usage(
        input_tokens=prompt_tokens(exchange) if told is None else told.input_tokens,
        output_tokens=written if told is None else max(written, told.output_tokens),
        cache_read_tokens=0 if told is None else told.cache_read_tokens,
        cache_write_tokens=0 if told is None else told.cache_write_tokens,
        cache_write_1h_tokens=0 if told is None else told.cache_write_1h_tokens,
        reasoning_tokens=0 if told is None else told.reasoning_tokens,
        estimated=True,
    )


def prompt_tokens(exchange: Exchange) -> int:
    """Return a quarter of the request's bytes: what is not text in it (names, braces) makes up for what is short.

    What is carried beside text counts for what a model makes of it, not for its bytes.
    """
    body = exchange.body
    # Not by `in`, which takes every word for a number first, and a tenth of a microsecond for that.
    if body and body.find(_AUDIO) < 0 and not _may_carry_base64(exchange.dialect, body):
        return len(body) // BYTES_PER_TOKEN
    if exchange.operation is Operation.EMBED:
        return len(body or _encode(exchange.embedding_request().inputs)) // BYTES_PER_TOKEN
    try:
        messages = exchange.chat_request().messages
    except NarthexError:
        # It may still pass through to a provider that reads it otherwise.
        return len(body) // BYTES_PER_TOKEN
    size = len(body or _encode([message.parts for message in messages]))
    carried = [_carried(part) for message in messages for part in _parts(message.parts)]
    return max(0, size - sum(size for size, _ in carried)) // BYTES_PER_TOKEN + sum(tokens for _, tokens in carried)


def _may_carry_base64(dialect: Dialect, body: bytes) -> bool:
    # A single byte is found ten times as fast as a word.
    return (_SEMICOLON in body or dialect not in _DATA_URLS_ALONE) and body.find(_BASE64) >= 0


def _parts(parts: Iterable[Part]) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, ToolResult):
            yield from part.parts
        else:
            yield part


def _carried(part: Part) -> tuple[int, int]:
    """Return the bytes of what a part carries beside text, and the tokens that it counts for."""
    match part:
        case Image(data=str(data)):
            return len(data), image_tokens(part)
        case Audio():
            return len(part.data), audio_tokens(part)
        case File(data=str(data)):
            return len(data), file_tokens(part)
        case _:
            return 0, 0


def _written(exchange: Exchange, answer: Stream) -> int:
    if not answer.whole:
        return answer.frames_total if answer.dialect is None else answer.events_total
    if exchange.operation is not Operation.CHAT or exchange.dialect not in CHAT_WIRES:
        return 0
    try:
        decoded = CHAT_WIRES[exchange.dialect].decode_answer(answer.body)
    except MalformedBody:
        return answer.bytes_total // BYTES_PER_TOKEN
    return _said(decoded)


def estimate_whole(exchange: Exchange, answer: ChatAnswer) -> Usage:
    """Return the tokens read and written of a whole answer whose provider told nothing of them."""
    return Usage(input_tokens=prompt_tokens(exchange), output_tokens=_said(answer), estimated=True)


def _said(answer: ChatAnswer) -> int:
    parts = [part for choice in answer.choices for part in choice.message.parts]
    said = sum(len(part.text.encode()) if isinstance(part, Text) else len(_encode(part)) for part in parts)
    return -(-said // BYTES_PER_TOKEN)
