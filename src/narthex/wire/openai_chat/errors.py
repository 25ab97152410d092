"""Errors in OpenAI's shape, read from a provider and written for a client.

https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

import msgspec

from narthex.errors import LimitExceeded, NarthexError, ProviderError
from narthex.types.events import Failed
from narthex.wire.failures import provider_error, public_code
from narthex.wire.openai_chat.chunks import UNREADABLE

_MAX_QUOTED = 500
"""Of an error page that is not JSON: as much as helps to see what it is."""


class _Detail(msgspec.Struct):
    message: str | dict[str, object] | list[object] | None = None
    type: str | None = None
    param: str | None = None
    code: str | int | None = None
    status: str | int | None = None
    """Google's word for the failure."""


class _Body(msgspec.Struct):
    error: _Detail | str | None = None
    message: str | dict[str, object] | list[object] | None = None
    detail: str | dict[str, object] | list[object] | None = None
    """FastAPI's own errors."""
    type: str | None = None
    param: str | None = None
    code: str | int | None = None
    status: str | int | None = None


_bodies = msgspec.json.Decoder(_Body | list[_Body])


def encode_error(error: NarthexError, request_id: str) -> bytes:
    """Write an error body for a client."""
    told: dict[str, object] = {
        "message": error.message,
        "type": error.type,
        "param": error.param,
        "code": public_code(error),
        "request_id": request_id,
    }
    if isinstance(error, LimitExceeded) and error.facts is not None:
        told["limit"] = error.facts
    return msgspec.json.encode({"error": told})


def failed_body(failed: Failed) -> dict[str, object]:
    """Write a provider's failure inside a stream in its own words."""
    detail = {"message": failed.message, "type": failed.kind or "provider_error", "param": None, "code": failed.code}
    return {"error": detail}


def decode_error(body: bytes, *, status: int, provider: str, retry_after_s: float | None) -> ProviderError:
    """Read a provider's error answer, classified by its code first and its status second."""
    detail = _read(body)
    if detail is None:
        detail = _Detail(message=_quoted(body))
    message = detail.message
    if message is not None and not isinstance(message, str):
        message = msgspec.json.encode(message).decode()
    word = detail.status if isinstance(detail.status, str) else None
    return provider_error(
        message or f"{provider} answered with status {status}",
        code=None if detail.code is None else str(detail.code),
        kind=detail.type or word,
        status=status,
        provider=provider,
        retry_after_s=retry_after_s,
        param=detail.param,
    )


def _read(body: bytes) -> _Detail | None:
    """Find the error in the shapes that servers of this dialect use: nested, flat, a string, or in a list (Google)."""
    try:
        read = _bodies.decode(body)
    except UNREADABLE:
        return None
    if isinstance(read, list):
        read = read[0] if read else _Body()
    if isinstance(read.error, _Detail):
        return read.error
    message = read.error or read.message or read.detail
    return _Detail(message=message, type=read.type, param=read.param, code=read.code, status=read.status)


def _quoted(body: bytes) -> str | None:
    text = body[:_MAX_QUOTED].decode("utf-8", "replace").strip()
    return text or None
