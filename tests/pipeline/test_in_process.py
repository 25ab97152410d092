"""Calls from within this process go the way of every call."""

from __future__ import annotations

import pytest

from narthex.errors import ModelNotFound, TruncatedAnswer
from narthex.pipeline.in_process import InProcess
from narthex.providers.contract import VectorsReply
from narthex.types.answers import FinishReason
from narthex.types.events import Ended, Event, Finished, Started, TextDelta
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest
from tests.pipeline.doubles import INNER, Double, House, told

EVENTS: tuple[Event, ...] = (
    Started(id="1", model="m-1", created_at=1),
    TextDelta(text="Hello"),
    Finished(reason=FinishReason.STOP),
    Ended(),
)


class Caller(InProcess):
    """Calls the engine of a house."""

    def __init__(self, house: House) -> None:
        self.engine, self.catalog = house.engine, house.catalog


def caller(double: Double) -> Caller:
    """Return what calls this provider; its model `up/m` is the default."""
    return Caller(House(double, default_model="up/m"))


async def test_a_chat_is_asked_whole_or_streamed() -> None:
    """A text is what the user says; options reach the request; without a model the default one is asked."""
    double = Double(told(*EVENTS), told(*EVENTS), dialects=INNER)
    calling = caller(double)
    answer = await calling.chat("Hi", temperature=0.5)
    assert answer.choices[0].message.parts == (Text(text="Hello"),)
    conversation = (Message(role="user", parts=(Text(text="Hi"),)),)
    assert [event async for event in calling.stream(conversation, model="up/m")] == list(EVENTS)
    first, second = (call.request for call in double.calls)
    assert isinstance(first, ChatRequest)
    assert isinstance(second, ChatRequest)
    assert (first.messages, first.temperature, first.stream, second.stream) == (conversation, 0.5, False, True)
    with pytest.raises(ModelNotFound):
        await calling.chat("Hi", model="nowhere/m")


async def test_a_stream_that_breaks_raises_after_its_events() -> None:
    """What came before is yielded, and nobody takes it for whole."""
    calling, said = caller(Double(told(*EVENTS[:2]), dialects=INNER)), list[Event]()
    with pytest.raises(TruncatedAnswer):
        said.extend([event async for event in calling.stream("Hi")])
    calling = caller(Double(told(*EVENTS[:2]), dialects=INNER))
    stream = calling.stream("Hi")
    assert await anext(stream) == EVENTS[0]
    await stream.aclose()  # type: ignore[attr-defined]  # an async generator


async def test_texts_become_vectors() -> None:
    """One text or several, in order."""
    reply = VectorsReply(vectors=((0.0, 1.0),), input_tokens=1)
    assert await caller(Double(reply, dialects=INNER)).embed("a", model="up/e") == ((0.0, 1.0),)
