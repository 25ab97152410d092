"""What a failure means: whether the same target is asked again, another one, one with a larger window, or nobody.

`DECISIONS` says it for each way in which a provider fails, `OURS` for errors that began here. Beside the decision
stands who pays for it: the target (its breaker counts the failure), its key (which cools or is retired), the load (the
limit on calls at once falls), or nobody: no oversized prompt and no filtered answer may take a target away from others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from narthex.errors import (
    Cancelled,
    ContextTooLong,
    DeadlineExceeded,
    Failure,
    ModelNotFound,
    ModelUnavailable,
    NarthexError,
    Overloaded,
    ProviderError,
    RateLimited,
    RequestError,
    UnsupportedContent,
)


class Decision(StrEnum):
    """What to do with a call whose attempt failed."""

    RETRY_HERE = "retry_here"
    """Ask the same target again, after a pause."""
    ELSEWHERE = "elsewhere"
    """Leave this target, and ask the next one."""
    LARGER_WINDOW = "larger_window"
    """Ask only targets whose context window is larger."""
    TRUTH = "truth"
    """Tell the caller: no attempt can change it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one class of failure leads to."""

    decision: Decision
    breaks: bool = False
    """The breaker of the target counts it."""
    cools: bool = False
    """The key rests until the provider takes it again."""
    retires: bool = False
    """The key is refused: it leaves the rotation."""
    slows: bool = False
    """The target bears fewer calls at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How much patience a call has with one target."""

    retries: int = 2
    """How often the same target is asked again."""
    patience_s: float = 5.0
    """The longest pause that is waited for here; whoever asks for a longer one is left."""
    filtered_elsewhere: bool = False
    """Whether an answer that a content filter withheld is asked for elsewhere."""

    def __post_init__(self) -> None:
        if self.retries < 0 or not self.patience_s >= 0:
            raise ValueError(f"{self!r}: retries and patience_s cannot be negative")


DEFAULT_POLICY: Final = Policy()

_SILENT: Final = Rule(decision=Decision.ELSEWHERE, breaks=True)
"""A route that says nothing would say nothing again, and each try costs the whole timeout."""
_BROKEN: Final = Rule(decision=Decision.RETRY_HERE, breaks=True)
_TOLD: Final = Rule(decision=Decision.TRUTH)
_LEFT: Final = Rule(decision=Decision.ELSEWHERE)
_LARGER: Final = Rule(decision=Decision.LARGER_WINDOW)

DECISIONS: Final[Mapping[Failure, Rule]] = MappingProxyType(
    {
        Failure.CONNECT: _SILENT,
        Failure.CONNECT_TIMEOUT: _SILENT,
        Failure.FIRST_TOKEN_TIMEOUT: _SILENT,
        Failure.STALL: _SILENT,
        Failure.UPSTREAM_ERROR: _BROKEN,
        Failure.TRUNCATED: _BROKEN,
        Failure.MALFORMED: _BROKEN,
        Failure.OVERLOADED: Rule(decision=Decision.RETRY_HERE, breaks=True, slows=True),
        Failure.RATE_LIMITED: Rule(decision=Decision.RETRY_HERE, cools=True, slows=True),
        Failure.AUTHENTICATION: Rule(decision=Decision.ELSEWHERE, retires=True),
        Failure.QUOTA_EXHAUSTED: Rule(decision=Decision.ELSEWHERE, retires=True),
        # A provider denies a model, a region or a prompt with the same status: the key may be good for all the rest.
        Failure.PERMISSION: _LEFT,
        Failure.MODEL_NOT_FOUND: _LEFT,
        Failure.UNSUPPORTED_FEATURE: _LEFT,
        Failure.CONTEXT_TOO_LONG: _LARGER,
        Failure.CONTENT_FILTERED: _TOLD,
        Failure.INVALID_REQUEST: _TOLD,
        Failure.DEADLINE: _TOLD,
        Failure.CANCELLED: _TOLD,
        Failure.INTERNAL: _TOLD,
    }
)
"""What each way of failing leads to."""

OURS: Final[Mapping[type[NarthexError], tuple[Failure, Rule]]] = MappingProxyType(
    {
        ModelUnavailable: (Failure.MODEL_NOT_FOUND, _LEFT),
        ModelNotFound: (Failure.MODEL_NOT_FOUND, _TOLD),
        UnsupportedContent: (Failure.UNSUPPORTED_FEATURE, _LEFT),
        ContextTooLong: (Failure.CONTEXT_TOO_LONG, _LARGER),
        RequestError: (Failure.INVALID_REQUEST, _TOLD),
        # No place came free before a target: another target may have room.
        RateLimited: (Failure.RATE_LIMITED, _LEFT),
        Overloaded: (Failure.OVERLOADED, _LEFT),
        DeadlineExceeded: (Failure.DEADLINE, _TOLD),
        Cancelled: (Failure.CANCELLED, _TOLD),
        NarthexError: (Failure.INTERNAL, _TOLD),
    }
)
"""The same for errors that no provider sent; the nearest ancestor of an error counts."""


def failure_of(error: NarthexError) -> Failure:
    """Return the class of failure under which `error` is counted and reported."""
    if isinstance(error, ProviderError):
        return Failure.FIRST_TOKEN_TIMEOUT if _gave_up_itself(error) else error.failure
    return _of_ours(error)[0]


def rule_of(error: NarthexError) -> Rule:
    """Return what `error` leads to, before limits are looked at."""
    if isinstance(error, ProviderError):
        return DECISIONS[failure_of(error)]
    return _of_ours(error)[1]


def decide(
    error: NarthexError,
    *,
    policy: Policy = DEFAULT_POLICY,
    retries: int = 0,
    remaining_s: float = math.inf,
) -> Decision:
    """Say what to do now that an attempt ended with `error`.

    Args:
        error: How it ended.
        policy: How much patience the call has.
        retries: How often this target was asked again already.
        remaining_s: Time until the deadline of the whole call.

    A retry here is only advised while there are retries left, and where the pause that the target asked for is neither
    longer than the policy's patience nor than the time that remains; otherwise the advice is to leave the target.
    """
    decision = rule_of(error).decision
    if decision is Decision.RETRY_HERE:
        patience_s = min(policy.patience_s, remaining_s)
        again = retries < policy.retries and remaining_s > 0 and (error.retry_after_s or 0.0) <= patience_s
        return Decision.RETRY_HERE if again else Decision.ELSEWHERE
    if policy.filtered_elsewhere and failure_of(error) is Failure.CONTENT_FILTERED:
        return Decision.ELSEWHERE
    return decision


def _gave_up_itself(error: ProviderError) -> bool:
    """Whether it was the provider that ran out of time (a 408 or 504, or its word for one), and not the caller."""
    told = error.upstream_status is not None or error.upstream_code is not None
    return told and error.failure is Failure.DEADLINE


def _of_ours(error: NarthexError) -> tuple[Failure, Rule]:
    return next(OURS[ancestor] for ancestor in type(error).__mro__ if ancestor in OURS)
