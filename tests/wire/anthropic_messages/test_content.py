"""Which events say something."""

from __future__ import annotations

import pytest

from narthex.testing.wires import anthropic_frame, anthropic_frames
from narthex.wire.anthropic_messages import ANTHROPIC_MESSAGES


@pytest.mark.parametrize(
    "frames",
    [
        anthropic_frame("content_block_delta", index=0, delta={"type": "text_delta", "text": "a"}),
        anthropic_frame("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"}),
        anthropic_frame("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "s"}),
        anthropic_frame("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": "{"}),
        anthropic_frame("content_block_start", index=1, content_block={"type": "tool_use", "id": "t", "name": "n"}),
        anthropic_frame("content_block_start", index=0, content_block={"type": "text", "text": "a"}),
        anthropic_frame("message_delta", delta={"stop_reason": "end_turn"}),
        anthropic_frame("message_stop"),
        anthropic_frame("ping") + anthropic_frame("content_block_delta", delta={"type": "text_delta", "text": "a"}),
    ],
)
def test_text_thinking_and_tool_calls_are_content(frames: bytes) -> None:
    """Every piece of a block, and what ends the answer."""
    assert ANTHROPIC_MESSAGES.has_content(frames)


@pytest.mark.parametrize(
    "frames",
    [
        b"",
        b": comment\n\n",
        anthropic_frame("ping"),
        anthropic_frame("message_start", message={"id": "m", "content": [], "usage": {"input_tokens": 3}}),
        anthropic_frame("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        anthropic_frame("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""}),
        anthropic_frame("content_block_start", index=0),
        anthropic_frame("content_block_delta", index=0, delta={"type": "text_delta", "text": ""}),
        anthropic_frame("content_block_delta", index=0),
        anthropic_frame("content_block_stop", index=0),
        anthropic_frame("message_delta", delta={"stop_reason": None}, usage={"output_tokens": 1}),
        anthropic_frame("something_new"),
        b"data: {nonsense\n\n",
        b"data: \xff\n\n",
    ],
)
def test_a_beginning_a_ping_and_nothing_are_none(frames: bytes) -> None:
    """What does not bring the answer on is no content; what cannot be read is none either."""
    assert not ANTHROPIC_MESSAGES.has_content(frames)


def test_an_answer_has_content_once_its_block_has_begun() -> None:
    """Its opening says nothing; what follows does, but for the end of the block."""
    found = [ANTHROPIC_MESSAGES.has_content(frame) for frame in anthropic_frames("one two three")]
    assert not any(found[:2])
    assert sum(found) >= 3
