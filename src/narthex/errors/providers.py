"""What a provider failed at; `Failure` says how."""

from __future__ import annotations

from enum import StrEnum

from narthex.errors.base import NarthexError


class Failure(StrEnum):
    """How a call to a provider failed: the class that decides what may be done about it."""

    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    QUOTA_EXHAUSTED = "quota_exhausted"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    CONNECT = "connect"
    CONNECT_TIMEOUT = "connect_timeout"
    FIRST_TOKEN_TIMEOUT = "first_token_timeout"  # noqa: S105 - a word, not a secret
    STALL = "stall"
    DEADLINE = "deadline"
    CONTEXT_TOO_LONG = "context_too_long"
    CONTENT_FILTERED = "content_filtered"
    INVALID_REQUEST = "invalid_request"
    MODEL_NOT_FOUND = "model_not_found"
    UNSUPPORTED_FEATURE = "unsupported_feature"
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    UPSTREAM_ERROR = "upstream_error"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


class ProviderError(NarthexError):
    """The provider failed."""

    code = "provider_error"
    status = 502
    type = "provider_error"
    lies_with_us: bool = False
    """Whether it was not even asked, because somebody here wanted it so: no failure to be held against it."""

    def __init__(
        self,
        message: str | None = None,
        *,
        provider: str,
        failure: Failure = Failure.UPSTREAM_ERROR,
        upstream_status: int | None = None,
        upstream_code: str | None = None,
        retryable: bool = False,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Keep what the provider said as fields.

        Args:
            message: The provider's own message where it gave one, without secrets.
            provider: Name of the provider in the configuration.
            failure: The class of the failure.
            upstream_status: HTTP status of the provider's answer, if there was one.
            upstream_code: The provider's own error code, if it gave one.
            retryable: Whether the same call may succeed elsewhere or later.
            param: The request field at fault, where the provider named it.
            retry_after_s: What the provider asked us to wait, in seconds.
        """
        super().__init__(message, param=param, retry_after_s=retry_after_s)
        self.provider = provider
        self.failure = failure
        self.upstream_status = upstream_status
        self.upstream_code = upstream_code
        self.retryable = retryable


class ProviderRejected(ProviderError):
    """The provider refused this request."""

    code = "provider_rejected"
    status = 400
    type = "invalid_request_error"


class ProviderLimited(ProviderError):
    """The provider's rate limit or quota is reached."""

    code = "provider_rate_limited"
    status = 429
    type = "rate_limit_error"


class ProviderAuthentication(ProviderError):
    """The provider refused the key that this server holds for it."""

    code = "provider_authentication"


class ProviderUnreachable(ProviderError):
    """The provider cannot be reached."""

    code = "provider_unreachable"


class ProviderFailed(ProviderError):
    """The provider answered with a failure."""

    code = "provider_failed"


class ProviderOverloaded(ProviderError):
    """The provider is overloaded."""

    code = "provider_overloaded"
    status = 503


class ProviderTimeout(ProviderError):
    """The provider did not answer in time."""

    code = "provider_timeout"
    status = 504
    type = "timeout_error"


class MalformedAnswer(ProviderError):
    """What the provider sent is not an answer."""

    code = "provider_malformed_answer"


class TruncatedAnswer(ProviderError):
    """The provider's answer was cut before its end."""

    code = "provider_truncated_answer"
