"""Whole answers, both ways."""

from __future__ import annotations

import json

import anthropic.types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import UnsupportedContent
from narthex.types.answers import ChatAnswer, Choice, FinishReason
from narthex.types.messages import Audio, File, Image, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from narthex.types.usage import Usage
from narthex.wire.anthropic_messages.answer import decode_answer, encode_answer, scan_answer
from narthex.wire.contract import MalformedBody, WholeScan
from tests.wire.anthropic_messages.strategies import answers

WHOLE: dict[str, object] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 1},
}


def body(**fields: object) -> bytes:
    """A provider's answer with these fields instead."""
    return json.dumps(WHOLE | fields).encode()


def answer(*parts: Part, reason: FinishReason = FinishReason.STOP, usage: Usage | None = None) -> ChatAnswer:
    """An answer of these parts."""
    choice = Choice(index=0, message=Message(role="assistant", parts=parts), finish_reason=reason)
    return ChatAnswer(id="a", model="m", created_at=0, choices=(choice,), usage=usage)


def test_reads_every_block_in_order() -> None:
    """Thinking, text with sources and calls keep their order; the provider's own tools at work are left out."""
    blocks: list[object] = [
        {"type": "thinking", "thinking": "t", "signature": "s"},
        {"type": "redacted_thinking", "data": "r"},
        {"type": "text", "text": ""},
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "server_tool_use", "id": "x", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "x", "content": [{"type": "web_search_result"}]},
        {"type": "text", "text": "a", "citations": [{"type": "c"}]},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1.0}},
    ]
    read = decode_answer(body(content=blocks, stop_reason="tool_use"))
    assert read.choices[0].message.parts == (
        Reasoning(text="t", signature="s"),
        Reasoning(redacted="r"),
        Text(text="a", citations=({"type": "c"},)),
        ToolCall(id="t1", name="f", arguments='{"x": 1.0}'),
    )
    assert read.choices[0].finish_reason is FinishReason.TOOL_CALLS
    assert (read.id, read.model) == ("msg_1", "claude-sonnet-4-5")


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{",
        b"[]",
        b'{"type": "error", "error": {"type": "api_error", "message": "x"}}',
        b'{"id": "x", "object": "chat.completion", "choices": []}',
        body(stop_reason=None),
        body(type="completion"),
        body(usage="much"),
        b"[" * 90_000,
        b'{"type": "message", "model": "\xff", "stop_reason": "end_turn"}',
    ],
)
def test_what_is_no_whole_answer_is_malformed(broken: bytes) -> None:
    """Another shape, or no reason to stop, is never taken for an answer, read or scanned."""
    with pytest.raises(MalformedBody):
        decode_answer(broken)
    with pytest.raises(MalformedBody):
        scan_answer(broken)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "tool_use", "id": "x", "input": {}},
        {"type": "tool_use", "name": "f", "input": {}},
        {"type": "text", "text": 3},
        {"text": "no type"},
    ],
)
def test_a_malformed_block_makes_the_answer_malformed(block: object) -> None:
    """A call that cannot be answered, or a block that is none, is not passed over."""
    with pytest.raises(MalformedBody):
        decode_answer(body(content=[block]))


def test_input_that_is_not_utf8_is_malformed() -> None:
    """Arguments are text to everyone else."""
    call = b'{"type": "tool_use", "id": "a", "name": "f", "input": {"a": "\xff"}}'
    bad = b'{"type": "message", "stop_reason": "x", "content": [' + call + b"]}"
    with pytest.raises(MalformedBody):
        decode_answer(bad)


def test_a_missing_input_is_an_empty_one() -> None:
    """Some servers leave out or null the input of a tool without arguments."""
    blocks = [{"type": "tool_use", "id": "a", "name": "f"}, {"type": "tool_use", "id": "b", "name": "f", "input": None}]
    parts = decode_answer(body(content=blocks)).choices[0].message.parts
    assert [part.arguments for part in parts if isinstance(part, ToolCall)] == ["{}", "{}"]


def test_a_scan_tells_model_and_usage() -> None:
    """What passes through is looked over for what the ledger needs."""
    usage = {"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": 4, "service_tier": "standard"}
    assert scan_answer(body(usage=usage)) == WholeScan(
        model="claude-sonnet-4-5", usage=Usage(input_tokens=7, output_tokens=1, cache_read_tokens=4)
    )
    assert scan_answer(body(usage=None)).usage is None


@given(answers())
def test_what_is_written_is_read_back(made: ChatAnswer) -> None:
    """An answer is the same after both directions, a scan tells its usage, and the vendor's SDK takes it."""
    written = encode_answer(made)
    assert decode_answer(written) == made
    assert scan_answer(written) == WholeScan(model=made.model, usage=made.usage)
    anthropic.types.Message.model_validate_json(written)


def test_sources_in_another_dialects_shape_are_left_out() -> None:
    """Only this wire's own locations are written back."""
    text = Text(text="a", citations=({"type": "url_citation"}, {"type": "page_location"}))
    written = json.loads(encode_answer(answer(text, Text(text="", citations=({"type": "url_citation"},)))))
    assert written["content"] == [{"type": "text", "text": "a", "citations": [{"type": "page_location"}]}]


def test_a_refusal_is_text_and_a_reason() -> None:
    """The wire has no block for a refusal."""
    written = json.loads(encode_answer(answer(Refusal(text="No."))))
    assert written["content"] == [{"type": "text", "text": "No."}]
    assert written["stop_reason"] == "refusal"


def test_of_several_choices_the_first_is_written() -> None:
    """A client of this wire cannot ask for several."""
    rows = [
        Choice(
            index=index,
            message=Message(role="assistant", parts=(Text(text=str(index)),)),
            finish_reason=FinishReason.STOP,
        )
        for index in (1, 0)
    ]
    made = ChatAnswer(id="a", model="m", created_at=0, choices=tuple(rows))
    assert json.loads(encode_answer(made))["content"] == [{"type": "text", "text": "0"}]


def test_usage_that_nobody_told_is_zero() -> None:
    """The wire requires the field."""
    assert json.loads(encode_answer(answer(Text(text="a"))))["usage"]["output_tokens"] == 0


@pytest.mark.parametrize(
    "part",
    [Audio(data="AA==", format="wav"), Image(url="https://x"), File(file_id="f"), ToolResult(tool_call_id="x")],
)
def test_a_part_without_a_block_is_refused(part: Part) -> None:
    """A sound in an answer cannot be written, and is not silently lost."""
    with pytest.raises(UnsupportedContent):
        encode_answer(answer(part))


@given(st.binary(max_size=200))
def test_random_bytes_are_malformed(data: bytes) -> None:
    """Nothing but a refusal comes of bytes that are no answer."""
    with pytest.raises(MalformedBody):
        decode_answer(data)
    with pytest.raises(MalformedBody):
        scan_answer(data)
