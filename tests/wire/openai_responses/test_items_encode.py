"""From messages to the items of a conversation."""

from __future__ import annotations

import pytest

from narthex.errors import UnsupportedContent
from narthex.types.messages import Audio, File, Image, Message, Reasoning, Refusal, Text, ToolCall, ToolResult
from narthex.wire.openai_responses.items_encode import ItemEncoder


def test_what_is_said_between_calls_keeps_its_place() -> None:
    """Each run of words is an item of its own."""
    message = Message(
        role="assistant",
        parts=(Text(text="a"), ToolCall(id="c", name="f", arguments=""), Text(text="b"), Refusal(text="no")),
    )
    items = ItemEncoder(own=True).encode(0, message)
    assert [item["type"] for item in items] == ["message", "function_call", "message"]
    assert items[0]["content"] == "a"
    assert items[1]["arguments"] == "{}"
    assert items[2]["content"] == [{"type": "output_text", "text": "b"}, {"type": "refusal", "refusal": "no"}]


def test_pictures_and_files_are_carried_in_every_form() -> None:
    """By address, by content and by the ID of an upload."""
    parts = (
        Image(url="https://a.test/b.png", detail="low"),
        Image(data="aGk=", media_type="image/png"),
        Image(file_id="file-1"),
        File(data="aGk=", media_type="application/pdf"),
        File(url="https://a.test/x.pdf"),
        File(file_id="file-2"),
        File(text="plain"),
    )
    (item,) = ItemEncoder(own=False).encode(0, Message(role="user", parts=parts))
    assert item["content"] == [
        {"type": "input_image", "detail": "low", "image_url": "https://a.test/b.png"},
        {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,aGk="},
        {"type": "input_image", "detail": "auto", "file_id": "file-1"},
        {"type": "input_file", "filename": "document", "file_data": "data:application/pdf;base64,aGk="},
        {"type": "input_file", "file_url": "https://a.test/x.pdf"},
        {"type": "input_file", "file_id": "file-2"},
        {"type": "input_text", "text": "plain"},
    ]


def test_a_failed_tool_says_so() -> None:
    """There is no field for it, and the model must know."""
    failed = ToolResult(tool_call_id="c", parts=(Text(text="gone"),), is_error=True)
    pictured = ToolResult(tool_call_id="d", parts=(Text(text="see"), Image(url="https://a.test/b.png")))
    first, second = ItemEncoder(own=True).encode(0, Message(role="tool", parts=(failed, pictured)))
    assert first["output"] == "Error:\ngone"
    output = second["output"]
    assert isinstance(output, list)
    assert [one["type"] for one in output] == ["input_text", "input_image"]


def test_sound_is_refused() -> None:
    """The API takes none; leaving it out would change the question."""
    with pytest.raises(UnsupportedContent) as caught:
        ItemEncoder(own=True).encode(2, Message(role="user", parts=(Audio(data="aGk=", format="wav"),)))
    assert caught.value.param == "messages.2.content.0"


def test_sealed_thoughts_go_back_to_who_sealed_them() -> None:
    """From this dialect they are written; a thought without a seal is worth nothing to a provider."""
    message = Message(role="assistant", parts=(Reasoning(redacted="x"), Reasoning(text="bare")))
    encoder = ItemEncoder(own=True)
    assert encoder.encode(0, message) == [{"type": "reasoning", "summary": [], "encrypted_content": "x"}]
    assert encoder.dropped == {"reasoning"}
