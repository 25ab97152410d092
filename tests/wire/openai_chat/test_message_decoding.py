"""Messages of clients, in all the forms that clients send."""

from __future__ import annotations

import json

import pytest

from narthex.errors import InvalidRequest, UnsupportedContent
from narthex.types.messages import (
    Audio,
    CacheMarker,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from narthex.wire.openai_chat.message_decoding import split_data_url
from narthex.wire.openai_chat.request_decoding import decode_request


def read(*messages: dict[str, object]) -> tuple[Message, ...]:
    """Read messages."""
    return decode_request(json.dumps({"model": "m", "messages": messages}).encode()).messages


def parts(message: dict[str, object]) -> tuple[Part, ...]:
    """Read the parts of one message."""
    return read(message)[0].parts


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant"])
def test_content_may_be_text_parts_or_nothing(role: str) -> None:
    """A string, a list and null are all content."""
    assert parts({"role": role, "content": "hi"}) == (Text(text="hi"),)
    assert parts({"role": role, "content": [{"type": "text", "text": "hi"}]}) == (Text(text="hi"),)
    assert parts({"role": role, "content": None}) == ()
    assert parts({"role": role, "content": ""}) == ()


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            Text(text="a", cache=CacheMarker(ttl="1h")),
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://a.test/b.png", "detail": "low"}},
            Image(url="https://a.test/b.png", detail="low"),
        ),
        ({"type": "image_url", "image_url": "https://a.test/b.png"}, Image(url="https://a.test/b.png")),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
            Image(data="aGk=", media_type="image/png"),
        ),
        ({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}}, Audio(data="aGk=", format="mp3")),
        ({"type": "file", "file": {"file_id": "file-1"}}, File(file_id="file-1")),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}},
            File(data="aGk=", media_type="application/pdf", filename="a.pdf"),
        ),
        ({"type": "file", "file": {"file_data": "aGk="}}, File(data="aGk=")),
        ({"type": "file", "file": {"file_data": "https://a.test/x.pdf"}}, File(url="https://a.test/x.pdf")),
    ],
)
def test_reads_every_kind_of_part(part: dict[str, object], expected: Part) -> None:
    """Text, pictures, sounds and documents, by address and by content."""
    assert parts({"role": "user", "content": [part]}) == (expected,)


def test_reads_an_earlier_answer() -> None:
    """Thinking, text, refusal and calls of an assistant, in that order."""
    message: dict[str, object] = {
        "role": "assistant",
        "content": "text",
        "refusal": "no",
        "reasoning_content": "hm",
        "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
    }
    assert parts(message) == (
        Reasoning(text="hm"),
        Text(text="text"),
        Refusal(text="no"),
        ToolCall(id="call_1", name="f", arguments='{"a":1}'),
    )


def test_signed_thinking_comes_from_the_details() -> None:
    """Details hold signatures and what is redacted; the plain text beside them says nothing more."""
    details = [
        {"type": "reasoning.text", "text": "hm", "signature": "sig", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "xyz"},
        {"type": "reasoning.summary", "summary": "short"},
        {"type": "reasoning.text", "text": ""},
    ]
    assert parts({"role": "assistant", "content": None, "reasoning": "hm", "reasoning_details": details}) == (
        Reasoning(text="hm", signature="sig"),
        Reasoning(redacted="xyz"),
        Reasoning(text="short"),
    )


def test_arguments_may_be_an_object() -> None:
    """Some clients send arguments as JSON instead of JSON text."""
    call = {"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}
    assert parts({"role": "assistant", "tool_calls": [call]}) == (ToolCall(id="c", name="f", arguments='{"a":1}'),)


def test_reads_results_of_tools() -> None:
    """A result names its call and may hold parts."""
    message: dict[str, object] = {
        "role": "tool",
        "tool_call_id": "call_1",
        "content": [{"type": "text", "text": "21"}],
        "cache_control": {"type": "ephemeral", "ttl": "7d"},
    }
    assert parts(message) == (ToolResult(tool_call_id="call_1", parts=(Text(text="21"),), cache=CacheMarker()),)


def test_older_function_messages_are_paired() -> None:
    """A `function` message answers the last `function_call` of its name."""
    call, result = read(
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "21"},
    )
    [called], [given] = call.parts, result.parts
    assert isinstance(called, ToolCall)
    assert isinstance(given, ToolResult)
    assert result.role == "tool"
    assert given.tool_call_id == called.id


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "user", "content": [{"type": "image_url"}]}, "messages.0.content.0.image_url"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,hi"}}]},
            "messages.0.content.0.image_url.url",
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x", "detail": "huge"}}]},
            "messages.0.content.0.image_url.detail",
        ),
        ({"role": "user", "content": [{"type": "file", "file": {}}]}, "messages.0.content.0.file.file_data"),
        (
            {"role": "tool", "tool_call_id": "c", "content": [{"type": "refusal", "refusal": "x"}]},
            "messages.0.content.0.type",
        ),
        ({"role": "assistant", "tool_calls": [{"id": "c"}]}, "messages.0.tool_calls.0.function"),
        ({"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}, "messages.0.tool_calls.0.id"),
    ],
)
def test_a_bad_part_is_named(message: dict[str, object], param: str) -> None:
    """The error's `param` is the path of what is wrong."""
    with pytest.raises(InvalidRequest) as caught:
        read(message)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "assistant", "audio": {"id": "audio_1"}}, "messages.0.audio"),
        (
            {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "x", "input": "y"}}]},
            "messages.0.tool_calls.0.type",
        ),
    ],
)
def test_what_has_no_word_inside_is_refused(message: dict[str, object], param: str) -> None:
    """Content that cannot be translated raises instead of vanishing."""
    with pytest.raises(UnsupportedContent) as caught:
        read(message)
    assert caught.value.param == param


def test_a_data_url_is_split() -> None:
    """Parameters stay with the type; what is not base64 is no content we can carry."""
    assert split_data_url("data:text/plain;charset=utf-8;base64,aGk=") == ("text/plain;charset=utf-8", "aGk=")
    assert split_data_url("data:text/plain,hi") is None
    assert split_data_url("https://a.test") is None
