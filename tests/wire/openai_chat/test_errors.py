"""Errors in OpenAI's shape, and in the shapes of those who nearly speak it."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import Failure, InvalidRequest, LimitExceeded, LimitFacts, ProviderError
from narthex.types.events import Failed
from narthex.wire.openai_chat.errors import decode_error, encode_error, failed_body


def decoded(body: bytes, status: int = 400) -> ProviderError:
    """Read the error of a provider named `up`."""
    return decode_error(body, status=status, provider="up", retry_after_s=None)


def test_writes_the_one_shape() -> None:
    """Message, type, param, code and the request's ID."""
    assert msgspec.json.decode(encode_error(InvalidRequest("bad n", param="n"), "req_1")) == {
        "error": {
            "message": "bad n",
            "type": "invalid_request_error",
            "param": "n",
            "code": "invalid_request",
            "request_id": "req_1",
        }
    }


@pytest.mark.parametrize(
    ("body", "status", "failure", "message"),
    [
        (
            b'{"error":{"message":"no quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}',
            429,
            Failure.QUOTA_EXHAUSTED,
            "no quota",
        ),
        (
            b'[{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}]',
            429,
            Failure.RATE_LIMITED,
            "slow",
        ),
        (
            b'{"object":"error","message":"maximum context length is 8","type":"BadRequestError","code":400}',
            400,
            Failure.CONTEXT_TOO_LONG,
            "maximum context length is 8",
        ),
        (b'{"error":"model \'x\' not found"}', 404, Failure.MODEL_NOT_FOUND, "model 'x' not found"),
        (b'{"code":"invalid_api_key","error":"bad"}', 400, Failure.AUTHENTICATION, "'up' refused"),
        (b'{"detail":"Not Found"}', 404, Failure.MODEL_NOT_FOUND, "Not Found"),
        (b'{"detail":[{"loc":["body"],"msg":"x"}]}', 422, Failure.INVALID_REQUEST, '[{"loc":["body"],"msg":"x"}]'),
        (b'{"message":{"detail":"x"}}', 422, Failure.INVALID_REQUEST, '{"detail":"x"}'),
        (b"<html>Bad gateway</html>", 502, Failure.UPSTREAM_ERROR, "<html>Bad gateway</html>"),
        (b"", 503, Failure.OVERLOADED, "up answered with status 503"),
        (b"[]", 500, Failure.UPSTREAM_ERROR, "up answered with status 500"),
        (b'{"error":{}}', 500, Failure.UPSTREAM_ERROR, "up answered with status 500"),
    ],
)
def test_reads_every_shape(body: bytes, status: int, failure: Failure, message: str) -> None:
    """Nested, flat, a string, a list, a page, nothing: class and words are found."""
    error = decoded(body, status)
    assert error.failure is failure
    assert error.message.startswith(message)
    assert error.upstream_status == status


def test_keeps_the_facts() -> None:
    """The field at fault and the waiting time stay with the error."""
    body = b'{"error":{"message":"bad","param":"messages.0","code":"invalid_value"}}'
    error = decode_error(body, status=429, provider="up", retry_after_s=3.0)
    assert (error.param, error.upstream_code, error.retry_after_s) == ("messages.0", "invalid_value", 3.0)


def test_a_long_page_is_cut() -> None:
    """Of a page only so much is quoted as shows what it is."""
    assert len(decoded(b"x" * 10_000, 500).message) == 500


@given(st.binary(max_size=80), st.integers(100, 599))
def test_any_body_is_an_error(body: bytes, status: int) -> None:
    """Whatever a provider answers, there is an error to tell."""
    error = decoded(body, status)
    assert error.message
    assert error.provider == "up"


def test_a_failure_in_a_stream_has_the_same_shape() -> None:
    """The provider's words, under the members that clients read."""
    assert failed_body(Failed(message="down", kind="server_error")) == {
        "error": {"message": "down", "type": "server_error", "param": None, "code": None}
    }


def test_says_which_limit_refused() -> None:
    """Programs read it as fields; other errors have none."""
    facts = LimitFacts(
        id="lim_1",
        subject_kind="key",
        subject="key_1",
        measure="requests",
        period="day",
        amount=5,
        used=4,
        reserved=1,
        resets_at=None,
    )
    told = json.loads(encode_error(LimitExceeded("no", facts=facts), "r1"))
    assert told["error"]["code"] == "limit_exceeded"
    assert told["error"]["limit"]["used"] == 4
    assert "limit" not in json.loads(encode_error(LimitExceeded("no"), "r1"))["error"]
