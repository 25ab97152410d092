"""Answers that are written already stay as they are; others are written in their caller's dialect."""

from __future__ import annotations

import json

from narthex.errors import InternalError
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.writing import error_frames, writers
from narthex.streams.stream import Stream
from narthex.types.dialects import Dialect
from narthex.types.events import Started, TextDelta


def test_what_is_written_is_not_written_again() -> None:
    """Frames in the caller's dialect need nobody to write them, only somebody to tell an error."""
    exchange = Exchange(Dialect.OPENAI_CHAT, b"{}", {})
    encode, last_words = writers(exchange, Stream(Dialect.OPENAI_CHAT))
    assert encode is None
    assert last_words(InternalError()) == error_frames(Dialect.OPENAI_CHAT, InternalError(), exchange.id)


def test_events_are_written_in_the_callers_dialect() -> None:
    """By one writer for the whole answer."""
    body = json.dumps({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}).encode()
    encode, _ = writers(Exchange(Dialect.ANTHROPIC_MESSAGES, body, {}), Stream(None))
    assert encode is not None
    written = encode(Started(id="1", model="m", created_at=0)) + encode(TextDelta(part=0, text="Hello"))
    assert written.startswith(b"event: message_start\n")
    assert b'"text":"Hello"' in written
