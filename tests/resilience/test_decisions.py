"""Each class of failure leads to what the table says, within the limits of the call."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex import errors
from narthex.errors import (
    Cancelled,
    ContextTooLong,
    DeadlineExceeded,
    Failure,
    InternalError,
    InvalidRequest,
    ModelNotFound,
    ModelUnavailable,
    NarthexError,
    Overloaded,
    PermissionDenied,
    ProviderError,
    UnformedAnswer,
    UnsupportedContent,
)
from narthex.resilience.decisions import DECISIONS, OURS, Decision, Policy, decide, failure_of, rule_of
from narthex.wire.failures import provider_error

WHERE = {
    Decision.RETRY_HERE: {"rate_limited", "overloaded", "upstream_error", "truncated", "malformed"},
    Decision.ELSEWHERE: {
        *("connect", "connect_timeout", "first_token_timeout", "stall"),
        *("authentication", "permission", "quota_exhausted", "model_not_found", "unsupported_feature"),
    },
    Decision.LARGER_WINDOW: {"context_too_long"},
    Decision.TRUTH: {"content_filtered", "invalid_request", "deadline", "cancelled", "internal"},
}


def failed(failure: Failure, *, retry_after_s: float | None = None, status: int | None = None) -> ProviderError:
    """Make the error of a provider that failed like this."""
    return ProviderError(provider="one", failure=failure, retry_after_s=retry_after_s, upstream_status=status)


def test_every_failure_has_its_rule() -> None:
    """No way of failing is left to chance, and each leads where it should."""
    assert set(DECISIONS) == set(Failure)
    for decision, failures in WHERE.items():
        assert {failure for failure in Failure if decide(failed(failure)) is decision} == failures


def test_a_silent_route_is_never_asked_again() -> None:
    """However many retries a call has, a target that said nothing is left."""
    patient = Policy(retries=100, patience_s=1e9)
    for failure in (Failure.CONNECT, Failure.CONNECT_TIMEOUT, Failure.FIRST_TOKEN_TIMEOUT, Failure.STALL):
        assert decide(failed(failure), policy=patient) is Decision.ELSEWHERE


def test_only_the_targets_own_faults_count_against_it() -> None:
    """A breaker counts what any caller would have met, never what this request or this key brought about."""
    counted = {failure for failure, rule in DECISIONS.items() if rule.breaks}
    assert counted == {
        *(Failure.CONNECT, Failure.CONNECT_TIMEOUT, Failure.FIRST_TOKEN_TIMEOUT, Failure.STALL),
        *(Failure.OVERLOADED, Failure.UPSTREAM_ERROR, Failure.TRUNCATED, Failure.MALFORMED),
    }


def test_keys_pay_for_keys() -> None:
    """A rate limit cools the key and a refusal retires it; neither breaks the target."""
    assert {failure for failure, rule in DECISIONS.items() if rule.cools} == {Failure.RATE_LIMITED}
    retired = {failure for failure, rule in DECISIONS.items() if rule.retires}
    assert retired == {Failure.AUTHENTICATION, Failure.QUOTA_EXHAUSTED}
    assert not any(DECISIONS[failure].breaks for failure in (*retired, Failure.RATE_LIMITED))


def test_load_is_taken_back_where_there_is_too_much() -> None:
    """Rate limits and overload lower the number of calls at once, nothing else does."""
    slowing = {failure for failure, rule in DECISIONS.items() if rule.slows}
    assert slowing == {Failure.RATE_LIMITED, Failure.OVERLOADED}


def test_retries_end_at_their_limit() -> None:
    """After as many retries as the policy has, the target is left."""
    answers = [
        decide(failed(Failure.UPSTREAM_ERROR), policy=Policy(retries=2), retries=retries) for retries in range(4)
    ]
    assert answers == [Decision.RETRY_HERE, Decision.RETRY_HERE, Decision.ELSEWHERE, Decision.ELSEWHERE]


@given(retry_after_s=st.floats(0, 100), patience_s=st.floats(0, 100), remaining_s=st.floats(0.001, 100))
def test_no_wait_outlasts_patience_or_deadline(retry_after_s: float, patience_s: float, remaining_s: float) -> None:
    """A rate limit is waited for only where the wait fits both the policy's patience and the time left."""
    error = failed(Failure.RATE_LIMITED, retry_after_s=retry_after_s)
    here = decide(error, policy=Policy(patience_s=patience_s), remaining_s=remaining_s) is Decision.RETRY_HERE
    assert here is (retry_after_s <= patience_s and retry_after_s <= remaining_s)


def test_without_time_nothing_is_tried_here() -> None:
    """At the deadline no retry is advised."""
    assert decide(failed(Failure.OVERLOADED), remaining_s=0) is Decision.ELSEWHERE


def test_a_content_filter_is_evaded_only_on_demand() -> None:
    """What a filter withheld is the answer, unless the policy asks to try elsewhere."""
    error = failed(Failure.CONTENT_FILTERED)
    assert decide(error) is Decision.TRUTH
    assert decide(error, policy=Policy(filtered_elsewhere=True)) is Decision.ELSEWHERE
    assert decide(failed(Failure.INVALID_REQUEST), policy=Policy(filtered_elsewhere=True)) is Decision.TRUTH


@pytest.mark.parametrize(
    ("error", "failure", "decision"),
    [
        (ModelUnavailable(), Failure.MODEL_NOT_FOUND, Decision.ELSEWHERE),
        (UnsupportedContent(), Failure.UNSUPPORTED_FEATURE, Decision.ELSEWHERE),
        (Overloaded(), Failure.OVERLOADED, Decision.ELSEWHERE),
        (ContextTooLong(), Failure.CONTEXT_TOO_LONG, Decision.LARGER_WINDOW),
        (ModelNotFound(), Failure.MODEL_NOT_FOUND, Decision.TRUTH),
        (InvalidRequest(), Failure.INVALID_REQUEST, Decision.TRUTH),
        (PermissionDenied(), Failure.INVALID_REQUEST, Decision.TRUTH),
        (DeadlineExceeded(), Failure.DEADLINE, Decision.TRUTH),
        (Cancelled(), Failure.CANCELLED, Decision.TRUTH),
        (InternalError(), Failure.INTERNAL, Decision.TRUTH),
        (UnformedAnswer(), Failure.INTERNAL, Decision.TRUTH),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, NarthexError) else None,
)
def test_errors_of_ours_are_decided_too(error: NarthexError, failure: Failure, decision: Decision) -> None:
    """What began here is classed by its nearest ancestor in the table."""
    assert (failure_of(error), decide(error)) == (failure, decision)


def test_nothing_of_ours_counts_against_a_target() -> None:
    """No error that began here breaks a target or costs a key, and every class of the tree has a rule."""
    leaves = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, NarthexError)]
    for kind in leaves:
        assert any(issubclass(kind, ancestor) for ancestor in OURS)
    for _, rule in OURS.values():
        assert not any((rule.breaks, rule.cools, rule.retires, rule.slows))


@pytest.mark.parametrize("status", [408, 504])
def test_a_providers_own_timeout_is_not_the_callers(status: int) -> None:
    """A provider that answers that it ran out of time was silent: it is left, and its breaker counts it."""
    error = provider_error(None, code=None, kind=None, status=status, provider="one")
    assert error.failure is Failure.DEADLINE
    assert failure_of(error) is Failure.FIRST_TOKEN_TIMEOUT
    assert decide(error) is Decision.ELSEWHERE
    assert rule_of(error).breaks
    assert decide(failed(Failure.DEADLINE)) is Decision.TRUTH


@pytest.mark.parametrize("wrong", [{"retries": -1}, {"patience_s": -0.1}, {"patience_s": float("nan")}])
def test_a_policy_refuses_nonsense(wrong: dict[str, float]) -> None:
    """Negative patience is no policy."""
    with pytest.raises(ValueError, match="cannot be negative"):
        Policy(**wrong)  # type: ignore[arg-type]  # a wrong value is the point
