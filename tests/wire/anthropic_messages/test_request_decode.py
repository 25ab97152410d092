"""Requests of clients."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import InvalidRequest, RequestError, UnsupportedContent
from narthex.types.dialects import Dialect
from narthex.types.messages import CacheMarker, File, Image, Message, Reasoning, Text, ToolCall, ToolResult
from narthex.types.requests import ChatRequest, ReasoningSettings, ResponseFormat, Tool, ToolChoice
from narthex.wire.anthropic_messages import decode_count_request
from narthex.wire.anthropic_messages.request_decode import decode_request
from narthex.wire.anthropic_messages.request_encode import encode_request
from tests.wire.anthropic_messages.strategies import requests

USER = {"role": "user", "content": "hi"}


def body(**fields: object) -> bytes:
    """Write a request with `fields` beside the required ones."""
    return json.dumps({"model": "m", "max_tokens": 64, "messages": [USER], **fields}).encode()


def decoded(**fields: object) -> ChatRequest:
    """Read such a request."""
    return decode_request(body(**fields))


CACHE = {"type": "ephemeral", "ttl": "1h"}
AGENT: dict[str, object] = {
    "system": [{"type": "text", "text": "Be brief.", "cache_control": CACHE}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Ask the tool.", "signature": "sig"},
                {"type": "redacted_thinking", "data": "xx"},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "rain", "is_error": False},
                {"type": "text", "text": "And tomorrow?", "cache_control": {"type": "ephemeral"}},
            ],
        },
    ],
    "tools": [{"name": "weather", "description": "d", "input_schema": {"type": "object"}, "cache_control": CACHE}],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    "stop_sequences": ["END"],
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 40,
    "stream": True,
    "metadata": {"user_id": "u1"},
    "service_tier": "standard_only",
    "thinking": {"type": "enabled", "budget_tokens": 2048},
    "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
}
READ = ChatRequest(
    model="m",
    messages=(
        Message(role="system", parts=(Text(text="Be brief.", cache=CacheMarker(ttl="1h")),)),
        Message(role="user", parts=(Text(text="Weather?"),)),
        Message(
            role="assistant",
            parts=(
                Reasoning(text="Ask the tool.", signature="sig"),
                Reasoning(redacted="xx"),
                ToolCall(id="t1", name="weather", arguments='{"city": "Oslo"}'),
            ),
        ),
        Message(role="tool", parts=(ToolResult(tool_call_id="t1", parts=(Text(text="rain"),)),)),
        Message(role="user", parts=(Text(text="And tomorrow?", cache=CacheMarker()),)),
    ),
    stream=True,
    include_usage=True,
    max_output_tokens=64,
    temperature=0.5,
    top_p=0.9,
    top_k=40,
    stop=("END",),
    tools=(Tool(name="weather", description="d", parameters={"type": "object"}, cache=CacheMarker(ttl="1h")),),
    tool_choice=ToolChoice(mode="required"),
    parallel_tool_calls=False,
    response_format=ResponseFormat(kind="json_schema", schema={"type": "object"}),
    reasoning=ReasoningSettings(budget_tokens=2048),
    user="u1",
    service_tier="default",
    extra_dialect=Dialect.ANTHROPIC_MESSAGES,
)


def test_reads_a_request_of_an_agent_in_full() -> None:
    """Everything a coding agent sends finds its place."""
    assert decoded(**AGENT) == READ


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, ToolChoice(mode="auto")),
        ({"type": "none"}, ToolChoice(mode="none")),
        ({"type": "any"}, ToolChoice(mode="required")),
        ({"type": "tool", "name": "f"}, ToolChoice(mode="named", name="f")),
    ],
)
def test_reads_every_choice_of_tools(choice: dict[str, object], expected: ToolChoice) -> None:
    """Each way to choose a tool has its word inside."""
    assert decoded(tool_choice=choice).tool_choice == expected


@pytest.mark.parametrize(
    ("fields", "settings", "extra"),
    [
        ({"thinking": {"type": "disabled"}}, ReasoningSettings(enabled=False), {}),
        ({"thinking": {"type": "adaptive"}}, ReasoningSettings(adaptive=True), {}),
        (
            {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "low"}},
            ReasoningSettings(adaptive=True, effort="low"),
            {"thinking": {"display": "omitted"}},
        ),
        ({"output_config": {"effort": "max"}}, ReasoningSettings(effort="max"), {}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}, "output_config": {"effort": "low"}},
            ReasoningSettings(budget_tokens=1024),
            {"output_config": {"effort": "low"}},
        ),
        ({"thinking": {"type": "enabled"}}, ReasoningSettings(), {}),
        ({"thinking": {"type": "between_tools"}}, None, {"thinking": {"type": "between_tools"}}),
    ],
)
def test_reads_every_way_to_think(
    fields: dict[str, object], settings: ReasoningSettings | None, extra: dict[str, object]
) -> None:
    """Thinking and effort become reasoning settings; what has no place inside is kept."""
    request = decoded(**fields)
    assert request.reasoning == settings
    assert request.extra == extra


def test_keeps_fields_without_a_place_inside() -> None:
    """Fields of this dialect alone are kept by their own name, the remainder of metadata too; null is nothing."""
    request = decoded(
        container="c1", speed=None, metadata={"user_id": None, "team": "x"}, cache_control={"type": "ephemeral"}
    )
    assert request.extra == {"container": "c1", "metadata": {"team": "x"}, "cache_control": {"type": "ephemeral"}}
    assert request.user is None


def test_keeps_options_of_tools_and_documents_for_the_way_back() -> None:
    """Settings of a tool and of documents that have no word inside survive a translation to this same wire."""
    tool = {"name": "f", "input_schema": {"type": "object"}, "eager_input_streaming": True, "input_examples": [{}]}
    source = {"type": "text", "media_type": "text/plain", "data": "text"}
    document = {"type": "document", "source": source, "citations": {"enabled": True}}
    request = decoded(tools=[tool], messages=[{"role": "user", "content": [document]}])
    assert request.extra == {
        "tools.eager_input_streaming": {"f": True},
        "tools.input_examples": {"f": [{}]},
        "citations": {"enabled": True},
    }
    again = json.loads(encode_request(request, model="m").body)
    assert again["tools"] == [tool]
    assert again["messages"][0]["content"] == [document]


def test_a_system_turn_within_the_conversation_stays_in_its_place() -> None:
    """The wire allows system turns after the first; on the way back to it they are system turns again."""
    turns = [USER, {"role": "system", "content": "It is night now."}, {"role": "assistant", "content": "ok"}, USER]
    request = decoded(messages=turns)
    assert [message.role for message in request.messages] == ["user", "system", "assistant", "user"]
    assert json.loads(encode_request(request, model="m").body)["messages"] == turns


def test_results_and_words_of_one_turn_are_told_apart_in_order() -> None:
    """A user's turn of text, results and text becomes three messages."""
    result = {"type": "tool_result", "tool_use_id": "a"}
    text = {"type": "text", "text": "x"}
    request = decoded(messages=[{"role": "user", "content": [text, result, result, text]}])
    assert [(message.role, len(message.parts)) for message in request.messages] == [
        ("user", 1),
        ("tool", 2),
        ("user", 1),
    ]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "boss", "content": "hi"}]}, "messages.0.role"),
        ({"messages": [USER, {"role": "user", "content": [{"type": "text", "text": 1}]}]}, "messages.1.content.0.text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "x"}}]}]},
            "messages.0.content.0.source.type",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]}]},
            "messages.0.content",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_result", "tool_use_id": "a"}]}]},
            "messages.0.content",
        ),
        (
            {"messages": [{"role": "system", "content": [{"type": "thinking", "thinking": "", "signature": ""}]}]},
            "messages.0.content",
        ),
        ({"tools": [{"name": "f"}]}, "tools.0.input_schema"),
        ({"tools": [{"input_schema": {}}]}, "tools.0.name"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"metadata": {"user_id": 3}}, "metadata.user_id"),
    ],
)
def test_names_the_field_at_fault(fields: dict[str, object], param: str) -> None:
    """A mistake is refused with the path of its field, in the parameter and in the message."""
    with pytest.raises(InvalidRequest) as caught:
        decoded(**fields)
    assert caught.value.param == param
    assert param in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "param", "word"),
    [
        (
            {"messages": [USER, {"role": "assistant", "content": [{"type": "server_tool_use", "id": "s"}]}]},
            "messages.1.content.0",
            "server_tool_use",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "text", "text": "a"}, {"type": "web_search_tool_result", "content": {}}],
                    }
                ]
            },
            "messages.0.content.1",
            "web_search_tool_result",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "search_result"}]}
                        ],
                    }
                ]
            },
            "messages.0.content.0.content.0",
            "search_result",
        ),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools.0", "web_search_20250305"),
    ],
)
def test_refuses_the_providers_own_tools_by_name(fields: dict[str, object], param: str, word: str) -> None:
    """What only this wire has is not translated silently: the refusal names the block or tool, and where it is."""
    with pytest.raises(UnsupportedContent, match=word) as caught:
        decoded(**fields)
    assert caught.value.param == param


def test_a_count_needs_no_limit() -> None:
    """A request to count tokens has no `max_tokens`."""
    request = decode_count_request(json.dumps({"model": "m", "messages": [USER]}).encode())
    assert request.max_output_tokens is None
    assert request.messages == (Message(role="user", parts=(Text(text="hi"),)),)


def test_reads_pictures_and_documents_of_every_source() -> None:
    """Each source has its field in the part."""
    sources = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        {"type": "document", "source": {"type": "file", "file_id": "f1"}, "title": "T"},
    ]
    request = decoded(messages=[{"role": "user", "content": sources}])
    assert request.messages[0].parts == (
        Image(data="AA==", media_type="image/png"),
        Image(url="https://x/y.png"),
        File(file_id="f1", filename="T"),
    )


@given(requests())
def test_what_is_written_is_read_back(request: ChatRequest) -> None:
    """A request that the wire carries whole is the same after both directions, and nothing is named as dropped."""
    encoded = encode_request(request, model=request.model)
    assert encoded.dropped == ()
    again = decode_request(encoded.body)
    assert msgspec.structs.replace(again, extra_dialect=None) == request


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_random_bytes_are_refused(data: bytes) -> None:
    """Nothing but a refusal comes of a body that is no request."""
    with pytest.raises(RequestError):
        decode_request(data)


@given(st.data())
def test_a_damaged_request_is_read_or_refused(data: st.DataObject) -> None:
    """A request with a few bytes changed raises nothing undocumented."""
    whole = bytearray(encode_request(data.draw(requests()), model="m").body)
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        request = decode_request(bytes(whole))
    except RequestError:
        return
    try:
        encode_request(request, model="m")
    except UnsupportedContent:
        return


@pytest.mark.parametrize(
    "opening", ['{"a":', "[", '{"messages":[{"role":"user","content":[{"type":"tool_use","input":{"a":']
)
def test_endless_nesting_is_refused(opening: str) -> None:
    """A body nested without end is a bad request, not a crash."""
    with pytest.raises(InvalidRequest):
        decode_request((opening * 50_000).encode())
