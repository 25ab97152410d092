"""What a provider's error means: its machine code first, then its type, then the HTTP status.

Quota comes before rate limit, because providers send an exhausted account as 429, 403 and 400 alike. Message text is
read for one question only, and last: whether the request was too long, for which several servers have no code.

`retryable` says that the request is not at fault, so the same call may succeed later or at another provider; `failure`
says which of the two: waiting mends a rate limit, and never an exhausted quota or a refused key.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from narthex.errors import (
    Failure,
    NarthexError,
    ProviderAuthentication,
    ProviderError,
    ProviderFailed,
    ProviderLimited,
    ProviderOverloaded,
    ProviderRejected,
    ProviderTimeout,
)

_WORDS: dict[Failure, str] = {
    Failure.QUOTA_EXHAUSTED: """
        insufficient_quota billing_hard_limit_reached billing_not_active billing_error account_deactivated
        exceeded_current_quota_error insufficient_balance insufficient_credits insufficient_funds credits_exhausted
        payment_required arrearage quota_exceeded allocationquota.freetieronly spend_limit_exceeded 1113
    """,
    Failure.RATE_LIMITED: """
        rate_limit_exceeded rate_limit_error rate_limit_reached_error rate_limited tokens_usage_based
        too_many_requests too_many_requests_error resource_exhausted throttling throttling.ratequota
        throttlingexception request_quota_exceeded token_quota_exceeded tokens requests 1302 1303
    """,
    Failure.OVERLOADED: """
        overloaded_error overloaded engine_overloaded engine_overloaded_error server_overloaded slow_down unavailable
        unavailable_error service_unavailable serviceunavailableerror no_capacity capacity_exceeded model_not_ready
        flex_capacity_exceeded 1305
    """,
    Failure.AUTHENTICATION: """
        invalid_api_key authentication_error authenticationerror incorrect_api_key invalid_authentication
        invalid_authentication_error unauthenticated unauthorized missing_api_key expired_api_key invalidapikey
        invalid_organization mismatched_organization
    """,
    Failure.PERMISSION: """
        permission_error permission_denied permissiondenied permissiondeniederror access_denied accessdenied forbidden
        request_forbidden unsupported_country_region_territory blocked_api_access insufficient_permissions
        access_terminated_error organization_restricted
    """,
    Failure.CONTEXT_TOO_LONG: """
        context_length_exceeded context_window_exceeded exceed_context_size_error prompt_too_long request_too_large
        string_above_max_length max_tokens_exceeded model_context_window_exceeded 1261
    """,
    Failure.CONTENT_FILTERED: """
        content_filter content_filtered content_policy_violation responsibleaipolicyviolation moderation_blocked
        data_inspection_failed datainspectionfailed safety image_content_policy_violation 1301
    """,
    Failure.MODEL_NOT_FOUND: """
        model_not_found not_found_error notfounderror not_found resource_not_found resource_not_found_error
        deploymentnotfound model_decommissioned model_not_available invalid_model unknown_model 1211
    """,
    Failure.UNSUPPORTED_FEATURE: """
        unsupported_parameter unsupported_value unsupported_model not_supported_error unsupported_feature
        unsupported_content unimplemented
    """,
    Failure.DEADLINE: "timeout timeout_error request_timeout deadline_exceeded gateway_timeout",
    Failure.UPSTREAM_ERROR: """
        server_error api_error internal internal_error internal_server_error internalservererror upstream_error
        provider_error service_error processing_error
    """,
    Failure.INVALID_REQUEST: """
        invalid_request_error invalid_request badrequesterror bad_request bad_request_error invalid_argument
        invalid_value invalid_type missing_required_parameter unknown_parameter invalid_json validation_error
        unprocessable_entity failed_precondition invalid_prompt invalid_image_url json_validate_failed tool_use_failed
    """,
}
_BY_WORD = {word: failure for failure, words in _WORDS.items() for word in words.split()}
_VAGUE = frozenset({Failure.INVALID_REQUEST, Failure.UPSTREAM_ERROR})
"""Words so general that a telling status knows more: vendors put `invalid_request_error` on a 401 and on a 404."""

_BY_STATUS = {
    400: Failure.INVALID_REQUEST,
    401: Failure.AUTHENTICATION,
    402: Failure.QUOTA_EXHAUSTED,
    403: Failure.PERMISSION,
    404: Failure.MODEL_NOT_FOUND,
    408: Failure.DEADLINE,
    413: Failure.CONTEXT_TOO_LONG,
    429: Failure.RATE_LIMITED,
    498: Failure.OVERLOADED,
    501: Failure.UNSUPPORTED_FEATURE,
    503: Failure.OVERLOADED,
    504: Failure.DEADLINE,
    529: Failure.OVERLOADED,
}
_PLAIN_STATUSES = frozenset({400, 422, 500})
"""Statuses that say no more than a word does; only here may the message be asked about length."""

_TOO_LONG = re.compile(
    r"maximum (?:context|prompt) length|(?:prompt|input) is too long|too many (?:input |prompt )?tokens"
    r"|exceed\w* (?:the |its )?(?:available |maximum |model's )?(?:context|number of tokens)"
    r"|(?:greater|longer|larger) than the (?:maximum )?context|reduce the length of",
    re.IGNORECASE,
)
"""vLLM, Anthropic, Ollama, Groq and Bedrock send a plain 400 for this, with nothing but words to tell it by."""

_LEAVES: dict[Failure, type[ProviderError]] = {
    Failure.AUTHENTICATION: ProviderAuthentication,
    Failure.PERMISSION: ProviderAuthentication,
    Failure.QUOTA_EXHAUSTED: ProviderLimited,
    Failure.RATE_LIMITED: ProviderLimited,
    Failure.OVERLOADED: ProviderOverloaded,
    Failure.DEADLINE: ProviderTimeout,
    Failure.CONTEXT_TOO_LONG: ProviderRejected,
    Failure.CONTENT_FILTERED: ProviderRejected,
    Failure.INVALID_REQUEST: ProviderRejected,
    Failure.MODEL_NOT_FOUND: ProviderRejected,
    Failure.UNSUPPORTED_FEATURE: ProviderRejected,
}
_KEPT_STATUSES = frozenset({400, 404, 409, 413, 422})

_PUBLIC_CODES = {
    Failure.CONTEXT_TOO_LONG: "context_length_exceeded",
    Failure.CONTENT_FILTERED: "content_filter",
    Failure.MODEL_NOT_FOUND: "model_not_found",
    Failure.UNSUPPORTED_FEATURE: "unsupported_feature",
    Failure.QUOTA_EXHAUSTED: "provider_quota_exhausted",
}

_STATUS = re.compile(r"[45][0-9]{2}")
_LOOKS_SECRET = re.compile(r"(?=[\w.*…-]*\d)[\w.*…-]{16,}|\S*\*{3,}\S*|\b(?:sk|pk|gsk|xai|key)-\S+")


def provider_error(
    message: str | None,
    *,
    code: str | None,
    kind: str | None,
    status: int | None,
    provider: str,
    retry_after_s: float | None = None,
    param: str | None = None,
) -> ProviderError:
    """Make the error that says what a provider's failure means.

    Args:
        message: The provider's own words.
        code: Its machine-readable code; a number such as 429 is read as the status that it meant.
        kind: Its error type.
        status: HTTP status of its answer; None for an error inside a stream.
        provider: Its name in the configuration.
        retry_after_s: What it asked us to wait, in seconds.
        param: The request field at fault, where it named one.
    """
    told = _status_told(status, code)
    failure = classify(message or "", code=code, kind=kind, status=told)
    leaf = _LEAVES.get(failure, ProviderFailed)
    error = leaf(
        _clean_message(message, failure, provider),
        provider=provider,
        failure=failure,
        upstream_status=status,
        upstream_code=code or kind,
        retryable=_retryable(leaf, told),
        param=param,
        retry_after_s=retry_after_s,
    )
    if leaf is ProviderRejected and told in _KEPT_STATUSES:
        error.status = told
    return error


def classify(message: str, *, code: str | None, kind: str | None, status: int | None) -> Failure:
    """Tell how a provider failed."""
    words = [_BY_WORD[word.lower()] for word in (code, kind) if word and word.lower() in _BY_WORD]
    if Failure.QUOTA_EXHAUSTED in words:
        return Failure.QUOTA_EXHAUSTED
    telling = next((failure for failure in words if failure not in _VAGUE), None)
    if telling is not None:
        return telling
    if (status is None or status in _PLAIN_STATUSES) and _TOO_LONG.search(message):
        return Failure.CONTEXT_TOO_LONG
    if status is not None and status not in _PLAIN_STATUSES:
        return _by_status(status)
    return words[0] if words else _by_status(status)


def public_code(error: NarthexError) -> str:
    """Return the code to tell a client: the word its SDK already branches on, where there is one, or our own."""
    return _PUBLIC_CODES.get(error.failure, error.code) if isinstance(error, ProviderError) else error.code


def parse_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return how many seconds a provider asks us to wait, if it does.

    Args:
        headers: Of its answer, names in lower case.
        now: Unix time in seconds.
    """
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        wait_ms = _number(headers.get(name))
        if wait_ms is not None:
            return max(0.0, wait_ms / 1000)
    value = headers.get("retry-after")
    wait_s = _number(value)
    if wait_s is None:
        wait_s = _until(value, now)
    return None if wait_s is None else max(0.0, wait_s)


def _by_status(status: int | None) -> Failure:
    if status is None:
        return Failure.UPSTREAM_ERROR
    known = _BY_STATUS.get(status)
    if known is not None:
        return known
    return Failure.INVALID_REQUEST if 400 <= status < 500 else Failure.UPSTREAM_ERROR


def _status_told(status: int | None, code: str | None) -> int | None:
    """Return the status that the provider meant: Google, vLLM and OpenRouter give it as code, in streams as well."""
    if code is not None and _STATUS.fullmatch(code):
        return int(code)
    return None if status is None or status < 300 else status


def _retryable(leaf: type[ProviderError], status: int | None) -> bool:
    if leaf is ProviderRejected:
        return False
    # A redirect is a wrong address, not a bad moment.
    return status is None or status >= 400


def _clean_message(message: str | None, failure: Failure, provider: str) -> str | None:
    """Keep secrets out: vendors quote the key they refuse."""
    if failure not in (Failure.AUTHENTICATION, Failure.PERMISSION):
        return message or None
    said = _LOOKS_SECRET.sub("…", message) if message else ""
    verb = "refused the key that this server holds for it" if failure is Failure.AUTHENTICATION else "denied access"
    remedy = f"check the key configured for {provider!r}"
    return f"{provider!r} {verb}; {remedy}" + (f" (it said: {said})" if said else "")


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _until(text: str | None, now: float) -> float | None:
    if not text:
        return None
    try:
        return parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError, TypeError):
        return None
