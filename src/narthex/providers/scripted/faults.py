"""Faults that take the place of an answer."""

from __future__ import annotations

from narthex.errors import Failure, ProviderError, ProviderUnreachable
from narthex.testing.scenarios import ContextOverflow, Fail, Flap, Outage, RateLimit, Scenario
from narthex.wire.failures import provider_error


def refusal(scenario: Scenario, provider: str) -> ProviderError | None:
    """Return the error that a scenario answers with in place of an answer, if it does."""
    match scenario:
        case Fail():
            message = scenario.message or f"the script answers {scenario.status}"
            return provider_error(message, code=scenario.code, kind=None, status=scenario.status, provider=provider)
        case RateLimit():
            return limited(provider, scenario.retry_after_s)
        case ContextOverflow():
            return too_long(provider, "the script says that the request is too long")
        case Outage() | Flap():
            return _unreachable(provider, "the script says that nothing listens there")
        case _:
            return None


def limited(provider: str, retry_after_s: float) -> ProviderError:
    """Return the error of a provider whose rate limit is reached."""
    return provider_error(
        "Rate limit reached",
        code="rate_limit_exceeded",
        kind=None,
        status=429,
        provider=provider,
        retry_after_s=retry_after_s,
    )


def too_long(provider: str, message: str) -> ProviderError:
    """Return the error of a provider that finds the request longer than its window."""
    return provider_error(
        message, code="context_length_exceeded", kind=None, status=400, provider=provider, param="messages"
    )


def _unreachable(provider: str, message: str) -> ProviderUnreachable:
    return ProviderUnreachable(
        f"{provider!r} cannot be reached: {message}", provider=provider, failure=Failure.CONNECT, retryable=True
    )
