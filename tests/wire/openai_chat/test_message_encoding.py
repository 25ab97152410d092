"""Messages for providers: carried, or refused with the place and the remedy."""

from __future__ import annotations

import pytest

from narthex.errors import UnsupportedContent
from narthex.types.messages import (
    Audio,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from narthex.wire.openai_chat.message_encoding import MessageEncoder


def body(role: Role, *parts: Part, own: bool = False) -> dict[str, object]:
    """Write one message."""
    [written] = MessageEncoder(own=own).encode(0, Message(role=role, parts=parts))
    return written


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Image(url="https://a.test"), {"type": "image_url", "image_url": {"url": "https://a.test"}}),
        (
            Image(data="aGk=", media_type="image/png", detail="high"),
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "high"}},
        ),
        (Audio(data="aGk=", format="wav"), {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}),
        (
            File(data="aGk=", media_type="application/pdf"),
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "document"}},
        ),
        (File(file_id="f1"), {"type": "file", "file": {"file_id": "f1"}}),
        (File(text="plain"), {"type": "text", "text": "plain"}),
        (Refusal(text="no"), {"type": "refusal", "refusal": "no"}),
    ],
)
def test_writes_every_kind_of_part(part: Part, expected: dict[str, object]) -> None:
    """What the dialect carries is written in its shape."""
    assert body("user", part)["content"] == [expected]


def test_one_text_is_a_string() -> None:
    """The plainest form is the one that every server takes; no text is an empty one."""
    assert body("user", Text(text="a"))["content"] == "a"
    assert body("user")["content"] == ""
    assert body("assistant")["content"] == ""


def test_an_assistant_that_only_calls_has_null_content() -> None:
    """OpenAI writes null there itself."""
    assert body("assistant", ToolCall(id="c", name="f", arguments="{}"))["content"] is None


def test_unsigned_reasoning_is_sent_as_text() -> None:
    """Servers that think aloud want their thoughts back under the name they gave them."""
    assert body("assistant", Reasoning(text="hm"), Text(text="a"))["reasoning_content"] == "hm"


def test_another_providers_proof_is_not_sent() -> None:
    """A signature means nothing here, and what it signs belongs to another model; the rest is kept."""
    encoder = MessageEncoder(own=False)
    thoughts = (Reasoning(text="a", signature="s"), Reasoning(redacted="r"), Reasoning(text="b"))
    [written] = encoder.encode(0, Message(role="assistant", parts=thoughts))
    assert written["reasoning_content"] == "b"
    assert "reasoning_details" not in written
    assert encoder.dropped == {"reasoning"}


@pytest.mark.parametrize(
    ("role", "part", "param"),
    [
        ("user", Image(file_id="f"), "messages.0.content.0"),
        ("user", File(url="https://a.test/x.pdf"), "messages.0.content.0"),
        ("user", ToolCall(id="c", name="f", arguments=""), "messages.0.content.0"),
        ("tool", Text(text="x"), "messages.0.content.0"),
        ("tool", ToolResult(tool_call_id="c", parts=(Image(url="u"),)), "messages.0.content.0"),
    ],
)
def test_what_cannot_be_carried_is_refused(role: Role, part: Part, param: str) -> None:
    """Content never vanishes: the error names its place and what to send instead."""
    with pytest.raises(UnsupportedContent) as caught:
        body(role, part)
    assert caught.value.param == param
    assert caught.value.message.startswith(param)


def test_a_result_of_a_tool_may_be_a_document_in_text() -> None:
    """Plain text is plain text, whatever it is called."""
    result = ToolResult(tool_call_id="c", parts=(Text(text="a"), File(text="b")))
    assert body("tool", result)["content"] == "a\nb"


def test_names_are_kept() -> None:
    """Who speaks among several of one role is said on every message that it becomes."""
    results = (ToolResult(tool_call_id="a"), ToolResult(tool_call_id="b"))
    written = MessageEncoder(own=False).encode(0, Message(role="tool", parts=results, name="n"))
    assert [one["name"] for one in written] == ["n", "n"]
