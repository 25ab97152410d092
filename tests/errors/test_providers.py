"""What a provider said of its failure stays readable for programs."""

from __future__ import annotations

from narthex.errors import Failure, ProviderError, ProviderLimited


def test_facts_are_fields() -> None:
    """What a provider said can be read without parsing the message."""
    error = ProviderLimited(
        "slow down",
        provider="groq",
        failure=Failure.RATE_LIMITED,
        upstream_status=429,
        upstream_code="rate_limit_exceeded",
        retryable=True,
        retry_after_s=2.5,
    )
    assert isinstance(error, ProviderError)
    assert (error.provider, error.failure, error.upstream_status) == ("groq", Failure.RATE_LIMITED, 429)
    assert (error.retryable, error.retry_after_s, error.status) == (True, 2.5, 429)
