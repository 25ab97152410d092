"""Errors, both ways.

https://docs.anthropic.com/en/api/errors
"""

from __future__ import annotations

import msgspec

from narthex.errors import LimitExceeded, NarthexError, ProviderError
from narthex.wire.anthropic_messages.schema import ErrorAnswer, Json
from narthex.wire.failures import provider_error, public_code

_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_KNOWN_TYPES = frozenset({"invalid_request_error", "api_error", *_TYPES.values()})
_UNPAID = frozenset(
    {
        "contract_spend_limit_reached",
        "enforced_spend_limit_reached",
        "linked_organization_spend_limit_reached",
        "linked_organization_billing_unavailable",
        "user_profile_billing_not_authorized",
        "user_profile_not_billable",
    }
)
"""Codes that mean `billing_error`, under whatever type and status they come."""
_ERROR = msgspec.json.Decoder(ErrorAnswer)


def encode_error(error: NarthexError, request_id: str) -> bytes:
    """Write an error body for a client; `details.error_code` is our stable code."""
    details: Json = {"error_code": public_code(error)}
    if error.param is not None:
        details["param"] = error.param
    if isinstance(error, LimitExceeded) and error.facts is not None:
        details["limit"] = error.facts
    return msgspec.json.encode(
        {
            "type": "error",
            "error": {"type": _type_of(error.status), "message": error.message, "details": details},
            "request_id": request_id,
        }
    )


def encode_failure(message: str, kind: str | None) -> bytes:
    """Write the body for a failure that a provider reported inside a stream."""
    known = kind if kind in _KNOWN_TYPES else "api_error"
    return msgspec.json.encode({"type": "error", "error": {"type": known, "message": message}})


def decode_error(body: bytes, *, status: int, provider: str, retry_after_s: float | None) -> ProviderError:
    """Read a provider's error answer, classified by its code first and its status second."""
    message, code, kind = error_words(body)
    return provider_error(
        message or f"the provider {provider!r} answered with status {status}",
        code=code,
        kind="billing_error" if code in _UNPAID else kind,
        status=status,
        provider=provider,
        retry_after_s=retry_after_s,
    )


def error_words(body: bytes) -> tuple[str | None, str | None, str | None]:
    """Return the message, the code and the type of an error, as far as `body` tells them."""
    try:
        error = _ERROR.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, None, None
    return error.message, None if error.details is None else error.details.error_code, error.type


def _type_of(status: int) -> str:
    if status in _TYPES:
        return _TYPES[status]
    return "invalid_request_error" if 400 <= status < 499 else "api_error"
