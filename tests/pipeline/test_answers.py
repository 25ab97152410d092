"""Which registered answers there are for a call, and after which failures one may be given."""

from __future__ import annotations

import pytest

from narthex.config.functions import NoFunction
from narthex.config.settings import AnswerSettings
from narthex.errors import (
    AuthenticationFailed,
    Cancelled,
    ContextTooLong,
    DeadlineExceeded,
    Failure,
    InternalError,
    ModelNotFound,
    ModelUnavailable,
    NarthexError,
    Overloaded,
    ProviderError,
    UnsupportedContent,
)
from narthex.pipeline.answers import (
    STANDS_IN,
    FailedCall,
    RegisteredAnswer,
    RegisteredAnswers,
    configured_answers,
    may_be_answered,
)
from narthex.pipeline.exchange import Tried
from narthex.types.dialects import Operation
from tests.pipeline.doubles import CHAT, exchange


def _texts(answers: RegisteredAnswers, model: str, operation: Operation = Operation.CHAT) -> list[str | None]:
    call = exchange({**CHAT, "model": model}, operation=operation)
    call.read_head()
    return [answer.text for answer in answers.fitting(call)]


def _nothing(_call: FailedCall) -> None:
    return


def test_answers_are_found_by_operation_and_model_in_order() -> None:
    """A name fits as asked for, by what it stands for, or by `*`; another operation never does."""
    registered = [
        RegisteredAnswer(text="a", models=("fast",)),
        RegisteredAnswer(text="b", models=("up/m", "up/n")),
        RegisteredAnswer(compute=_nothing, operation=Operation.EMBED),
        RegisteredAnswer(text="c"),
    ]
    answers = RegisteredAnswers(registered, canonical=lambda name: {"fast": "up/m"}.get(name, name))
    assert _texts(answers, "fast") == ["a", "b", "c"]
    assert _texts(answers, "up/n") == ["b", "c"]
    assert _texts(answers, "other") == ["c"]
    assert _texts(answers, "fast", Operation.EMBED) == [None]
    assert _texts(answers, "fast", Operation.COUNT_TOKENS) == []


def test_new_answers_are_adopted_and_counters_kept() -> None:
    """After a reload the new answers are given, and what was counted stays."""
    answers = RegisteredAnswers()
    assert not answers.registered
    answers.given["static"] = 3
    answers.adopt(RegisteredAnswers([RegisteredAnswer(text="new")]))
    assert answers.registered
    assert _texts(answers, "up/m") == ["new"]
    lines = list(answers.lines())
    assert 'narthex_fallback_answers_total{kind="static"} 3' in lines
    assert "narthex_fallback_answers_failed_total 0" in lines


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"text": "a", "compute": _nothing},
        {"text": "a", "operation": Operation.EMBED},
        {"text": "a", "timeout_s": 0.0},
    ],
)
def test_an_answer_is_one_thing(given: dict[str, object]) -> None:
    """Without a text or a function, with both, with a text for vectors or without time it is refused."""
    with pytest.raises(ValueError, match="RegisteredAnswer"):
        RegisteredAnswer(**given)  # type: ignore[arg-type]  # the point


def test_settings_become_answers() -> None:
    """What the configuration tells is registered, and its functions are imported."""
    settings = [
        AnswerSettings(text="Later.", models=("fast",)),
        AnswerSettings(operation="embed", compute="tests.pipeline.test_answers:_nothing", timeout_s=1.5),
    ]
    one, two = configured_answers(settings)
    assert (one.kind, one.text, one.models) == ("static", "Later.", ("fast",))
    assert (two.kind, two.compute, two.operation, two.timeout_s) == ("computed", _nothing, Operation.EMBED, 1.5)
    with pytest.raises(NoFunction):
        list(configured_answers([AnswerSettings(compute="nowhere:f")]))


def test_every_class_of_failure_is_decided() -> None:
    """No class of failure is left out: a new one must be thought about."""
    assert set(STANDS_IN) == set(Failure)


def _provider(failure: Failure) -> ProviderError:
    return ProviderError("x", provider="up", failure=failure)


@pytest.mark.parametrize(
    ("error", "answered"),
    [
        *((_provider(failure), answered) for failure, answered in STANDS_IN.items()),
        (Overloaded(), True),
        (DeadlineExceeded(), True),
        (ModelUnavailable(), True),
        (InternalError(), True),
        (ModelNotFound(), False),
        (UnsupportedContent(), False),
        (ContextTooLong(), False),
        (AuthenticationFailed(), False),
        (Cancelled(), False),
    ],
    ids=lambda value: getattr(value, "failure", None) or type(value).__name__,
)
def test_who_is_to_blame_decides(error: NarthexError, *, answered: bool) -> None:
    """Outages and faults of ours may be covered; what is wrong with the request is told to whoever made it."""
    assert may_be_answered(exchange(CHAT), error) is answered


def test_a_fallback_does_not_judge_the_request() -> None:
    """What counts is how the model failed that was asked for, not that its stand-in does not take the request."""
    call = exchange(CHAT)
    call.note_attempt(Tried("up/m", "first", 1, "overloaded"))
    call.note_attempt(Tried("up/m", "retry", 1, "stall"))
    call.note_attempt(Tried("spare/n", "fallback", 1, "model_not_found"))
    assert may_be_answered(call, _provider(Failure.MODEL_NOT_FOUND))
    wrong = exchange(CHAT)
    wrong.note_attempt(Tried("up/m", "first", 1, "overloaded"))
    wrong.note_attempt(Tried("up/m", "retry", 1, "context_too_long"))
    wrong.note_attempt(Tried("spare/n", "fallback", 1, "stall"))
    assert not may_be_answered(wrong, _provider(Failure.STALL))
