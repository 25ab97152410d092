"""Items of a conversation: read, kept in one form, shown, and made into messages."""

from __future__ import annotations

import msgspec
import pytest

from narthex.errors import NarthexError, UnsupportedContent
from narthex.types.messages import Image, Reasoning, Text, ToolCall, ToolResult
from narthex.wire.openai_realtime.items import Item, messages, read_item
from narthex.wire.openai_realtime.shapes import ItemIn


def item(said: dict[str, object]) -> Item:
    """Read an item."""
    return read_item(msgspec.convert(said, ItemIn), "item_new")


def test_an_item_is_shown_as_it_was_said() -> None:
    """What a client sends is what it gets back, with an ID and a status."""
    said: dict[str, object] = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    read = item({**said, "object": "realtime.item", "status": "in_progress"})
    assert read.shown() == {**said, "id": "item_new", "object": "realtime.item", "status": "completed"}
    assert read.size_bytes


def test_items_make_messages() -> None:
    """What the model says and calls in a row is one turn; pictures come along; older words are understood."""
    picture = "data:image/png;base64,AAAA"
    content = [{"type": "input_text", "text": "See"}, {"type": "input_image", "image_url": picture}]
    items = [
        item({"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be."}]}),
        item({"type": "message", "role": "user", "content": content}),
        item({"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Ah"}]}),
        item({"type": "function_call", "name": "f", "call_id": "c", "arguments": {"a": 1}}),
        item({"type": "function_call_output", "call_id": "c", "output": "1"}),
    ]
    system, user, assistant, tool = messages(items)
    assert system.parts == (Text(text="Be."),)
    assert user.parts == (Text(text="See"), Image(data="AAAA", media_type="image/png"))
    assert assistant.parts == (Text(text="Ah"), ToolCall(id="c", name="f", arguments='{"a":1}'))
    assert tool.parts == (ToolResult(tool_call_id="c", parts=(Text(text="1"),)),)


def test_a_thought_goes_back_with_the_call_that_followed_it() -> None:
    """What the provider signed stands before the call in the same turn."""
    call = item({"type": "function_call", "name": "f", "call_id": "c", "arguments": "{}"})
    call.thoughts = (Reasoning(text="hm", signature="s"),)
    (turn,) = messages([call])
    assert turn.parts[0] == Reasoning(text="hm", signature="s")
    assert isinstance(turn.parts[1], ToolCall)


def test_half_a_call_is_not_sent() -> None:
    """A call that was cut, and an item that is still written, make no message."""
    cut = item({"type": "function_call", "name": "f", "call_id": "c", "arguments": "{"})
    cut.body.status = "incomplete"
    going = item({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Ah"}]})
    going.body.status = "in_progress"
    assert messages([cut, going]) == ()


def test_a_call_without_an_id_gets_one() -> None:
    """Its result must be able to name it."""
    assert item({"type": "function_call", "name": "f"}).shown()["call_id"] == "call_item_new"


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"type": "mcp_call"}, "item.type"),
        ({"type": "message", "role": "tool", "content": []}, "item.role"),
        ({"type": "message", "role": "user", "content": "Hi"}, "item.content"),
        ({"type": "message", "role": "user"}, "item.content"),
        ({"type": "message", "role": "user", "content": [{"type": "output_text", "text": "x"}]}, "item.content.0.type"),
        ({"type": "message", "role": "user", "content": [{"type": "input_audio"}]}, "item.content.0.type"),
        ({"type": "message", "role": "user", "content": [{"type": "input_text"}]}, "item.content.0.text"),
        ({"type": "message", "role": "user", "content": [], "id": "a b"}, "item.id"),
        ({"type": "function_call_output", "call_id": "c"}, "item.output"),
        ({"type": "function_call_output", "call_id": "c", "output": []}, "item.output"),
        ({"type": "function_call_output", "output": "x"}, "item.call_id"),
        ({"type": "function_call"}, "item.name"),
    ],
)
def test_a_faulty_item_is_refused_by_its_field(said: dict[str, object], param: str) -> None:
    """The place of the fault is named as the client knows it."""
    with pytest.raises(NarthexError) as refused:
        item(said)
    assert (refused.value.status, refused.value.param) == (400, param)
    assert "input.0" not in refused.value.message


def test_sound_is_refused_with_the_remedy() -> None:
    """A sound cannot be heard here."""
    with pytest.raises(UnsupportedContent, match="send text"):
        item({"type": "message", "role": "assistant", "content": [{"type": "output_audio", "audio": ""}]})
