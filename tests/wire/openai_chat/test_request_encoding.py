"""Requests for providers: exact, and honest about what is left out."""

from __future__ import annotations

from typing import cast

import msgspec
import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import TypeAdapter

from narthex.types.dialects import Dialect
from narthex.types.messages import CacheMarker, Message, Reasoning, Text, ToolCall, ToolResult
from narthex.types.requests import ChatRequest, ReasoningSettings, ResponseFormat, Tool, ToolChoice
from narthex.wire.contract import Encoded
from narthex.wire.openai_chat.request_encoding import encode_request

HELLO = (Message(role="user", parts=(Text(text="hi"),)),)


def written(encoded: Encoded) -> dict[str, object]:
    """Read an encoded body as plain JSON."""
    return cast("dict[str, object]", msgspec.json.decode(encoded.body))


def request(**members: object) -> ChatRequest:
    """Make a request with these members."""
    return msgspec.structs.replace(ChatRequest(model="ours", messages=HELLO), **members)


def test_writes_the_least() -> None:
    """Nothing that was not asked for is written."""
    encoded = encode_request(request(), model="theirs")
    assert written(encoded) == {"model": "theirs", "messages": [{"role": "user", "content": "hi"}]}
    assert encoded.dropped == ()


def test_writes_every_member() -> None:
    """What the dialect has a member for is written under its name."""
    body = written(
        encode_request(
            request(
                temperature=0.5, seed=1, n=2, stop=("a",), logit_bias={"1": 2.0}, logprobs=True, top_logprobs=2,
                tools=(Tool(name="f", parameters={"type": "object"}, strict=True),),
                tool_choice=ToolChoice(mode="named", name="f"),
                parallel_tool_calls=False,
                response_format=ResponseFormat(kind="json_schema", schema={"type": "object"}, strict=True),
                reasoning=ReasoningSettings(effort="low"),
                user="u", metadata={"a": "b"}, service_tier="flex",
            ),
            model="m",
        )
    )  # fmt: skip
    TypeAdapter(CompletionCreateParamsNonStreaming).validate_python(body)
    function = {"name": "f", "parameters": {"type": "object"}, "strict": True}
    assert body["tools"] == [{"type": "function", "function": function}]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
    }
    assert (body["reasoning_effort"], body["logit_bias"], body["stop"]) == ("low", {"1": 2}, ["a"])


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-5-mini", "max_completion_tokens"),
        ("o3", "max_completion_tokens"),
        ("openai/o4-mini", "max_completion_tokens"),
        ("gpt-4o", "max_tokens"),
        ("gpt-oss-20b", "max_tokens"),
        ("mistral-small", "max_tokens"),
    ],
)
def test_the_length_has_the_name_that_the_model_takes(model: str, name: str) -> None:
    """OpenAI's reasoning models refuse the name that most other servers need."""
    assert written(encode_request(request(max_output_tokens=5), model=model))[name] == 5


def test_a_caller_of_this_dialect_chose_the_name_of_the_length() -> None:
    """The spelling that the caller used is written back, with the value as it is now."""
    own = request(max_output_tokens=5, extra={"max_tokens": 9}, extra_dialect=Dialect.OPENAI_CHAT)
    assert written(encode_request(own, model="gpt-5"))["max_tokens"] == 5
    newer = request(max_output_tokens=5, extra_dialect=Dialect.OPENAI_CHAT)
    assert written(encode_request(newer, model="mistral"))["max_completion_tokens"] == 5


def test_a_stream_asks_for_usage_where_wanted() -> None:
    """Options of a stream go with a stream only."""
    assert written(encode_request(request(stream=True, include_usage=True), model="m"))["stream_options"] == {
        "include_usage": True
    }
    assert "stream_options" not in written(encode_request(request(stream=True), model="m"))
    kept = request(extra={"stream_options": {"x": 1}}, extra_dialect=Dialect.OPENAI_CHAT)
    assert "stream_options" not in written(encode_request(kept, model="m"))


def test_only_our_own_extras_are_written() -> None:
    """Members that another dialect left are not sent to a provider of this one."""
    foreign = request(extra={"container": "x"}, extra_dialect=Dialect.ANTHROPIC_MESSAGES)
    own = request(extra={"store": True}, extra_dialect=Dialect.OPENAI_CHAT)
    assert "container" not in written(encode_request(foreign, model="m"))
    assert written(encode_request(own, model="m"))["store"] is True


def test_tuning_that_the_dialect_lacks_is_dropped_and_named() -> None:
    """The caller learns of each thing that was left out."""
    marked = CacheMarker()
    messages = (
        Message(role="user", parts=(Text(text="hi", cache=marked),)),
        Message(role="assistant", parts=(Reasoning(text="hm", signature="s"), Text(text="a"))),
    )
    tools = (Tool(name="f", cache=marked),)
    encoded = encode_request(
        request(messages=messages, tools=tools, top_k=3, reasoning=ReasoningSettings(budget_tokens=1000)), model="m"
    )
    assert encoded.dropped == ("cache", "reasoning", "top_k")
    assert b"cache_control" not in encoded.body
    assert b"hm" not in encoded.body


def test_a_caller_of_this_dialect_keeps_marks_and_signatures() -> None:
    """Who sends `cache_control`, `top_k` or signed reasoning in this dialect has a provider that takes them."""
    own = request(
        messages=(
            Message(role="user", parts=(Text(text="hi", cache=CacheMarker(ttl="1h")),)),
            Message(role="assistant", parts=(Reasoning(text="hm", signature="s"), Reasoning(redacted="r"))),
        ),
        top_k=3,
        extra={"top_k": 3},
        extra_dialect=Dialect.OPENAI_CHAT,
    )
    encoded = encode_request(own, model="m")
    assert encoded.dropped == ()
    assert written(encoded)["top_k"] == 3
    assert b'"cache_control":{"type":"ephemeral","ttl":"1h"}' in encoded.body
    assert b'"reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"s","index":0}' in encoded.body


def test_a_dialogue_with_tools() -> None:
    """Call, result and answer of another dialect become messages that OpenAI's own types accept."""
    messages = (
        Message(role="system", parts=(Text(text="be brief"),)),
        Message(role="user", parts=(Text(text="weather?"),)),
        Message(role="assistant", parts=(Text(text="I look"), ToolCall(id="c1", name="f", arguments="{}"))),
        Message(
            role="tool",
            parts=(
                ToolResult(tool_call_id="c1", parts=(Text(text="rain"),)),
                ToolResult(tool_call_id="c2", parts=(Text(text="no such city"),), is_error=True),
            ),
        ),
    )
    body = written(encode_request(request(messages=messages), model="m"))
    TypeAdapter(CompletionCreateParamsNonStreaming).validate_python(body)
    assert body["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "weather?"},
        {
            "role": "assistant",
            "content": "I look",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        {"role": "tool", "tool_call_id": "c2", "content": "Error:\nno such city"},
    ]
