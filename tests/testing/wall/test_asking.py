"""What the wall sees of a request."""

from __future__ import annotations

import json

import pytest

from narthex.testing.upstream import ReceivedRequest
from narthex.testing.wall.asking import Asked, NotUnderstood, Tool, read, wire_of

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}


def _request(body: object, path: str = "/v1/chat/completions", method: str = "POST") -> ReceivedRequest:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ReceivedRequest(method=method, target=path, headers={}, body=data, connection=1, at=0.0)


def _read(*messages: object, **more: object) -> Asked:
    return read(_request({"model": "m", "messages": list(messages), **more}), "openai")


def _said(role: str, content: object) -> dict[str, object]:
    return {"role": role, "content": content}


def test_the_path_tells_the_wire() -> None:
    """A prefix before the path does not matter; what asks for no answer has no wire."""
    assert wire_of(_request({}, "/some/v1/chat/completions?x=1")) == "openai"
    assert wire_of(_request({}, "/v1/messages")) == "anthropic"
    assert wire_of(_request({}, "/v1/embeddings")) is None
    assert wire_of(_request({}, "/v1/messages", "GET")) is None


def test_texts_are_read_from_strings_and_parts() -> None:
    """The prompt is the user's last text, the opening the first, whatever form they have."""
    parts = [{"type": "text", "text": "two"}, {"type": "image"}, {"type": "text", "text": "!"}]
    asked = _read(_said("user", "one"), _said("assistant", "yes"), _said("user", parts))
    assert (asked.opening, asked.prompt, asked.begun) == ("one", "two!", "")
    assert asked.before == ("one", "yes")


def test_a_last_message_of_the_assistant_is_to_be_continued() -> None:
    """What it says is what the answer begins with."""
    asked = _read(_said("user", "one"), _said("assistant", "The an"))
    assert (asked.prompt, asked.begun, asked.before) == ("one", "The an", None)


def test_streams_and_their_usage_are_asked_for() -> None:
    """Only what is said is asked for."""
    assert not _read(_said("user", "x")).is_streamed
    asked = _read(_said("user", "x"), stream=True, stream_options={"include_usage": True})
    assert asked.is_streamed
    assert asked.wants_usage


def test_tools_are_read_in_both_wires_words() -> None:
    """A function of OpenAI's and a tool of Anthropic's are the same."""
    expected = (Tool(name="weather", schema=WEATHER),)
    function = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}
    assert _read(_said("user", "x"), tools=[function]).tools == expected
    assert _read(_said("user", "x"), tools=[{"name": "weather", "input_schema": WEATHER}]).tools == expected


def test_a_result_needs_no_further_call() -> None:
    """Behind a tool's result, or where tools are forbidden, none is offered."""
    offered = [{"name": "weather", "input_schema": WEATHER}]
    assert _read(_said("tool", "4 degrees"), tools=offered).tools == ()
    assert _read(_said("user", [{"type": "tool_result", "content": "4"}]), tools=offered).tools == ()
    assert _read(_said("user", "x"), tools=offered, tool_choice="none").tools == ()


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"{", "no JSON"), ([], "messages"), ({"model": "m"}, "messages"), ({"model": 1, "messages": []}, "model")],
)
def test_what_no_provider_takes_is_told(body: object, words: str) -> None:
    """The reason names what is missing."""
    with pytest.raises(NotUnderstood, match=words):
        read(_request(body), "openai")
