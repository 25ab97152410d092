"""What went wrong here, or lies with those who run this."""

from __future__ import annotations

from dataclasses import dataclass

from narthex.errors.base import NarthexError


class ConfigError(NarthexError):
    """The configuration cannot be used."""

    code = "config_invalid"

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Carry every problem found, each as one line `file:line:column path: what, expected, remedy`."""
        self.problems = problems
        super().__init__("\n".join(problems))


class BudgetSpent(NarthexError):
    """The budget of this model is spent."""

    code = "budget_spent"
    status = 429
    type = "rate_limit_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitFacts:
    """Which limit refused a call, and how it stands."""

    id: str
    subject_kind: str
    subject: str
    """Whose use is counted."""
    measure: str
    period: str
    amount: int
    used: int
    reserved: int
    """By calls under way."""
    resets_at: int | None
    """When nothing is used any more, in milliseconds of Unix time; None where no time brings that."""


class NotCached(NarthexError):
    """Only an answer from the cache was wanted, and there is none: leave out `only` or `only-if-cached`."""

    code = "not_cached"
    status = 504
    type = "invalid_request_error"


class LimitExceeded(NarthexError):
    """A limit of this caller is reached."""

    code = "limit_exceeded"
    status = 429
    type = "rate_limit_error"

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        facts: LimitFacts | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Keep which limit it was.

        Args:
            message: Which limit, whose, how much is used, and when it refills.
            param: The request field at fault, if one is.
            facts: The same as fields; None if it is not known.
            retry_after_s: When as much as was asked for is free, in seconds from now.
        """
        super().__init__(message, param=param, retry_after_s=retry_after_s)
        self.facts = facts


class BudgetExceeded(LimitExceeded):
    """A budget of this caller is spent."""

    code = "budget_exceeded"


class LimitsUnreachable(NarthexError):
    """How limits stand cannot be known just now; try again in a moment."""

    code = "limits_unreachable"
    status = 503
    type = "overloaded_error"


class PriceUnknown(NarthexError):
    """What this model costs is not known, and a limit of money stands on this call."""

    code = "price_unknown"
    status = 400


class LedgerUnavailable(NarthexError):
    """What this call costs could not be written down, so it was not made; see the log of the server."""

    code = "ledger_unavailable"
    status = 503
    type = "overloaded_error"


class UnformedAnswer(NarthexError):
    """The model's answer is not in the form that was asked for."""

    code = "unformed_answer"
    status = 502


class ModelUnavailable(NarthexError):
    """This model is not installed here."""

    code = "model_unavailable"
    status = 503
    type = "overloaded_error"


class RateLimited(NarthexError):
    """The provider's rate limit leaves no room for this request at the moment."""

    code = "rate_limited"
    status = 429
    type = "rate_limit_error"


class Overloaded(NarthexError):
    """This server takes no more requests at the moment."""

    code = "overloaded"
    status = 503
    type = "overloaded_error"


class DeadlineExceeded(NarthexError):
    """The time allowed for this request is over."""

    code = "deadline_exceeded"
    status = 504
    type = "timeout_error"


class PausedTooLong(NarthexError):
    """The stream was paused for longer than `streams.pause_limit_s` allows, and its call was ended."""

    code = "paused_too_long"
    status = 504
    type = "timeout_error"


class ProducerLost(NarthexError):
    """The process that wrote this answer died before its end: what was written is all there is of it."""

    code = "producer_lost"
    status = 502


class StreamUnreachable(NarthexError):
    """This process does not have this stream, and Redis cannot be asked for those of others; try again in a moment."""

    code = "stream_unreachable"
    status = 503
    type = "overloaded_error"


class NodeSilent(NarthexError):
    """The process that writes this stream did not answer in time; look at the stream before you try again."""

    code = "node_silent"
    status = 504
    type = "timeout_error"


class Cancelled(NarthexError):
    """The caller left before the answer was complete."""

    code = "cancelled"
    status = 499


class InternalError(NarthexError):
    """Something failed inside Narthex; the log has the details under this request ID."""

    code = "internal_error"
