"""Where the parts of a JSON text stand, so that a few bytes can be put in and every other stays as it was written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

Place = tuple[int, int]
"""Where a value begins, and the first byte behind it."""
Edit = tuple[int, int, bytes]
"""What stands between two places is replaced by these bytes."""

_GAP: Final = re.compile(rb"[ \t\n\r,]*")
_KEY: Final = re.compile(rb'[ \t\n\r,]*("(?:[^"\\]|\\.)*")[ \t\n\r]*:[ \t\n\r]*', re.DOTALL)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode


class Unplaced(Exception):
    """The text is no such value, or a key stands there twice."""


def members(text: bytes, place: Place) -> Mapping[str, Place]:
    """Return where the values of an object stand, by their keys.

    Raises:
        Unplaced: There is no object at this place, or not a clear one.
    """
    found: dict[str, Place] = {}
    try:
        values = _members(text[place[0] : place[1]])
        at = text.index(b"{", place[0]) + 1
        for _ in values:
            key = _KEY.match(text, at)
            name = "" if key is None else _text(key[1])
            if key is None or name in found:
                raise Unplaced
            found[name] = _standing(text, key.end(), values[name])
            at = found[name][1]
        if text[at : place[1]].strip(b" \t\n\r") != b"}":
            raise Unplaced
    except (msgspec.DecodeError, ValueError, KeyError, RecursionError) as error:
        raise Unplaced from error
    return found


def items(text: bytes, place: Place) -> list[Place]:
    """Return where the items of an array stand, in their order.

    Raises:
        Unplaced: There is no array at this place.
    """
    found: list[Place] = []
    try:
        values = _items(text[place[0] : place[1]])
        at = text.index(b"[", place[0]) + 1
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Unplaced from error
    for value in values:
        gap = _GAP.match(text, at)
        assert gap is not None  # it fits nothing as well
        found.append(_standing(text, gap.end(), value))
        at = found[-1][1]
    return found


def edited(text: bytes, edits: Iterable[Edit]) -> bytes:
    """Return the text with edits that do not overlap."""
    pieces: list[bytes] = []
    at = 0
    for begin, end, new in sorted(edits):
        pieces += (text[at:begin], new)
        at = end
    return b"".join((*pieces, text[at:]))


def _standing(text: bytes, begin: int, value: msgspec.Raw) -> Place:
    raw = bytes(value)
    if not text.startswith(raw, begin):
        # Of two members with one key the parser tells the last: nobody knows which one is meant.
        raise Unplaced
    return begin, begin + len(raw)
