"""Reads request bodies, and says of a bad one which field is at fault."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from narthex.errors import InvalidRequest, UnsupportedContent
from narthex.wire.anthropic_messages.schema import BLOCK_TYPES, RESULT_TYPES, LooseBlock, LooseRequest, WireRequest

Shape = TypeVar("Shape")

_WHERE = re.compile(r" - at `\$\.?(.*)`$")
_INDEX = re.compile(r"\[(\d+|\.\.\.)\]\.?")
_REQUEST = msgspec.json.Decoder(WireRequest)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KNOWN_FIELDS = frozenset(WireRequest.__struct_fields__)


def read_request(body: bytes) -> WireRequest:
    """Read a request.

    Raises:
        InvalidRequest: Not JSON, or not this dialect; `param` names the field.
        UnsupportedContent: It holds a block that the inner vocabulary has no word for.
    """
    try:
        return _REQUEST.decode(body)
    except msgspec.ValidationError as error:
        _refuse_unknown_blocks(body)
        raise _invalid(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(error) from error


def other_fields(body: bytes) -> dict[str, object]:
    """Return the top-level fields that `WireRequest` has no place for.

    Raises:
        InvalidRequest: One of them cannot be read.
    """
    try:
        fields = _FIELDS.decode(body)
        return {
            name: msgspec.json.decode(raw)
            for name, raw in fields.items()
            if name not in _KNOWN_FIELDS and bytes(raw) != b"null"
        }
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(error) from error


def raw_text(raw: msgspec.Raw, where: str) -> str:
    """Return the JSON text of a field kept raw.

    Raises:
        InvalidRequest: It is not UTF-8.
    """
    try:
        return bytes(raw).decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{where}: not valid UTF-8", param=where) from error


def _refuse_unknown_blocks(body: bytes) -> None:
    """Tell a block we do not carry apart from a malformed one; only the error path pays for it."""
    loose = _read_or_none(body, LooseRequest)
    for turn, message in enumerate(loose.messages if loose else ()):
        if not isinstance(message.content, str):
            _refuse_blocks(message.content, f"messages.{turn}.content", BLOCK_TYPES)


def _refuse_blocks(blocks: list[LooseBlock], where: str, known: frozenset[str]) -> None:
    for place, block in enumerate(blocks):
        if block.type and block.type not in known:
            raise UnsupportedContent(
                f"{where}.{place}: a {block.type!r} block cannot be translated to another provider's wire; "
                "choose a model of a provider that speaks this wire itself, or leave the block out",
                param=f"{where}.{place}",
            )
        if block.type == "tool_result":
            inner = _read_or_none(bytes(block.content), list[LooseBlock])
            _refuse_blocks(inner or [], f"{where}.{place}.content", RESULT_TYPES)


def _read_or_none(data: bytes, shape: type[Shape]) -> Shape | None:
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _invalid(error: msgspec.ValidationError) -> InvalidRequest:
    message = str(error)
    found = _WHERE.search(message)
    if found is None:
        return InvalidRequest(message)
    path = _INDEX.sub(lambda index: f".{index[1]}.", found[1]).strip(".")
    what = message[: found.start()]
    return InvalidRequest(f"{path}: {what}" if path else what, param=path or None)


def _not_json(error: Exception) -> InvalidRequest:
    if isinstance(error, RecursionError):
        return InvalidRequest("the body is nested too deeply")
    return InvalidRequest(f"the body is not valid JSON: {error}")
