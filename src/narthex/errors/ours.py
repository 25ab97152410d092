"""What went wrong here, or lies with those who run this."""

from __future__ import annotations

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
