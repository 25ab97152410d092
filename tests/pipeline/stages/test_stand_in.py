"""A call that failed is given a registered answer, or its error."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from time import monotonic

import pytest

from narthex.errors import Failure, InvalidRequest, NarthexError, ProviderError
from narthex.pipeline.answers import FailedCall, RegisteredAnswer, RegisteredAnswers
from narthex.pipeline.exchange import Exchange, Tried
from narthex.pipeline.gateway import TaskKeeper
from narthex.pipeline.stages.stand_in import StandIn
from narthex.streams.stream import Stream
from narthex.types.dialects import Dialect, Operation
from narthex.types.usage import Usage
from tests.pipeline.doubles import CHAT, exchange

STALLED = ProviderError("silence", provider="up", failure=Failure.STALL)


async def _stood_in(
    call: Exchange, answers: Sequence[RegisteredAnswer], error: NarthexError | None = STALLED
) -> RegisteredAnswers:
    """Send a call through the stage, whose attempts end with this error."""
    registered = RegisteredAnswers(answers)

    async def attempts(failing: Exchange) -> None:
        failing.read_head()
        if error is None:
            failing.answer = Stream.of(b"{}", Dialect.OPENAI_CHAT)
            return
        failing.note_attempt(Tried("up/m", "first", 5, str(getattr(error, "failure", error.code))))
        raise error

    await StandIn(registered, TaskKeeper().spawn)(call, attempts)
    return registered


async def test_an_error_becomes_the_answer_that_is_registered() -> None:
    """Everything that tells of the call says that no model answered, and why."""
    call = exchange(CHAT)
    registered = await _stood_in(call, [RegisteredAnswer(text="Later.")])
    assert call.answer is not None
    assert "Later." in call.answer.body.decode()
    assert call.target is not None
    assert call.target.name == "narthex/fallback"
    assert call.told == (("x-narthex-fallback", "static"),)
    assert call.story == "up/m first stall, narthex/fallback static ok"
    assert call.instead_of is STALLED
    assert call.first_frame_at >= call.received_at
    assert registered.given == {"static": 1, "computed": 0}


async def test_what_failed_attempts_consumed_is_kept() -> None:
    """A registered answer uses nothing; what is known of the answers before it was spent all the same."""
    call, spent = exchange(CHAT), Usage(input_tokens=21, output_tokens=8, estimated=True)
    call.usage = spent
    await _stood_in(call, [RegisteredAnswer(text="Later.")])
    assert call.usage == spent
    assert call.answer is not None
    assert json.loads(call.answer.body)["usage"]["total_tokens"] == 0
    other = exchange(CHAT)
    await _stood_in(other, [RegisteredAnswer(text="Later.")])
    assert other.usage == Usage()


async def test_a_function_is_told_of_the_call() -> None:
    """It gets the request as parsed, the error and what was tried; None leaves the call to the next one registered."""
    told: list[FailedCall] = []

    def decline(failed: FailedCall) -> None:
        told.append(failed)

    call = exchange(CHAT)
    registered = await _stood_in(
        call, [RegisteredAnswer(compute=decline), RegisteredAnswer(compute=lambda failed: f"For {failed.model}.")]
    )
    assert call.answer is not None
    assert "For up/m." in call.answer.body.decode()
    assert registered.given["computed"] == 1
    assert registered.failed == 0
    (failed,) = told
    assert (failed.request_id, failed.error, failed.operation) == (call.id, STALLED, Operation.CHAT)
    assert failed.request is call.chat_request()
    assert failed.attempts == "up/m first stall"


async def test_a_function_for_vectors_is_told_of_the_texts() -> None:
    """The request of a call for embeddings is one for embeddings."""
    call = exchange(
        {"model": "up/e", "input": ["a", "b"]}, dialect=Dialect.OPENAI_EMBEDDINGS, operation=Operation.EMBED
    )

    async def zeros(failed: FailedCall) -> list[list[float]]:
        return [[0.0, 0.0] for _ in getattr(failed.request, "inputs", ())]

    await _stood_in(call, [RegisteredAnswer(compute=zeros, operation=Operation.EMBED)])
    assert call.answer is not None
    assert len(json.loads(call.answer.body)["data"]) == 2


def _raise(_failed: FailedCall) -> str:
    raise KeyError("k")


async def _hang(_failed: FailedCall) -> str:
    await asyncio.Event().wait()
    return "never"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (RegisteredAnswer(compute=_raise), "KeyError"),
        (RegisteredAnswer(compute=_hang, timeout_s=0.01), "longer than 0.01 s"),
        (RegisteredAnswer(compute=lambda _failed: 7), "not by int"),
    ],
    ids=["raises", "hangs", "returns what is no answer"],
)
async def test_what_cannot_be_given_leaves_the_error(
    answer: RegisteredAnswer, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller is told the error that there was, and the log says why; the next one registered still counts."""
    call = exchange(CHAT)
    with caplog.at_level(logging.WARNING), pytest.raises(ProviderError) as raised:
        await _stood_in(call, [answer])
    assert raised.value is STALLED
    assert call.answer is None
    assert call.told == ()
    assert said in caplog.text
    again = exchange(CHAT)
    registered = await _stood_in(again, [answer, RegisteredAnswer(text="Later.")])
    assert registered.failed == 1
    assert again.answer is not None


async def test_a_function_has_the_time_that_is_left() -> None:
    """Where the time of the call is over, a text is still given, but nothing is computed."""
    call = exchange(CHAT)
    call.deadline = monotonic() - 1
    with pytest.raises(ProviderError):
        await _stood_in(call, [RegisteredAnswer(compute=_hang, timeout_s=60)])
    late = exchange(CHAT)
    late.deadline = monotonic() - 1
    await _stood_in(late, [RegisteredAnswer(text="Later.")])
    assert late.answer is not None


async def test_a_wrong_request_is_told_so() -> None:
    """What the caller can mend is never covered."""
    with pytest.raises(InvalidRequest):
        await _stood_in(exchange(CHAT), [RegisteredAnswer(text="Later.")], InvalidRequest("no"))


async def test_a_good_answer_is_left_alone() -> None:
    """A call that succeeds is not touched."""
    call = exchange(CHAT)
    await _stood_in(call, [RegisteredAnswer(text="Later.")], None)
    assert call.answer is not None
    assert (call.answer.body, call.told) == (b"{}", ())


async def test_without_answers_the_stage_is_not_there() -> None:
    """Where nothing is registered the rest of the chain is returned as it is, without a coroutine around it."""
    waiting = asyncio.get_running_loop().create_future()
    assert StandIn(RegisteredAnswers(), TaskKeeper().spawn)(exchange(CHAT), lambda _exchange: waiting) is waiting
