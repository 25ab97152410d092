"""Change one field of a JSON body and leave every other byte as the caller wrote it."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

_WHITESPACE = b" \t\n\r"
_MODEL_KEY = b'"model"'
_STRING_VALUE = re.compile(rb'[ \t\n\r]*:[ \t\n\r]*("(?:[^"\\]|\\.)*")')


def replace_model(body: bytes, old: str, new: str) -> bytes | None:
    r"""Put another model's name into a request, or return None where only re-encoding is exact.

    Args:
        body: A JSON object whose top-level `model`, read by a JSON parser, is `old`.
        old: The name that stands there.
        new: The name to put there.

    The parser found the key, so it stands somewhere in the bytes. Written plainly it is `"model"`; written with escapes
    it holds at least one `\u006x`, the only spelling of its five letters in JSON. Without such an escape and with
    `"model"` there exactly once, that one place is the key. A quotation mark inside a string is always escaped, so text
    that quotes the key only ever adds places, never hides one.
    """
    if body.count(_MODEL_KEY) != 1 or b"\\u006" in body:
        return None
    before, compact, after = body.partition(_member(old))
    if compact:
        return before + _member(new) + after
    found = _STRING_VALUE.match(body, body.index(_MODEL_KEY) + len(_MODEL_KEY))
    if found is None or _decoded(found[1]) != old:
        return None
    return body[: found.start(1)] + _literal(new) + body[found.end(1) :]


def add_field(body: bytes, name: str, raw_json: bytes) -> bytes | None:
    """Add a member at the end of a request, or return None if the body does not end as an object does.

    Args:
        body: A JSON object, not empty, without a top-level `name`.
        name: The member's name.
        raw_json: Its value, as JSON.
    """
    trimmed = body.rstrip(_WHITESPACE)
    if not trimmed.endswith(b"}"):
        return None
    end = len(trimmed) - 1
    return body[:end] + b"," + msgspec.json.encode(name) + b":" + raw_json + body[end:]


@lru_cache(maxsize=1024)
def _member(model: str) -> bytes:
    """Return the member as the official SDKs write it."""
    return _MODEL_KEY + b":" + _literal(model)


def _literal(text: str) -> bytes:
    return msgspec.json.encode(text)


def _decoded(literal: bytes) -> str | None:
    try:
        return msgspec.json.decode(literal, type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
