"""Whole answers in the caller's form, and what is no answer."""

from __future__ import annotations

import json

import pytest

from narthex.errors import Failure, ProviderError, ProviderFailed, ProviderLimited, ProviderRejected, TruncatedAnswer
from narthex.pipeline.delivery import deliver, deliver_vectors, gather, refused
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.outbound import outbound
from narthex.testing.wires import anthropic_error, openai_error
from narthex.types.answers import ChatAnswer, Choice, EmbeddingAnswer, FinishReason
from narthex.types.dialects import Dialect, Operation
from narthex.types.events import Ended, Event, Failed, Finished, Started, TextDelta
from narthex.types.folding import fold
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest
from narthex.types.usage import Usage
from tests.pipeline.doubles import ANTHROPIC, CHAT, MESSAGE, OPENAI, Double, House, exchange, read, told, whole

ANSWER = ChatAnswer(
    id="1",
    model="m-1",
    created_at=1,
    choices=(
        Choice(
            index=0,
            message=Message(role="assistant", parts=(Text(text="Hello"),)),
            finish_reason=FinishReason.STOP,
        ),
    ),
    usage=Usage(input_tokens=3, output_tokens=1),
)
EVENTS: tuple[Event, ...] = (
    Started(id="1", model="m-1", created_at=1),
    TextDelta(text="Hello"),
    Finished(reason=FinishReason.STOP),
    Ended(),
)


def routed(call: Exchange, provider: Double | None = None) -> Exchange:
    """Return a call that knows its target."""
    call.read_head()
    call.target = House(provider or Double()).catalog.resolve(call.model_asked)
    return call


@pytest.mark.parametrize("dialect", [Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES])
def test_a_whole_answer_is_a_body_of_the_callers_dialect(dialect: Dialect) -> None:
    """Whoever asked for a whole answer gets one body, usage and model noted."""
    call = routed(exchange(MESSAGE, dialect=dialect))
    deliver(call, ANSWER)
    assert call.answer is not None
    assert call.answer.whole
    assert b"Hello" in call.answer.body
    assert json.loads(call.answer.body)["model"] == "m-1"
    assert (call.usage, call.model_answered) == (ANSWER.usage, "m-1")


async def test_a_whole_answer_is_events_for_who_asked_for_a_stream() -> None:
    """A request for a stream is answered with one, though the answer came whole; it means the same."""
    call = routed(exchange({**CHAT, "stream": True}))
    deliver(call, ANSWER)
    assert call.answer is not None
    assert not call.answer.whole
    frames = await read(call.answer)
    assert isinstance(frames[-1], Ended)
    assert fold(frame for frame in frames if not isinstance(frame, bytes)) == ANSWER


async def test_a_whole_answer_is_events_in_this_process() -> None:
    """Who asks in the inner vocabulary is answered in it."""
    asked = ChatRequest(model="up/m", messages=(Message(role="user", parts=(Text(text="Hi"),)),))
    call = Exchange(Dialect.NATIVE, b"", {}, request=asked)
    deliver(call, ANSWER)
    assert call.answer is not None
    assert isinstance((await read(call.answer))[0], Started)


def test_vectors_are_a_body() -> None:
    """Vectors come in the encoding asked for."""
    body = {"model": "up/e", "input": "x", "encoding_format": "base64"}
    call = exchange(body, dialect=Dialect.OPENAI_EMBEDDINGS, operation=Operation.EMBED)
    deliver_vectors(call, EmbeddingAnswer(model="e", vectors=((1.0,),), usage=Usage(input_tokens=2)))
    assert call.answer is not None
    assert json.loads(call.answer.body)["data"][0]["embedding"] == "AACAPw=="
    assert call.usage == Usage(input_tokens=2)


async def test_events_are_gathered_to_an_answer() -> None:
    """Events with their end fold to a whole answer, and the iterator is closed."""
    closed: list[str] = []
    answer = await gather(routed(exchange(CHAT)), told(*EVENTS, closed=closed).events)
    assert answer.choices == ANSWER.choices
    assert closed == ["closed"]


@pytest.mark.parametrize("count", range(len(EVENTS)))
async def test_events_without_their_end_are_no_answer(count: int) -> None:
    """For N = 0, 1, 2 … events cut after the N-th are a cut answer."""
    with pytest.raises(TruncatedAnswer):
        await gather(routed(exchange(CHAT)), told(*EVENTS[:count]).events)


async def test_a_failure_among_events_is_raised() -> None:
    """What a provider reports as a failure is one, and the iterator is closed."""
    closed: list[str] = []
    with pytest.raises(ProviderError, match="Out of breath"):
        await gather(routed(exchange(CHAT)), told(*EVENTS[:2], Failed(message="Out of breath."), closed=closed).events)
    assert closed == ["closed"]


@pytest.mark.parametrize("status", [204, 206, 301, 302, 307, 308, 399])
def test_a_redirect_is_never_followed(status: int) -> None:
    """Any status below 400 that is not 200 is no answer: a key is not carried to another address."""
    call = routed(exchange(CHAT))
    assert call.target is not None
    reply = whole(b"", status=status, headers={"location": "https://elsewhere.example/"})
    error = refused(call.target, outbound(call, call.target), reply)
    assert isinstance(error, ProviderFailed)
    assert error.failure is Failure.MALFORMED
    assert str(status) in error.message


def test_the_providers_words_and_waits_are_read() -> None:
    """An error answer is read in the dialect that was spoken, with the time to wait."""
    for dialects, body in ((OPENAI, openai_error("Slow down.")), (ANTHROPIC, anthropic_error("Slow down."))):
        call = routed(exchange(CHAT), Double(dialects=dialects))
        assert call.target is not None
        reply = whole(body, status=429, headers={"retry-after": "3"})
        error = refused(call.target, outbound(call, call.target), reply)
        assert isinstance(error, ProviderLimited)
        assert (error.message, error.retry_after_s, error.upstream_status) == ("Slow down.", 3.0, 429)


@pytest.mark.parametrize(
    ("dialect", "operation", "dialects"),
    [
        (Dialect.OPENAI_EMBEDDINGS, Operation.EMBED, OPENAI),
        (Dialect.ANTHROPIC_COUNT_TOKENS, Operation.COUNT_TOKENS, ANTHROPIC),
    ],
)
def test_errors_of_other_operations_are_read_too(
    dialect: Dialect, operation: Operation, dialects: frozenset[Dialect]
) -> None:
    """Vectors and counts fail in the words of their family."""
    call = routed(exchange({**CHAT, "input": "x"}, dialect=dialect, operation=operation), Double(dialects=dialects))
    assert call.target is not None
    body = b'{"type": "error", "error": {"type": "invalid_request_error", "message": "Too long."}}'
    error = refused(call.target, outbound(call, call.target), whole(body, status=400))
    assert isinstance(error, ProviderRejected)
    assert error.message == "Too long."
