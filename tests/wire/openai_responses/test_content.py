"""Which events say something."""

from __future__ import annotations

import json

import pytest

from narthex.wire.openai_responses import OPENAI_RESPONSES


def event(kind: str, **fields: object) -> bytes:
    """Return a frame."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps({"type": kind, **fields}).encode())


@pytest.mark.parametrize(
    "frames",
    [
        event("response.output_text.delta", delta="a"),
        event("response.reasoning_text.delta", delta="hm"),
        event("response.reasoning_summary_text.delta", delta="hm"),
        event("response.refusal.delta", delta="no"),
        event("response.function_call_arguments.delta", delta="{"),
        event("response.output_item.added", item={"type": "function_call", "name": "n"}),
        event("response.output_item.done", item={"type": "reasoning"}),
        event("response.web_search_call.searching"),
        event("response.completed", response={}),
        event("response.in_progress") + event("response.output_text.delta", delta="a"),
    ],
)
def test_text_thinking_and_tool_calls_are_content(frames: bytes) -> None:
    """Every piece of an item, what a tool of the provider does, and what ends the answer."""
    assert OPENAI_RESPONSES.has_content(frames)


@pytest.mark.parametrize(
    "frames",
    [
        b"",
        b": comment\n\n",
        event("keepalive"),
        event("response.created", response={}),
        event("response.queued", response={}),
        event("response.in_progress", response={}),
        event("response.output_item.added", item={"type": "message", "content": []}),
        event("response.output_item.added", item={"type": "reasoning"}),
        event("response.output_item.added"),
        event("response.content_part.added", part={"type": "output_text", "text": ""}),
        event("response.output_text.delta", delta=""),
        b"data: {nonsense\n\n",
        b"data: \xff\n\n",
    ],
)
def test_a_beginning_a_ping_and_nothing_are_none(frames: bytes) -> None:
    """What does not bring the answer on is no content; what cannot be read is none either."""
    assert not OPENAI_RESPONSES.has_content(frames)
