"""From the items of a conversation to its messages."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from narthex.errors import InvalidRequest, UnsupportedContent
from narthex.types.messages import Message, Reasoning, Text, ToolCall, ToolResult
from narthex.wire.openai_responses.items_decode import item_parts, joined, messages_of
from narthex.wire.openai_responses.schema import ItemBody


def items(*bodies: Mapping[str, object]) -> list[ItemBody]:
    """Read items."""
    return msgspec.convert(list(bodies), list[ItemBody])


def test_items_of_one_speaker_are_one_turn() -> None:
    """What a model thinks, says and calls is one message; results that follow each other are one too."""
    call = {"type": "function_call", "name": "f", "arguments": "{}"}
    result = {"type": "function_call_output", "output": "ok"}
    messages = messages_of(
        items(
            {"role": "user", "content": "hi"},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look"}]},
            call | {"call_id": "a"},
            call | {"call_id": "b", "arguments": {"x": 1}},
            result | {"call_id": "a"},
            result | {"call_id": "b"},
        )
    )
    assert [message.role for message in messages] == ["user", "assistant", "tool"]
    assert messages[1].parts == (
        Reasoning(text="hm"),
        Text(text="I look"),
        ToolCall(id="a", name="f", arguments="{}"),
        ToolCall(id="b", name="f", arguments='{"x":1}'),
    )
    assert [part.tool_call_id for part in messages[2].parts if isinstance(part, ToolResult)] == ["a", "b"]


def test_two_turns_of_the_user_stay_two() -> None:
    """Only what has no turns of its own is joined."""
    said = Message(role="user", parts=(Text(text="a"),))
    assert joined([said, said]) == (said, said)


def test_a_thought_that_only_its_provider_can_read_is_redacted() -> None:
    """With a summary it is a signed thought; with nothing it is none."""
    sealed, signed, empty = items(
        {"type": "reasoning", "summary": [], "encrypted_content": "x"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "x"},
        {"type": "reasoning", "summary": []},
    )
    assert item_parts(sealed, "") == (Reasoning(redacted="x"),)
    assert item_parts(signed, "") == (Reasoning(text="hm", signature="x"),)
    assert item_parts(empty, "") == ()


def test_what_is_missing_or_unknown_is_named() -> None:
    """The path says which item."""
    with pytest.raises(InvalidRequest) as caught:
        messages_of(items({"type": "function_call_output", "output": "x"}))
    assert caught.value.param == "input.0.call_id"
    with pytest.raises(UnsupportedContent) as refused:
        messages_of(items({"role": "user", "content": "a"}, {"type": "mcp_call"}))
    assert refused.value.param == "input.1.type"


def test_an_empty_text_says_nothing() -> None:
    """It is no message."""
    assert messages_of("") == ()


def test_an_empty_name_of_a_call_is_a_name() -> None:
    """What matches the call to its result is the caller's to choose."""
    (message,) = messages_of(items({"type": "function_call", "call_id": "", "name": "f", "arguments": "{}"}))
    assert message.parts == (ToolCall(id="", name="f", arguments="{}"),)
