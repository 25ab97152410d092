"""Whether an event says something: what a stream is judged by that goes on with events that hold nothing.

https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

import msgspec

from narthex.wire.sse import SseEvent, SseParser

_OPENING = frozenset(
    {
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.content_part.added",
        "response.reasoning_summary_part.added",
    }
)
"""Events that come before a word is said."""
_EMPTY_AT_FIRST = frozenset({"message", "reasoning"})
"""Items that begin with nothing in them; all others say at their start what they are about."""


class _Item(msgspec.Struct):
    type: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    delta: object = None
    item: _Item | None = None


_decode = msgspec.json.Decoder(_Event).decode


def has_content(frames: bytes) -> bool:
    """Tell whether a model says something in whole frames of a stream."""
    return any(_says_something(event) for event in SseParser().feed(frames) if event.data)


def _says_something(frame: SseEvent) -> bool:
    try:
        event = _decode(frame.data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    if event.type in _OPENING or not event.type.startswith("response."):
        return False
    if event.type.endswith(".delta"):
        return bool(event.delta)
    if event.type == "response.output_item.added":
        return event.item is not None and event.item.type not in _EMPTY_AT_FIRST
    return True
