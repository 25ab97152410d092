"""Whether a chunk says something: what a stream is judged by that goes on with chunks that hold nothing.

Vendors call what their models think by many names, so anything in a delta counts that is not empty, but for the role.
"""

from __future__ import annotations

import msgspec

from narthex.wire.openai_chat.chunks import UNREADABLE, is_done
from narthex.wire.sse import SseParser


class _Choice(msgspec.Struct):
    delta: dict[str, object] | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None


_decode = msgspec.json.Decoder(_Chunk).decode


def has_content(frames: bytes) -> bool:
    """Tell whether a model says something in whole frames of a stream."""
    return any(_says_something(event.data) for event in SseParser().feed(frames) if event.data)


def _says_something(data: bytes) -> bool:
    if is_done(data):
        return True
    try:
        chunk = _decode(data)
    except UNREADABLE:
        return False
    return any(
        choice.finish_reason or any(value for name, value in (choice.delta or {}).items() if name != "role")
        for choice in chunk.choices or ()
    )
