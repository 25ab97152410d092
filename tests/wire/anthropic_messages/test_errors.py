"""Errors, both ways."""

from __future__ import annotations

import json
from typing import get_args

import anthropic
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex import errors as ours
from narthex.errors import Failure, NarthexError, ProviderError
from narthex.wire.anthropic_messages.errors import decode_error, encode_error, encode_failure, error_words

VENDOR_TYPES = {*get_args(anthropic.types.shared.error_type.ErrorType), "request_too_large"}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ours.InvalidRequest("x"), "invalid_request_error"),
        (ours.UnsupportedMediaType(), "invalid_request_error"),
        (ours.AuthenticationFailed(), "authentication_error"),
        (ours.PermissionDenied(), "permission_error"),
        (ours.ModelNotFound(), "not_found_error"),
        (ours.RequestTimeout(), "timeout_error"),
        (ours.BodyTooLarge(), "request_too_large"),
        (ours.ProviderLimited(provider="p"), "rate_limit_error"),
        (ours.Cancelled(), "api_error"),
        (ours.InternalError(), "api_error"),
        (ours.ProviderFailed(provider="p"), "api_error"),
        (ours.Overloaded(), "overloaded_error"),
        (ours.DeadlineExceeded(), "timeout_error"),
    ],
)
def test_an_error_has_the_shape_of_the_wire(error: NarthexError, kind: str) -> None:
    """The type follows the status; code and request ID are there to be quoted."""
    body = json.loads(encode_error(error, "req_1"))
    assert body == {
        "type": "error",
        "error": {"type": kind, "message": error.message, "details": {"error_code": error.code}},
        "request_id": "req_1",
    }
    assert kind in VENDOR_TYPES


def test_the_field_at_fault_is_told() -> None:
    """The parameter stands beside the code."""
    body = json.loads(encode_error(ours.InvalidRequest("x", param="model"), "r"))
    assert body["error"]["details"] == {"error_code": "invalid_request", "param": "model"}


def test_the_official_sdk_reads_our_errors() -> None:
    """Its exception has our type, message and code."""
    body = json.loads(encode_error(ours.ModelNotFound("no such model"), "r"))
    response = httpx2.Response(404, request=httpx2.Request("POST", "http://x"), json=body)
    error = anthropic.NotFoundError("m", response=response, body=body)
    assert (error.type, error.api_message, error.error_code) == ("not_found_error", "no such model", "model_not_found")


@pytest.mark.parametrize(
    ("status", "error", "failure", "leaf"),
    [
        (400, {"type": "invalid_request_error"}, Failure.INVALID_REQUEST, ours.ProviderRejected),
        (
            400,
            {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 8 maximum"},
            Failure.CONTEXT_TOO_LONG,
            ours.ProviderRejected,
        ),
        (401, {"type": "authentication_error"}, Failure.AUTHENTICATION, ours.ProviderAuthentication),
        (403, {"type": "permission_error"}, Failure.PERMISSION, ours.ProviderAuthentication),
        (403, {"type": "billing_error"}, Failure.QUOTA_EXHAUSTED, ours.ProviderLimited),
        (404, {"type": "not_found_error"}, Failure.MODEL_NOT_FOUND, ours.ProviderRejected),
        (413, {"type": "request_too_large"}, Failure.CONTEXT_TOO_LONG, ours.ProviderRejected),
        (429, {"type": "rate_limit_error"}, Failure.RATE_LIMITED, ours.ProviderLimited),
        (
            429,
            {"type": "rate_limit_error", "details": {"error_code": "enforced_spend_limit_reached"}},
            Failure.QUOTA_EXHAUSTED,
            ours.ProviderLimited,
        ),
        (500, {"type": "api_error"}, Failure.UPSTREAM_ERROR, ours.ProviderFailed),
        (529, {"type": "overloaded_error"}, Failure.OVERLOADED, ours.ProviderOverloaded),
        (504, {"type": "timeout_error"}, Failure.DEADLINE, ours.ProviderTimeout),
    ],
)
def test_a_providers_error_is_classified(
    status: int, error: dict[str, object], failure: Failure, leaf: type[ProviderError]
) -> None:
    """Code, type and status decide; the provider's words are kept."""
    body = json.dumps({"type": "error", "error": {"message": "said", **error}}).encode()
    read = decode_error(body, status=status, provider="p", retry_after_s=3.0)
    assert (read.failure, type(read), read.retry_after_s) == (failure, leaf, 3.0)
    assert str(error.get("message", "said")) in read.message


@pytest.mark.parametrize(
    "body", [b"", b"<html>Bad gateway</html>", b'{"error": "x"}', b'{"error": {"message": 3}}', b"[" * 90_000]
)
def test_an_error_that_is_no_json_is_classified_by_its_status(body: bytes) -> None:
    """Proxies answer in HTML: the status is all there is, and the message says so."""
    read = decode_error(body, status=503, provider="p", retry_after_s=None)
    assert read.failure is Failure.OVERLOADED
    assert "503" in read.message


@given(st.binary(max_size=100), st.integers(400, 599))
def test_no_error_body_breaks_the_reading_of_errors(body: bytes, status: int) -> None:
    """Whatever a failing provider sends, its failure is told."""
    assert decode_error(body, status=status, provider="p", retry_after_s=None).upstream_status == status


def test_a_failure_inside_a_stream_keeps_a_type_the_wire_knows() -> None:
    """Another provider's type becomes the general one."""
    assert json.loads(encode_failure("m", "overloaded_error"))["error"] == {"type": "overloaded_error", "message": "m"}
    assert json.loads(encode_failure("m", "server_error"))["error"]["type"] == "api_error"


def test_the_words_of_an_error_are_told_as_far_as_there_are_any() -> None:
    """Message, code, type."""
    assert error_words(b'{"error": {"type": "t", "message": "m", "details": {"error_code": "c"}}}') == ("m", "c", "t")
    assert error_words(b'{"error": {}}') == (None, None, None)
    assert error_words(b"x") == (None, None, None)
