"""Where the provider's cache of prompts can be told to keep what it has read, and how that is written into a request.

https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching: what is read up to a marked block is kept, in the
order tools, system, messages; there are at most four marks; a prefix below a size that each model has is not kept.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from narthex.wire.places import Edit, Place, Unplaced, edited, items, members

Ttl = Literal["5m", "1h"]
"""How long a provider keeps a prefix, from its last use on."""

_VERSION: Final = re.compile(r"claude-(?:([a-z]+)-)?(\d+)(?:[-.](\d{1,2})(?!\d))?(?:-([a-z]+))?")
_USUAL_TOKENS: Final = 1_024
_LEAST_TOKENS: Final = {
    ("opus", 4, 5): 4_096,
    ("opus", 4, 6): 4_096,
    ("opus", 4, 7): 2_048,
    ("opus", 5, 0): 512,
    ("fable", 5, 0): 512,
    ("mythos", 5, 0): 512,
    ("haiku", 3, 0): 2_048,
    ("haiku", 3, 5): 2_048,
    ("haiku", 4, 5): 4_096,
}
"""Where it is not the usual: by family and version."""
_ESCAPED: Final = (b"\\u005", b"\\u006", b"\\u007")
"""Spellings of letters by which a key can be written that is not seen in the bytes."""
_CAN_BE_MARKED: Final = frozenset({"text", "image", "document", "tool_result"})


class _Block(msgspec.Struct):
    """What must be known of a block to mark it."""

    type: str = "custom"
    text: str | None = None
    role: str = ""
    defer_loading: bool | None = None


_block = msgspec.json.Decoder(_Block).decode


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Where the parts of a request stand."""

    tools: Place | None
    system: Place | None
    turns: tuple[Place, ...]
    """The messages of the user, oldest first."""
    first: int
    """Where the messages begin."""
    ends_with_results: bool
    """Whether the last message brings results of tools: the next call repeats all of this one."""


def least_tokens(model: str) -> int:
    """Return the tokens that a prefix must have for the provider to keep it."""
    found = _VERSION.search(model)
    if found is None:
        return _USUAL_TOKENS
    family, major, minor = found[1] or found[4] or "", int(found[2]), int(found[3] or 0)
    return _LEAST_TOKENS.get((family, major, minor), _USUAL_TOKENS)


def is_marked(body: bytes) -> bool:
    """Tell whether the caller has placed marks, or may have."""
    return b'"cache_control"' in body or any(escape in body for escape in _ESCAPED)


def layout(body: bytes) -> Layout:
    """Return where the parts of a request stand.

    Raises:
        Unplaced: It is no clear request.
    """
    parts = members(body, (0, len(body)))
    if "messages" not in parts:
        raise Unplaced
    messages = items(body, parts["messages"])
    turns = tuple(place for place in messages if _read(body, place).role == "user")
    last = bool(turns) and turns[-1] == messages[-1]
    return Layout(
        tools=parts.get("tools"),
        system=parts.get("system"),
        turns=turns,
        first=parts["messages"][0],
        ends_with_results=last and _brings_results(body, turns[-1]),
    )


def mark(body: bytes, places: Layout, *, turns: tuple[int, ...], ttl: Ttl, head: tuple[bool, bool]) -> bytes:
    """Return the request with marks behind its tools, its system prompt and some of the user's turns.

    Args:
        body: The request.
        places: Where its parts stand.
        turns: Which of the user's turns; at most two.
        ttl: How long the prefix is to be kept.
        head: Whether behind the tools, and behind the system prompt.

    A part that cannot bear a mark stays without one.
    """
    control = b'"cache_control":{"type":"ephemeral"%b}' % (b',"ttl":"1h"' if ttl == "1h" else b"")
    edits: list[Edit] = []
    if head[0] and places.tools is not None:
        edits += _behind_tools(body, places.tools, control)
    if head[1] and places.system is not None:
        edits += _behind_content(body, places.system, control)
    for turn in turns:
        content = members(body, places.turns[turn]).get("content")
        if content is not None:
            edits += _behind_content(body, content, control)
    return edited(body, edits)


def _read(body: bytes, place: Place) -> _Block:
    try:
        return _block(body[place[0] : place[1]])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unplaced from error


def _brings_results(body: bytes, turn: Place) -> bool:
    content = members(body, turn).get("content")
    if content is None or body[content[0] : content[0] + 1] != b"[":
        return False
    return any(_read(body, block).type == "tool_result" for block in items(body, content))


def _behind_tools(body: bytes, place: Place, control: bytes) -> list[Edit]:
    tools = items(body, place)
    last = _read(body, tools[-1]) if tools else None
    if last is None or last.type != "custom" or last.defer_loading:
        # What is loaded later is refused with a mark; the one behind the system prompt holds for the tools as well.
        return []
    return [_within(tools[-1], control)]


def _behind_content(body: bytes, place: Place, control: bytes) -> list[Edit]:
    """Mark the last block, or make one of a plain text, which means the same."""
    begin, end = place
    if body[begin : begin + 1] == b'"':
        if body[begin:end] == b'""':
            return []
        return [(begin, begin, b'[{"type":"text","text":'), (end, end, b",%b}]" % control)]
    blocks = items(body, place)
    last = _read(body, blocks[-1]) if blocks else None
    if last is None or last.type not in _CAN_BE_MARKED or (last.type == "text" and not (last.text or "").strip()):
        return []
    return [_within(blocks[-1], control)]


def _within(place: Place, control: bytes) -> Edit:
    end = place[1] - 1
    return end, end, b"," + control
