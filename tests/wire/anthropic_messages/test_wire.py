"""The messages wire as one object."""

from __future__ import annotations

import json

import pytest

from narthex.errors import ModelNotFound
from narthex.types.dialects import Dialect
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest
from narthex.wire.anthropic_messages import ANTHROPIC_MESSAGES
from narthex.wire.contract import ChatWire, MalformedBody

REQUEST = ChatRequest(model="m", messages=(Message(role="user", parts=(Text(text="hi"),)),))


def test_speaks_its_dialect() -> None:
    """The exported object is the contract's."""
    wire: ChatWire = ANTHROPIC_MESSAGES
    assert wire.dialect is Dialect.ANTHROPIC_MESSAGES


def test_every_direction_is_there() -> None:
    """Requests, answers, scans and errors, both ways."""
    wire = ANTHROPIC_MESSAGES
    body = wire.encode_request(REQUEST, model="claude-haiku-4-5").body
    assert wire.decode_request(body).messages == REQUEST.messages
    answer = b'{"type": "message", "id": "a", "model": "m", "content": [], "stop_reason": "end_turn"}'
    assert wire.decode_answer(wire.encode_answer(wire.decode_answer(answer))).id == "a"
    assert wire.scan_answer(answer).model == "m"
    assert json.loads(wire.encode_error(ModelNotFound(), "r"))["error"]["type"] == "not_found_error"
    assert wire.decode_error(b"", status=500, provider="p", retry_after_s=None).provider == "p"
    with pytest.raises(MalformedBody):
        wire.decode_answer(b"")


def test_each_stream_has_a_reader_a_writer_and_a_watcher_of_its_own() -> None:
    """State is never shared between answers."""
    wire = ANTHROPIC_MESSAGES
    assert wire.parser() is not wire.parser()
    assert wire.encoder(REQUEST) is not wire.encoder(REQUEST)
    assert wire.scanner(hide_usage=True) is not wire.scanner()
