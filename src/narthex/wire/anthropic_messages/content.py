"""Whether an event says something: what a stream is judged by that goes on with events that hold nothing.

https://docs.anthropic.com/en/docs/build-with-claude/streaming#ping-events
"""

from __future__ import annotations

import msgspec

from narthex.wire.sse import SseEvent, SseParser

_EMPTY_AT_FIRST = frozenset({"text", "thinking"})
"""Blocks that begin with nothing in them; all others say at their start what they are about."""


class _Event(msgspec.Struct):
    type: str = ""
    delta: dict[str, object] | None = None
    content_block: dict[str, object] | None = None


_decode = msgspec.json.Decoder(_Event).decode


def has_content(frames: bytes) -> bool:
    """Tell whether a model says something in whole frames of a stream."""
    return any(_says_something(event) for event in SseParser().feed(frames) if event.data)


def _says_something(frame: SseEvent) -> bool:
    try:
        event = _decode(frame.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    match event.type:
        case "content_block_start":
            block = event.content_block or {}
            return block.get("type", "text") not in _EMPTY_AT_FIRST or _has_any(block)
        case "content_block_delta" | "message_delta":
            return _has_any(event.delta or {})
        case _:
            return event.type == "message_stop"


def _has_any(members: dict[str, object]) -> bool:
    return any(value for name, value in members.items() if name != "type")
