"""Registered answers: what is given in place of an error where every attempt has failed, marked as such.

`STANDS_IN` says for which failures. It is never a model's answer and never looks like one: the model that it names is
`narthex/fallback`, and it uses nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, cast

from narthex.config.functions import function_at
from narthex.config.settings import AnswerSettings
from narthex.errors import Cancelled, Failure, NarthexError, ProviderError, RequestError
from narthex.pipeline.exchange import Exchange
from narthex.resilience.decisions import failure_of
from narthex.types.dialects import Operation
from narthex.types.messages import Message
from narthex.types.requests import ChatRequest, EmbeddingRequest

Kind = Literal["static", "computed"]
"""Whether an answer is always the same, or made for the call."""

Given = str | Message | Sequence[Sequence[float]] | int | None
"""What a function may return: a text or a message for a chat, vectors in the order of the inputs, a number of tokens.

None means that it has no answer to this call."""

Compute = Callable[["FailedCall"], Given | Awaitable[Given]]
"""Makes an answer to a call that failed; a plain function runs in a thread."""

EVERY: Final = "*"
"""Stands for every model."""

STANDS_IN: Final[Mapping[Failure, bool]] = MappingProxyType(
    {
        # Nobody could be reached, or who was reached could not do it: that is what a registered answer is for.
        Failure.CONNECT: True,
        Failure.CONNECT_TIMEOUT: True,
        Failure.FIRST_TOKEN_TIMEOUT: True,
        Failure.STALL: True,
        Failure.UPSTREAM_ERROR: True,
        Failure.TRUNCATED: True,
        Failure.MALFORMED: True,
        Failure.OVERLOADED: True,
        Failure.RATE_LIMITED: True,
        Failure.DEADLINE: True,
        Failure.INTERNAL: True,
        # These are about our keys and accounts, of which the caller knows nothing.
        Failure.AUTHENTICATION: True,
        Failure.QUOTA_EXHAUSTED: True,
        Failure.PERMISSION: True,
        # These are about the request: whoever made it can mend it, and must hear what is wrong.
        Failure.MODEL_NOT_FOUND: False,
        Failure.UNSUPPORTED_FEATURE: False,
        Failure.CONTEXT_TOO_LONG: False,
        Failure.CONTENT_FILTERED: False,
        Failure.INVALID_REQUEST: False,
        # Nobody is there to read it.
        Failure.CANCELLED: False,
    }
)
"""Whether a registered answer may be given after a failure of this class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCall:
    """What a function is told of the call that it answers."""

    request_id: str
    operation: Operation
    model: str
    """As asked for; empty for the default model."""
    request: ChatRequest | EmbeddingRequest
    caller: str
    """Name of the key that called."""
    error: NarthexError
    """What would be told otherwise."""
    attempts: str
    """What was tried, as in the header `x-narthex-attempts`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredAnswer:
    """An answer to calls that failed: a `text` that is always the same, or a function that makes one."""

    operation: Operation = Operation.CHAT
    models: tuple[str, ...] = (EVERY,)
    """Names as callers ask for them, or what these stand for; `*` for every model."""
    text: str | None = None
    """For chats only."""
    compute: Compute | None = None
    timeout_s: float = 2.0
    """How long the function may take, in seconds."""

    def __post_init__(self) -> None:
        if (self.text is None) is (self.compute is None):
            raise ValueError(f"{self!r}: give either `text` or `compute`")
        if self.text is not None and self.operation is not Operation.CHAT:
            raise ValueError(f"{self!r}: a text answers chats only")
        if not self.timeout_s > 0:
            raise ValueError(f"{self!r}: timeout_s must be above 0")

    @property
    def kind(self) -> Kind:
        """Whether it is always the same."""
        return "static" if self.compute is None else "computed"


def configured_answers(given: Iterable[AnswerSettings]) -> Iterator[RegisteredAnswer]:
    """Yield the answers that settings tell, their functions imported.

    Raises:
        NoFunction: A function is not there; loading the configuration would have said so.
    """
    for one in given:
        yield RegisteredAnswer(
            operation=Operation(one.operation),
            models=one.models,
            text=one.text,
            compute=None if one.compute is None else cast("Compute", function_at(one.compute)),
            timeout_s=one.timeout_s,
        )


class RegisteredAnswers:
    """All registered answers, in order; and how often they were given."""

    def __init__(
        self, answers: Sequence[RegisteredAnswer] = (), *, canonical: Callable[[str], str] = lambda name: name
    ) -> None:
        """Take in answers, the first of which that fits a call is given.

        Args:
            answers: In their order.
            canonical: What a name stands for.
        """
        self.registered = tuple(answers)
        """The answers, in order."""
        self._canonical = canonical
        self.given: dict[Kind, int] = {"static": 0, "computed": 0}
        self.failed = 0
        """Functions that raised, took too long, or returned what is no answer."""

    def adopt(self, other: RegisteredAnswers) -> None:
        """Give the other's answers from now on; what was counted is kept."""
        self.registered, self._canonical = other.registered, other._canonical

    def fitting(self, exchange: Exchange) -> Iterator[RegisteredAnswer]:
        """Yield those that are registered for a call like this, in order."""
        names = {EVERY, exchange.model_asked, self._canonical(exchange.model_asked)}
        for answer in self.registered:
            if answer.operation is exchange.operation and not names.isdisjoint(answer.models):
                yield answer

    def lines(self) -> Iterator[str]:
        """Yield the counters in Prometheus's text format."""
        yield "# HELP narthex_fallback_answers_total Registered answers given in place of an error, by kind."
        yield "# TYPE narthex_fallback_answers_total counter"
        for kind, count in self.given.items():
            yield f'narthex_fallback_answers_total{{kind="{kind}"}} {count}'
        yield "# HELP narthex_fallback_answers_failed_total Functions that had no registered answer to give in time."
        yield "# TYPE narthex_fallback_answers_failed_total counter"
        yield f"narthex_fallback_answers_failed_total {self.failed}"


def may_be_answered(exchange: Exchange, error: NarthexError) -> bool:
    """Tell whether a registered answer may be given to a call that ends with `error`.

    What counts is how the model failed that was asked for: if nobody could reach it, and its stand-in then says that
    it does not take such a request, then that says nothing about the request.
    """
    if isinstance(error, Cancelled) or (exchange.merger is not None and exchange.merger.wrapped):
        # The one is not there to read it; in the other every event tells which model it is of.
        return False
    told = [tried.failure for tried in exchange.attempts if tried.target == exchange.attempts[0].target]
    if told and told[-1] in _BY_WORD:
        return _BY_WORD[told[-1]]
    return STANDS_IN[failure_of(error)] if isinstance(error, ProviderError) else not isinstance(error, RequestError)


_BY_WORD: Final[Mapping[str | None, bool]] = {str(failure): answered for failure, answered in STANDS_IN.items()}
