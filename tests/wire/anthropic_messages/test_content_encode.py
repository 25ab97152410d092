"""Turns and blocks of a request for a provider."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import UnsupportedContent
from narthex.types.messages import (
    Audio,
    CacheMarker,
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
from narthex.wire.anthropic_messages.content_encode import ContentWriter, tool_id, tool_use


def say(role: Role, *parts: Part | str) -> Message:
    """Make a message; a string is text."""
    return Message(role=role, parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts))


def written(*messages: Message) -> tuple[object, object, tuple[str, ...]]:
    """Write a conversation; return the system blocks, the turns and what was dropped."""
    writer = ContentWriter()
    system, turns = writer.conversation(messages)
    return json.loads(msgspec.json.encode(system)), json.loads(msgspec.json.encode(turns)), tuple(writer.dropped)


def turns(*messages: Message) -> object:
    """Write a conversation; return its turns."""
    return written(*messages)[1]


def text(value: str) -> dict[str, str]:
    """A text block."""
    return {"type": "text", "text": value}


def result(call_id: str, content: str) -> dict[str, str]:
    """A block of a tool's result."""
    return {"type": "tool_result", "tool_use_id": call_id, "content": content}


def test_leading_system_messages_are_the_system_prompt() -> None:
    """System and developer messages before the first other one go to the front, in order, with their markers."""
    marked = Text(text="b", cache=CacheMarker(ttl="5m"))
    system, conversation, _ = written(say("system", "a"), say("developer", marked), say("user", "hi"))
    assert system == [text("a"), {**text("b"), "cache_control": {"type": "ephemeral", "ttl": "5m"}}]
    assert conversation == [{"role": "user", "content": "hi"}]


def test_a_later_system_message_is_said_in_its_place() -> None:
    """Between turns it becomes text that the model can tell from the user's own."""
    assert turns(
        say("user", "a"), say("system", "s"), say("assistant", "b"), say("developer", "t"), say("user", "c")
    ) == [
        {"role": "user", "content": [text("a"), text("<system>\ns\n</system>")]},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": [text("<system>\nt\n</system>"), text("c")]},
    ]


def test_system_messages_alone_are_asked_by_the_user() -> None:
    """A conversation needs a turn; with nothing but system messages, they are it."""
    assert written(say("system", "do it")) == ([], [{"role": "user", "content": "do it"}], ())


def test_messages_of_one_side_are_one_turn() -> None:
    """The wire wants sides to alternate: neighbours of one role, and tool results with the user, are joined."""
    assert turns(
        say("user", "a"),
        say("user", "b"),
        say("assistant", ToolCall(id="x", name="f", arguments="{}"), ToolCall(id="y", name="f", arguments="{}")),
        say("tool", ToolResult(tool_call_id="x", parts=(Text(text="1"),))),
        say("tool", ToolResult(tool_call_id="y", parts=(Text(text="2"),))),
        say("user", "c"),
    ) == [
        {"role": "user", "content": [text("a"), text("b")]},
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "x", "name": "f", "input": {}},
                {"type": "tool_use", "id": "y", "name": "f", "input": {}},
            ],
        },
        {"role": "user", "content": [result("x", "1"), result("y", "2"), text("c")]},
    ]


def test_results_come_first_in_their_turn() -> None:
    """The wire refuses words between a call and its result."""
    assert turns(
        say("assistant", ToolCall(id="x", name="f", arguments="{}")),
        say("system", "note"),
        say("user", "wait"),
        say("tool", ToolResult(tool_call_id="x", parts=(Text(text="1"),))),
    ) == [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "x", "name": "f", "input": {}}]},
        {"role": "user", "content": [result("x", "1"), text("<system>\nnote\n</system>"), text("wait")]},
    ]


def test_blank_text_and_empty_turns_are_left_out() -> None:
    """The wire refuses text without a letter; nothing is lost with it, but a marker on it is named."""
    blank = Text(text=" \n", cache=CacheMarker())
    _, conversation, dropped = written(say("user", "a", ""), say("assistant", blank), say("user", "b"))
    assert conversation == [{"role": "user", "content": [text("a"), text("b")]}]
    assert dropped == ("cache",)


def test_a_conversation_of_blanks_is_refused() -> None:
    """There must be something to answer."""
    with pytest.raises(UnsupportedContent):
        ContentWriter().conversation([say("user", "  ")])


def test_reasoning_goes_back_only_with_its_proof() -> None:
    """Thinking that this wire's provider signed or hid goes back unchanged; another's is dropped and named."""
    _, conversation, dropped = written(
        say("user", "a"),
        say("assistant", Reasoning(text="t", signature="s"), Reasoning(redacted="r"), Reasoning(text="loose"), "b"),
    )
    assert conversation == [
        {"role": "user", "content": "a"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t", "signature": "s"},
                {"type": "redacted_thinking", "data": "r"},
                text("b"),
            ],
        },
    ]
    assert dropped == ("reasoning",)


def test_a_refusal_in_the_history_is_text() -> None:
    """The wire has no block for it; the words are kept."""
    assert turns(say("user", "a"), say("assistant", Refusal(text="No."), Refusal(text=""))) == [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "No."},
    ]


def test_names_of_speakers_and_details_of_pictures_are_named_as_dropped() -> None:
    """The wire has no word for either."""
    named = Message(
        role="user", parts=(Image(url="https://x", detail="high"), Image(url="https://y", detail="auto")), name="Ann"
    )
    assert written(named)[2] == ("name", "detail")


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (Image(url="https://x"), {"type": "image", "source": {"type": "url", "url": "https://x"}}),
        (Image(file_id="f"), {"type": "image", "source": {"type": "file", "file_id": "f"}}),
        (
            Image(data="AA==", media_type="image/jpg"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "AA=="}},
        ),
        (
            File(url="https://x", filename="t"),
            {"type": "document", "source": {"type": "url", "url": "https://x"}, "title": "t"},
        ),
        (File(file_id="f"), {"type": "document", "source": {"type": "file", "file_id": "f"}}),
        (File(text="t"), {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "t"}}),
        (
            File(data="AA==", media_type="application/pdf", cache=CacheMarker()),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="},
                "cache_control": {"type": "ephemeral"},
            },
        ),
        (
            File(data=base64.b64encode(b"%PDF-1.7").decode()),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjc="},
            },
        ),
        (
            File(data=base64.b64encode("é".encode()).decode(), media_type="text/csv"),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é"}},
        ),
    ],
)
def test_writes_pictures_and_documents(part: Part, block: object) -> None:
    """Each kind of content has its source on the wire; a text file is sent as its text."""
    assert turns(say("user", part)) == [{"role": "user", "content": [block]}]


@pytest.mark.parametrize(
    "part",
    [
        Audio(data="AA==", format="wav"),
        Image(data="AA==", media_type="image/bmp"),
        Image(data="AA=="),
        File(data="AA==", media_type="application/zip"),
        File(data="AA=="),
        File(url="https://x", media_type="text/plain"),
        File(data="gA==", media_type="text/plain"),
        File(data="!", media_type="text/plain"),
        ToolResult(tool_call_id="x", parts=(Text(text="a"), Image(data="AA==", media_type="image/bmp"))),
    ],
)
def test_content_that_the_wire_cannot_carry_is_refused_by_place(part: Part) -> None:
    """Nobody's sound or archive is silently left out: the refusal says where it stands."""
    with pytest.raises(UnsupportedContent) as caught:
        ContentWriter().conversation([say("system", "s"), say("user", "a", part)])
    expected = "messages.1.content.1.content.1" if isinstance(part, ToolResult) else "messages.1.content.1"
    assert caught.value.param == expected


def test_a_system_message_holds_text_only() -> None:
    """Pictures in a system message have no place on the wire."""
    with pytest.raises(UnsupportedContent):
        ContentWriter().conversation([say("system", Image(url="https://x")), say("user", "a")])


def test_writes_results_short_marked_and_failed() -> None:
    """A result of one text is a string, an empty one has no content, a failed one says so."""
    parts = (
        ToolResult(tool_call_id="a", parts=(Text(text=""),)),
        ToolResult(tool_call_id="b", parts=(Text(text="x"), File(file_id="f")), is_error=True, cache=CacheMarker()),
    )
    assert turns(Message(role="tool", parts=parts)) == [
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a"},
                {
                    "type": "tool_result",
                    "tool_use_id": "b",
                    "content": [text("x"), {"type": "document", "source": {"type": "file", "file_id": "f"}}],
                    "is_error": True,
                    "cache_control": {"type": "ephemeral"},
                },
            ],
        }
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", b"{}"),
        (" ", b"{}"),
        ('{"a": 1.50, "b":\n[]}', b'{"a": 1.50, "b":\n[]}'),
        ('{"a": 1', b'{"INVALID_JSON":"{\\"a\\": 1"}'),
        ("[1]", b'{"INVALID_JSON":"[1]"}'),
        ('{"a":' * 20_000, b'{"INVALID_JSON":' + json.dumps('{"a":' * 20_000).encode() + b"}"),
    ],
)
def test_arguments_are_kept_byte_for_byte_or_wrapped(arguments: str, expected: bytes) -> None:
    """A JSON object goes out as the model wrote it; anything else is wrapped under a key that says so."""
    block = tool_use(ToolCall(id="a", name="f", arguments=arguments))
    assert msgspec.json.encode(block["input"]) == expected


@given(st.text(max_size=80), st.text(max_size=80))
def test_every_id_of_a_call_fits_the_wire(one: str, other: str) -> None:
    """Calls and results keep belonging together under IDs that the wire takes."""
    assert tool_id(one) == tool_id(one)
    assert 0 < len(tool_id(one)) <= 64
    assert tool_id(one).replace("_", "a").replace("-", "a").isalnum()
    assert tool_id(one).isascii()
    assert (tool_id(one) == tool_id(other)) == (one == other)


def test_ids_that_fit_are_kept() -> None:
    """An ID of the wire's own making is never changed."""
    assert tool_id("toolu_01-A") == "toolu_01-A"
    assert tool_id("functions.find:0").startswith("functions_find_0_")


def _sides(conversation: Sequence[dict[str, object]]) -> list[object]:
    return [turn["role"] for turn in conversation]


roles = st.sampled_from(["system", "developer", "user", "assistant", "tool"])


@given(st.lists(st.tuples(roles, st.sampled_from(["a", "b", " "])), min_size=1, max_size=8))
def test_sides_always_take_turns(rows: list[tuple[Role, str]]) -> None:
    """Whatever the order of messages, no two neighbouring turns are of one side and none is empty."""
    messages = [
        say(role, ToolResult(tool_call_id="x", parts=(Text(text=word),)) if role == "tool" else word)
        for role, word in rows
    ]
    try:
        _, conversation = ContentWriter().conversation(messages)
    except UnsupportedContent:
        assert all(word == " " and role != "tool" for role, word in rows)
        return
    sides = _sides(conversation)
    assert all(one != other for one, other in itertools.pairwise(sides))
    assert all(turn["content"] for turn in conversation)
