"""A gateway's errors, on the client's side."""

from __future__ import annotations

import pytest

from narthex.client.failures import ERRORS_BY_CODE, describe, read_error
from narthex.client.http1 import Head
from narthex.errors import (
    BrokenAnswer,
    ClientError,
    ConfigError,
    ContextTooLong,
    Failure,
    InvalidRequest,
    ModelNotFound,
    NarthexError,
    ProviderError,
    ProviderLimited,
    ProviderRejected,
    RequestError,
)
from narthex.testing.wires import as_json
from tests.client.answers import error_body


def _all(kind: type[NarthexError]) -> list[type[NarthexError]]:
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in _all(child))]


LEAVES = [
    kind for kind in _all(NarthexError) if not kind.__subclasses__() and not issubclass(kind, ConfigError | ClientError)
]


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_every_error_comes_back_as_its_class(kind: type[NarthexError]) -> None:
    """Whatever a gateway raises, its client raises the same."""
    error = read_error(Head(kind.status), as_json(error_body("Because.", code=kind.code)))
    assert type(error) is kind
    assert (error.message, error.status) == ("Because.", kind.status)


def test_the_table_is_the_tree() -> None:
    """Every code a gateway can send is known, those of the client's own are not."""
    assert {kind.code for kind in LEAVES} <= set(ERRORS_BY_CODE)
    assert ERRORS_BY_CODE["invalid_request"] is InvalidRequest
    assert "gateway_timeout" not in ERRORS_BY_CODE
    assert "config_invalid" not in ERRORS_BY_CODE


def test_facts_become_fields() -> None:
    """Parameter, request ID, time to wait and provider are taken from body and headers."""
    head = Head(429, {"retry-after": "2.5", "x-narthex-model": "groq/llama", "x-request-id": "req_head"})
    error = read_error(head, as_json(error_body(code="provider_rate_limited", param="messages.0", request_id=None)))
    assert isinstance(error, ProviderLimited)
    assert (error.param, error.request_id, error.retry_after_s) == ("messages.0", "req_head", 2.5)
    assert (error.provider, error.failure, error.retryable) == ("groq", Failure.RATE_LIMITED, True)
    named = read_error(head, as_json(error_body(code="provider_rate_limited")))
    assert named.request_id == "req_body"


@pytest.mark.parametrize(
    ("code", "kind", "failure"),
    [
        ("content_filter", ProviderRejected, Failure.CONTENT_FILTERED),
        ("unsupported_feature", ProviderRejected, Failure.UNSUPPORTED_FEATURE),
        ("provider_quota_exhausted", ProviderLimited, Failure.QUOTA_EXHAUSTED),
    ],
)
def test_codes_in_the_words_of_the_sdks(code: str, kind: type[ProviderError], failure: Failure) -> None:
    """Codes that a gateway passes on for other SDKs keep their meaning for ours."""
    error = read_error(Head(400), as_json(error_body(code=code)))
    assert isinstance(error, kind)
    assert error.failure is failure
    assert not error.retryable


@pytest.mark.parametrize(
    ("code", "kind"), [("context_length_exceeded", ContextTooLong), ("model_not_found", ModelNotFound)]
)
def test_codes_that_several_share(code: str, kind: type[NarthexError]) -> None:
    """Where the gateway and its provider say the same, the request is at fault."""
    assert type(read_error(Head(400), as_json(error_body(code=code)))) is kind


def test_unknown_codes_go_by_their_status() -> None:
    """A newer gateway's codes are told apart by who is at fault at least."""
    assert type(read_error(Head(418), as_json(error_body(code="teapot")))) is RequestError
    error = read_error(Head(500), as_json(error_body(code="teapot")))
    assert type(error) is NarthexError
    assert error.status == 500


@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"[]", b'{"error": "x"}', b"\xff"])
def test_what_is_not_our_error_is_told(body: bytes) -> None:
    """An error page of something in between is not mistaken for the gateway's word."""
    error = read_error(Head(502), body)
    assert isinstance(error, BrokenAnswer)
    assert error.status == 502
    assert "is the address that of a gateway?" in error.message


def test_errors_inside_a_stream_keep_their_own_status() -> None:
    """Where the answer began well, the error's status is that of its class."""
    error = describe("provider_timeout", "Too slow.", Head(200, {"x-request-id": "req_1"}))
    assert (error.status, error.request_id) == (504, "req_1")
    assert isinstance(error, ProviderError)
    assert error.retryable
