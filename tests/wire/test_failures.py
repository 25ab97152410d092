"""Providers' errors as they really come, and what they mean."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import (
    Failure,
    InvalidRequest,
    ProviderAuthentication,
    ProviderError,
    ProviderFailed,
    ProviderLimited,
    ProviderOverloaded,
    ProviderRejected,
    ProviderTimeout,
)
from narthex.wire.failures import classify, parse_retry_after, provider_error, public_code

CASES = [
    # vendor, status, code, type, message, failure
    ("openai", 429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota", "quota_exhausted"),
    ("openai", 429, "rate_limit_exceeded", "tokens", "Rate limit reached for gpt-4o", "rate_limited"),
    ("openai", 400, "context_length_exceeded", "invalid_request_error", "too long", "context_too_long"),
    ("openai", 401, "invalid_api_key", "invalid_request_error", "Incorrect API key", "authentication"),
    ("openai", 404, "model_not_found", "invalid_request_error", "The model does not exist", "model_not_found"),
    ("openai", 400, "unsupported_parameter", "invalid_request_error", "max_tokens", "unsupported_feature"),
    ("openai", 400, None, "invalid_request_error", "Invalid type for 'temperature'", "invalid_request"),
    ("openai", 500, None, "server_error", "The server had an error", "upstream_error"),
    ("openai", 503, None, None, "Service unavailable", "overloaded"),
    ("openai", 403, "unsupported_country_region_territory", "request_forbidden", "no", "permission"),
    ("azure", 400, "content_filter", None, "The response was filtered", "content_filtered"),
    ("azure", 404, "DeploymentNotFound", None, "The API deployment does not exist", "model_not_found"),
    ("anthropic", 529, None, "overloaded_error", "Overloaded", "overloaded"),
    ("anthropic", 400, None, "invalid_request_error", "prompt is too long: 208310 tokens > 200000", "context_too_long"),
    ("anthropic", 400, None, "invalid_request_error", "max_tokens: Field required", "invalid_request"),
    ("anthropic", 403, None, "permission_error", "no permission", "permission"),
    ("anthropic", 413, None, "request_too_large", "Request exceeds the maximum size", "context_too_long"),
    ("anthropic", 400, None, "billing_error", "credit balance is too low", "quota_exhausted"),
    ("anthropic", 404, None, "not_found_error", "model: claude-x", "model_not_found"),
    ("google", 429, "429", "RESOURCE_EXHAUSTED", "Quota exceeded for metric", "rate_limited"),
    ("google", 400, "400", "INVALID_ARGUMENT", "token count exceeds the maximum number of tokens", "context_too_long"),
    ("google", 401, "401", "UNAUTHENTICATED", "invalid authentication credentials", "authentication"),
    ("vllm", 400, "400", "BadRequestError", "This model's maximum context length is 4096", "context_too_long"),
    ("vllm", 404, "404", "NotFoundError", "The model `x` does not exist.", "model_not_found"),
    ("llama.cpp", 400, "400", "exceed_context_size_error", "the request exceeds the available", "context_too_long"),
    ("llama.cpp", 503, "503", "unavailable_error", "Loading model", "overloaded"),
    ("ollama", 404, None, "not_found_error", "model 'x' not found", "model_not_found"),
    ("deepseek", 402, "invalid_request_error", "unknown_error", "Insufficient Balance", "quota_exhausted"),
    ("openrouter", 402, "402", None, "Insufficient credits", "quota_exhausted"),
    ("openrouter", None, "429", None, "Rate limited upstream", "rate_limited"),
    ("openrouter", None, "server_error", None, "Provider disconnected", "upstream_error"),
    ("moonshot", 429, None, "exceeded_current_quota_error", "account suspended", "quota_exhausted"),
    ("moonshot", 429, None, "engine_overloaded_error", "engine is overloaded", "overloaded"),
    ("groq", 498, None, None, "Flex capacity exceeded", "overloaded"),
    ("groq", 400, "json_validate_failed", "invalid_request_error", "Failed to generate JSON", "invalid_request"),
    ("cerebras", 429, "request_quota_exceeded", "too_many_requests_error", "per minute", "rate_limited"),
    ("dashscope", 400, "Arrearage", None, "Access denied, account in arrears", "quota_exhausted"),
    ("zhipu", 400, "1261", None, "prompt too long", "context_too_long"),
    ("proxy", 408, None, None, "", "deadline"),
    ("proxy", 504, None, None, "<html>", "deadline"),
    ("proxy", 502, None, None, "<html>", "upstream_error"),
    ("proxy", 418, None, None, "", "invalid_request"),
    ("proxy", 301, None, None, "Moved", "upstream_error"),
    ("stream", None, None, None, "", "upstream_error"),
    ("stream", None, None, "invalid_request_error", "bad", "invalid_request"),
]

LEAVES = {
    Failure.AUTHENTICATION: (ProviderAuthentication, 502, True),
    Failure.PERMISSION: (ProviderAuthentication, 502, True),
    Failure.QUOTA_EXHAUSTED: (ProviderLimited, 429, True),
    Failure.RATE_LIMITED: (ProviderLimited, 429, True),
    Failure.OVERLOADED: (ProviderOverloaded, 503, True),
    Failure.DEADLINE: (ProviderTimeout, 504, True),
    Failure.UPSTREAM_ERROR: (ProviderFailed, 502, True),
}


def made(message: str | None, status: int | None, code: str | None = None, kind: str | None = None) -> ProviderError:
    """Make the error of a provider named `up`."""
    return provider_error(message, code=code, kind=kind, status=status, provider="up")


@pytest.mark.parametrize(("vendor", "status", "code", "kind", "message", "failure"), CASES)
def test_classifies_what_vendors_send(  # noqa: PLR0917 - a row of the table
    vendor: str, status: int | None, code: str | None, kind: str | None, message: str, failure: str
) -> None:
    """Real errors of real vendors get the class that decides what may be done."""
    assert made(message, status, code, kind).failure == failure, vendor


@pytest.mark.parametrize(("vendor", "status", "code", "kind", "message", "failure"), CASES)
def test_every_class_has_its_leaf(  # noqa: PLR0917 - a row of the table
    vendor: str, status: int | None, code: str | None, kind: str | None, message: str, failure: str
) -> None:
    """The type, the status told to the client and whether trying again makes sense follow from the class."""
    error = made(message, status, code, kind)
    leaf, told, retryable = LEAVES.get(Failure(failure), (ProviderRejected, 400, False))
    assert type(error) is leaf, vendor
    assert error.upstream_status == status
    if status == 301:
        assert not error.retryable
    else:
        assert error.retryable is retryable
    if leaf is not ProviderRejected:
        assert error.status == told


@pytest.mark.parametrize(
    ("status", "told"), [(400, 400), (404, 404), (409, 409), (413, 413), (422, 422), (405, 400), (451, 400)]
)
def test_a_refused_request_keeps_its_status(status: int, told: int) -> None:
    """A status that a client can act on is passed on; others become 400."""
    error = made("no", status)
    assert isinstance(error, ProviderRejected)
    assert error.status == told


def test_keeps_what_the_provider_said() -> None:
    """Message, code, field and waiting time are fields of the error."""
    error = provider_error(
        "bad n", code="invalid_value", kind=None, status=400, provider="up", retry_after_s=2.5, param="n"
    )
    assert (error.message, error.upstream_code, error.param, error.retry_after_s) == (
        "bad n",
        "invalid_value",
        "n",
        2.5,
    )
    assert error.provider == "up"


@pytest.mark.parametrize(
    "message",
    [
        "Incorrect API key provided: sk-proj-abc123def456ghi789. See the docs",
        "bad key sk-abc***xyz",
        "key: AIzaSyD4abc1234567",
    ],
)
def test_a_refused_key_is_never_quoted(message: str) -> None:
    """Vendors quote the key they refuse; we say which provider's key it was and what to do instead."""
    error = made(message, 401)
    assert "sk-" not in error.message
    assert "abc" not in error.message
    assert "'up'" in error.message
    assert "check the key" in error.message


def test_without_words_the_class_speaks() -> None:
    """An empty answer still makes a sentence."""
    assert made(None, 500).message == "The provider answered with a failure."


def test_words_of_length_count_only_where_a_code_says_nothing() -> None:
    """The message is the last resort: a telling code or status comes first."""
    message = "please reduce the length of the messages"
    assert classify(message, code=None, kind=None, status=400) is Failure.CONTEXT_TOO_LONG
    assert classify(message, code="rate_limit_exceeded", kind=None, status=400) is Failure.RATE_LIMITED
    assert classify(message, code=None, kind=None, status=429) is Failure.RATE_LIMITED


@given(
    st.text(max_size=40), st.none() | st.text(max_size=12), st.none() | st.text(max_size=12), st.none() | st.integers()
)
def test_anything_is_classified(message: str, code: str | None, kind: str | None, status: int | None) -> None:
    """No answer of a provider is so strange that it has no class."""
    assert isinstance(made(message, status, code, kind), ProviderError)


def test_tells_clients_the_words_they_know() -> None:
    """SDKs branch on `context_length_exceeded` and the like; everything else has our own stable code."""
    assert public_code(made("x", 400, "context_length_exceeded")) == "context_length_exceeded"
    assert public_code(made("x", 404)) == "model_not_found"
    assert public_code(made("x", 400)) == "provider_rejected"
    assert public_code(InvalidRequest("x")) == "invalid_request"


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": formatdate(1_700_000_030, usegmt=True)}, 30.0),
        ({"retry-after": formatdate(1_600_000_000, usegmt=True)}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_reads_how_long_to_wait(headers: dict[str, str], wait_s: float | None) -> None:
    """Milliseconds first, then seconds or a date; nonsense is no answer."""
    assert parse_retry_after(headers, 1_700_000_000.0) == wait_s


@given(st.text(max_size=40))
def test_any_waiting_time_is_finite(value: str) -> None:
    """No header makes us wait for ever or crash."""
    wait_s = parse_retry_after({"retry-after": value}, 0.0)
    assert wait_s is None or 0 <= wait_s < float("inf")
