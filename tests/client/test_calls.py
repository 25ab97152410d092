"""What clients ask, and what they make of the answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from narthex.client import calls
from narthex.client.http1 import Head, HttpRequest
from narthex.client.values import Messages
from narthex.errors import BrokenAnswer, InternalError
from narthex.testing.wires import as_json, openai_answer, openai_embeddings
from narthex.types.messages import Message, Text
from narthex.types.requests import Tool
from tests.client.answers import GENERATION, MODEL, STATUS, error_body

GOOD = Head(200, {"x-request-id": "req_1"})


def _body(request: HttpRequest) -> dict[str, object]:
    assert request.method == "POST"
    found: dict[str, object] = json.loads(request.body or b"")
    return found


def test_prompts_are_asked() -> None:
    """Only what was said is sent."""
    request = calls.generate_request("Why?", stream=False, system=None, format="json", schema={"type": "object"})
    assert request.path == "/api/generate"
    assert _body(request) == {"prompt": "Why?", "stream": False, "format": "json", "schema": {"type": "object"}}


@pytest.mark.parametrize(
    "messages",
    [
        "Hi",
        Message(role="user", parts=(Text(text="Hi"),)),
        [Message(role="user", parts=(Text(text="Hi"),))],
        (Message(role="user", parts=(Text(text="Hi"),)),),
    ],
)
def test_conversations_are_asked(messages: Messages) -> None:
    """A text, a message and several messages are conversations; options go along in the wire's words."""
    tool = Tool(name="clock", parameters={"type": "object"})
    request = calls.chat_request(messages, model="m", stream=True, tools=(tool,), max_output_tokens=5)
    body = _body(request)
    assert request.path == "/v1/chat/completions"
    assert body["model"] == "m"
    assert body["messages"] == [{"role": "user", "content": "Hi"}]
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert isinstance(body["tools"], list)


def test_vectors_are_asked() -> None:
    """One text or several, with the dimensions where they are given."""
    assert _body(calls.embed_request("a", model=None, dimensions=None))["input"] == ["a"]
    body = _body(calls.embed_request(("a", "b"), model="m", dimensions=3))
    assert (body["input"], body["model"], body["dimensions"]) == (["a", "b"], "m", 3)


def test_routes_are_asked() -> None:
    """Only what was said of the call is sent."""
    request = calls.route_request(None, tags=["a"], caller=None, at=datetime(2026, 3, 4, tzinfo=UTC))
    assert request.path == "/api/route"
    assert _body(request) == {"tags": ["a"], "at": "2026-03-04T00:00:00Z"}
    assert _body(calls.route_request("m")) == {"model": "m"}


def test_routes_are_read() -> None:
    """With everybody in line and every rule; what a later gateway adds is passed over."""
    told = {
        "asked": "m",
        "target": "p/m",
        "model": "p/m",
        "candidates": [{"model": "p/m", "reason": "it was asked for"}],
        "rules": [{"name": "one", "outcome": "matched"}],
        "new": 1,
    }
    route = calls.read_route(GOOD, as_json(told))
    assert (route.candidates[0].reason, route.rules[0].name, route.header) == ("it was asked for", "one", None)


def test_good_answers_are_read() -> None:
    """Every whole answer becomes its value."""
    assert calls.read_generation(GOOD, as_json(GENERATION)).text == "Blue, mostly."
    assert calls.read_models(GOOD, as_json({"object": "list", "data": [MODEL]}))[0].provider == "local"
    assert calls.read_status(GOOD, as_json(STATUS)).uptime_s == 12.5
    assert calls.read_health(GOOD, b'{"status": "ok", "version": "1"}').version == "1"
    assert calls.read_chat(GOOD, openai_answer("Hi")).choices[0].message.parts == (Text(text="Hi"),)


def test_vectors_come_in_the_order_of_their_inputs() -> None:
    """Rows are sorted by their index, whatever order they came in."""
    rows = json.loads(openai_embeddings([(1.0, 0.0), (0.0, 1.0)]))
    rows["data"].reverse()
    answer = calls.read_vectors(GOOD, as_json(rows))
    assert answer.vectors == ((1.0, 0.0), (0.0, 1.0))
    assert answer.usage is not None
    assert answer.usage.input_tokens == 2


@pytest.mark.parametrize(
    "read",
    [
        calls.read_generation,
        calls.read_models,
        calls.read_status,
        calls.read_chat,
        calls.read_vectors,
        calls.read_route,
    ],
)
@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[]", b'{"data": 1}', b"\xff"])
def test_nonsense_is_told(read: calls.Read[object], body: bytes) -> None:
    """A good status with something else in it is a broken answer, under its request ID."""
    with pytest.raises(BrokenAnswer) as caught:
        read(GOOD, body)
    assert caught.value.request_id == "req_1"


def test_only_success_passes() -> None:
    """An error raises what it tells; so does a redirect, which nobody follows."""
    calls.check(GOOD, b"")
    with pytest.raises(InternalError):
        calls.check(Head(500), as_json(error_body()))
    with pytest.raises(BrokenAnswer):
        calls.check(Head(302, {"location": "https://elsewhere"}), b"")
