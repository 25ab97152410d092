"""An answer that is held back and looked at, before anybody reads it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from narthex.streams.stream import Stream
from narthex.types.answers import ChatAnswer
from narthex.types.dialects import Dialect
from narthex.types.events import Event
from narthex.types.folding import fold
from narthex.types.usage import Usage
from narthex.wire.contract import BrokenStream, MalformedBody
from narthex.wire.registry import CHAT_WIRES

MAX_HELD_BYTES = 4_194_304
"""Memory that a stream which is held back may take up; what is larger is not checked."""


def read_whole(stream: Stream) -> ChatAnswer | None:
    """Return the answer that a closed stream holds, of which nothing was taken; None if it cannot be read."""
    try:
        if stream.whole:
            return CHAT_WIRES[cast("Dialect", stream.dialect)].decode_answer(stream.body)
        return fold(_events(stream))
    except (MalformedBody, BrokenStream, ValueError):
        return None


def _events(stream: Stream) -> Iterable[Event]:
    if stream.dialect is None:
        return cast("tuple[Event, ...]", stream.held)
    parser = CHAT_WIRES[stream.dialect].parser()
    return [*parser.feed(b"".join(cast("tuple[bytes, ...]", stream.held))), *parser.close()]


def summed(usages: Iterable[Usage]) -> Usage:
    """Return what several answers consumed together; an estimate if one of them is."""
    total = Usage()
    for usage in usages:
        total = Usage(
            input_tokens=total.input_tokens + usage.input_tokens,
            output_tokens=total.output_tokens + usage.output_tokens,
            cache_read_tokens=total.cache_read_tokens + usage.cache_read_tokens,
            cache_write_tokens=total.cache_write_tokens + usage.cache_write_tokens,
            cache_write_1h_tokens=total.cache_write_1h_tokens + usage.cache_write_1h_tokens,
            reasoning_tokens=total.reasoning_tokens + usage.reasoning_tokens,
            estimated=total.estimated or usage.estimated,
            images=total.images + usage.images,
            audio_ms=total.audio_ms + usage.audio_ms,
        )
    return total
