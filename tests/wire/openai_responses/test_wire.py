"""The responses wire as one object."""

from __future__ import annotations

import json

import pytest

from narthex.errors import ModelNotFound
from narthex.types.dialects import Dialect
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest
from narthex.wire.contract import ChatWire, MalformedBody
from narthex.wire.openai_responses import OPENAI_RESPONSES

REQUEST = ChatRequest(model="m", messages=(Message(role="user", parts=(Text(text="hi"),)),))


def test_every_direction_is_there() -> None:
    """Requests, answers, scans and errors, both ways."""
    wire: ChatWire = OPENAI_RESPONSES
    assert wire.dialect is Dialect.OPENAI_RESPONSES
    assert wire.decode_request(wire.encode_request(REQUEST, model="m").body).messages == REQUEST.messages
    answer = b'{"object":"response","id":"resp_1","model":"m","status":"completed","output":[]}'
    assert wire.decode_answer(wire.encode_answer(wire.decode_answer(answer), REQUEST)).id == "resp_1"
    assert wire.scan_answer(answer).model == "m"
    assert json.loads(wire.encode_error(ModelNotFound(), "r"))["error"]["code"] == "model_not_found"
    assert wire.decode_error(b"", status=500, provider="p", retry_after_s=None).provider == "p"
    with pytest.raises(MalformedBody):
        wire.decode_answer(b"")


def test_each_stream_has_a_reader_a_writer_and_a_watcher_of_its_own() -> None:
    """State is never shared between answers."""
    wire = OPENAI_RESPONSES
    assert wire.parser() is not wire.parser()
    assert wire.encoder(REQUEST) is not wire.encoder(REQUEST)
    assert wire.scanner(hide_usage=True) is not wire.scanner()
