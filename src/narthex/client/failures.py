"""A gateway's error answers, as the errors they were on its side."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import msgspec

from narthex.client.http1 import Head
from narthex.errors import (
    BrokenAnswer,
    ClientError,
    ConfigError,
    Failure,
    NarthexError,
    ProviderAuthentication,
    ProviderError,
    ProviderLimited,
    ProviderOverloaded,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnreachable,
    RequestError,
    TruncatedAnswer,
)
from narthex.wire.failures import parse_retry_after

_RETRYABLE_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
_SHOWN_BYTES: Final = 200


class _Described(msgspec.Struct, frozen=True):
    message: str
    type: str | None = None
    param: str | None = None
    code: str | None = None
    request_id: str | None = None


class _ErrorBody(msgspec.Struct, frozen=True):
    error: _Described


_decode_body = msgspec.json.Decoder(_ErrorBody, strict=False).decode


def _descendants(kind: type[NarthexError]) -> Iterator[type[NarthexError]]:
    for child in kind.__subclasses__():
        if not issubclass(child, ConfigError | ClientError):
            yield child
            yield from _descendants(child)


ERRORS_BY_CODE: Final[dict[str, type[NarthexError]]] = {kind.code: kind for kind in _descendants(NarthexError)}
"""The class of each code that a gateway sends; a class comes after the one it is derived from."""

_PROVIDER_CODES: Final[dict[str, tuple[type[ProviderError], Failure]]] = {
    "content_filter": (ProviderRejected, Failure.CONTENT_FILTERED),
    "unsupported_feature": (ProviderRejected, Failure.UNSUPPORTED_FEATURE),
    "provider_quota_exhausted": (ProviderLimited, Failure.QUOTA_EXHAUSTED),
}
"""Codes that a gateway passes on in the words of the SDKs, and what they were."""

_FAILURES: Final[dict[type[ProviderError], Failure]] = {
    ProviderRejected: Failure.INVALID_REQUEST,
    ProviderLimited: Failure.RATE_LIMITED,
    ProviderAuthentication: Failure.AUTHENTICATION,
    ProviderUnreachable: Failure.CONNECT,
    ProviderOverloaded: Failure.OVERLOADED,
    ProviderTimeout: Failure.DEADLINE,
    TruncatedAnswer: Failure.TRUNCATED,
}


def read_error(head: Head, body: bytes) -> NarthexError:
    """Return the error that an answer with an error status tells."""
    try:
        described = _decode_body(body).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _foreign(head, body)
    return describe(
        described.code,
        described.message,
        head,
        param=described.param,
        request_id=described.request_id,
    )


def describe(
    code: str | None, message: str, head: Head, *, param: str | None = None, request_id: str | None = None
) -> NarthexError:
    """Make the error of a code, with the facts that the answer's headers add.

    Args:
        code: The machine-readable word.
        message: What the gateway said.
        head: Of the answer.
        param: The request field at fault.
        request_id: Where the body named it; by default that of the headers.
    """
    retry_after_s = parse_retry_after(head.headers, time.time())
    kind, failure = _kind(code, head.status)
    error = (
        _provider_error(kind, message, failure, head, param=param, retry_after_s=retry_after_s)
        if issubclass(kind, ProviderError)
        else kind(message, param=param, retry_after_s=retry_after_s)
    )
    if head.status >= 400:
        error.status = head.status
    error.request_id = request_id or head.headers.get("x-request-id")
    return error


def _kind(code: str | None, status: int) -> tuple[type[NarthexError], Failure]:
    if code in _PROVIDER_CODES:
        return _PROVIDER_CODES[code]
    kind = ERRORS_BY_CODE.get(code or "")
    if kind is None:
        kind = RequestError if 400 <= status < 500 else NarthexError
    failure = _FAILURES.get(kind, Failure.UPSTREAM_ERROR) if issubclass(kind, ProviderError) else Failure.INTERNAL
    return kind, failure


def _provider_error(
    kind: type[ProviderError],
    message: str,
    failure: Failure,
    head: Head,
    *,
    param: str | None,
    retry_after_s: float | None,
) -> ProviderError:
    return kind(
        message,
        provider=head.headers.get("x-narthex-model", "").partition("/")[0],
        failure=failure,
        retryable=head.status in _RETRYABLE_STATUSES or head.status < 400,
        param=param,
        retry_after_s=retry_after_s,
    )


def _foreign(head: Head, body: bytes) -> NarthexError:
    error = BrokenAnswer(
        f"status {head.status} without an error of Narthex; is the address that of a gateway? "
        f"It said {body[:_SHOWN_BYTES].decode('utf-8', 'replace')!r}"
    )
    error.status = head.status
    error.request_id = head.headers.get("x-request-id")
    return error
