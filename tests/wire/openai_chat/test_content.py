"""Which chunks say something."""

from __future__ import annotations

import json

import pytest

from narthex.testing.wires import openai_frames
from narthex.wire.openai_chat import OPENAI_CHAT


def chunk(delta: object, **choice: object) -> bytes:
    """Return a chunk of one choice."""
    return b"data: %b\n\n" % json.dumps({"choices": [{"index": 0, "delta": delta, **choice}]}).encode()


@pytest.mark.parametrize(
    "frames",
    [
        chunk({"content": " "}),
        chunk({"role": "assistant", "content": "a"}),
        chunk({"reasoning_content": "hm"}),
        chunk({"reasoning": "hm"}),
        chunk({"reasoning_details": [{"type": "reasoning.encrypted"}]}),
        chunk({"refusal": "no"}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a'}}]}),
        chunk({"function_call": {"arguments": "x"}}),
        chunk({"audio": {"data": "AA=="}}),
        chunk({}, finish_reason="stop"),
        b"data: [DONE]\n\n",
        b": ping\n\n" + chunk({"content": "a"}) + b": ping\n\n",
    ],
)
def test_text_thinking_and_tool_calls_are_content(frames: bytes) -> None:
    """Whatever a vendor calls it, and whatever stands around it."""
    assert OPENAI_CHAT.has_content(frames)


@pytest.mark.parametrize(
    "frames",
    [
        b"",
        b": keep-alive\n\n",
        b"event: ping\ndata: {}\n\n",
        chunk({"role": "assistant", "content": ""}),
        chunk({"role": "assistant", "content": None, "tool_calls": [], "refusal": None}),
        chunk({}, finish_reason=None),
        chunk(None, finish_reason=""),
        b'data: {"choices": [], "usage": {"prompt_tokens": 3}}\n\n',
        b'data: {"choices": null}\n\n',
        b'data: {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}\n\n',
        b"data: {nonsense\n\n",
        b"data: \xff\n\n",
        b"data: " + b"[" * 5_000 + b"\n\n",
    ],
)
def test_a_role_a_ping_and_nothing_are_none(frames: bytes) -> None:
    """What does not bring the answer on is no content; what cannot be read is none either."""
    assert not OPENAI_CHAT.has_content(frames)


def test_an_answer_has_content_from_its_first_word_on() -> None:
    """Its opening says nothing, every later piece does."""
    found = [OPENAI_CHAT.has_content(frame) for frame in openai_frames("one two three", usage=False)]
    assert found == [False] + [True] * (len(found) - 1)
