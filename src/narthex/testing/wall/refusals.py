"""Errors in the words of each wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from narthex.testing.acts import Answer, whole
from narthex.testing.wall.asking import Wire
from narthex.testing.wires import anthropic_error, openai_error


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer that is an error."""

    status: int
    message: str
    code: str | None = None
    """OpenAI's word for it, where it is not the one that goes with the status."""
    retry_after_s: float | None = None


_OPENAI: Mapping[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "permission_denied"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}
"""Type and code by status, as https://platform.openai.com/docs/guides/error-codes lists them."""

_ANTHROPIC: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Type by status, as https://docs.anthropic.com/en/api/errors lists them."""


def body_of(refusal: Refusal, wire: Wire) -> bytes:
    """Write the body of an error."""
    if wire == "anthropic":
        kind = _ANTHROPIC.get(refusal.status, "api_error")
        return anthropic_error(refusal.message, kind=kind)
    kind, code = _OPENAI.get(refusal.status, ("server_error", None))
    return openai_error(refusal.message, kind=kind, code=refusal.code or code)


def refused(refusal: Refusal, wire: Wire) -> Answer:
    """Answer with an error."""
    headers = {} if refusal.retry_after_s is None else {"retry-after": f"{refusal.retry_after_s:g}"}
    return whole(body_of(refusal, wire), status=refusal.status, headers=headers)


def overflown(wire: Wire) -> Refusal:
    """Return the refusal of a request that is longer than the window."""
    if wire == "anthropic":
        return Refusal(status=400, message="prompt is too long: 208310 tokens > 200000 maximum")
    message = "This model's maximum context length is 128000 tokens. However, your messages resulted in 150211 tokens."
    return Refusal(status=400, message=message, code="context_length_exceeded")
