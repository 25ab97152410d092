"""Requests of clients."""

from __future__ import annotations

import json

import pytest

from narthex.errors import InvalidRequest, UnsupportedContent
from narthex.types.dialects import Dialect
from narthex.types.messages import Message, Text
from narthex.types.requests import ReasoningSettings, ResponseFormat, Tool, ToolChoice
from narthex.wire.openai_responses.request_decode import decode_request

EVERY_FIELD = dict[str, object](
    instructions="be brief",
    stream=True,
    max_output_tokens=64,
    temperature=0.5,
    top_p=0.9,
    top_logprobs=2,
    tools=[
        {
            "type": "function",
            "name": "find",
            "description": "d",
            "parameters": {"type": "object"},
            "strict": True,
        }
    ],
    tool_choice={"type": "function", "name": "find"},
    parallel_tool_calls=False,
    text={"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "strict": True}},
    reasoning={"effort": "low", "summary": "auto"},
    metadata={"a": "b"},
    user="u",
    store=False,
)


def asked(**members: object) -> bytes:
    """Write a request."""
    return json.dumps({"model": "m", "input": "hi"} | members).encode()


@pytest.mark.parametrize("body", [b'{"input":"hi"}', b'{"input":"hi","model":null}'])
def test_a_model_that_is_not_named_is_none(body: bytes) -> None:
    """Left out or null: the default model is asked, as in every other dialect."""
    assert decode_request(body).model == ""


def test_every_field_finds_its_place() -> None:
    """Tuning, tools, the form of the text and how much to think."""
    request = decode_request(asked(**EVERY_FIELD))
    assert [message.role for message in request.messages] == ["system", "user"]
    assert request.messages[0].parts == (Text(text="be brief"),)
    assert (request.stream, request.include_usage, request.max_output_tokens) == (True, True, 64)
    assert (request.temperature, request.top_p, request.logprobs, request.top_logprobs) == (0.5, 0.9, True, 2)
    assert request.tools == (Tool(name="find", description="d", parameters={"type": "object"}, strict=True),)
    assert request.tool_choice == ToolChoice(mode="named", name="find")
    assert request.response_format == ResponseFormat(
        kind="json_schema", name="a", schema={"type": "object"}, strict=True
    )
    assert request.reasoning == ReasoningSettings(effort="low")
    assert request.extra_dialect is Dialect.OPENAI_RESPONSES
    assert request.extra["store"] is False
    assert request.extra["reasoning"] == {"effort": "low", "summary": "auto"}


def test_a_text_is_what_the_user_says() -> None:
    """The shortest request there is."""
    assert decode_request(asked()).messages == (Message(role="user", parts=(Text(text="hi"),)),)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"input": []}, "input"),
        ({"input": 3}, "input"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tools": [{"type": "function"}]}, "tools.0.name"),
        ({"text": {"format": {"type": "yaml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input.0.role"),
    ],
)
def test_what_is_wrong_is_named(members: dict[str, object], param: str) -> None:
    """The error says which field, in the caller's words."""
    with pytest.raises(InvalidRequest) as caught:
        decode_request(asked(**members))
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice.type"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input.0"),
        ({"input": [{"type": "computer_call_output", "call_id": "c"}]}, "input.0.type"),
    ],
)
def test_what_no_other_dialect_has_is_refused_and_not_dropped(members: dict[str, object], param: str) -> None:
    """Content is never left out in silence."""
    with pytest.raises(UnsupportedContent) as caught:
        decode_request(asked(**members))
    assert caught.value.param == param


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b'{"input":' + b"[" * 5000])
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    """One clear error each."""
    with pytest.raises(InvalidRequest):
        decode_request(body)
