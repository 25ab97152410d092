"""Tests of streams that are made of whole answers."""

from __future__ import annotations

from narthex.pipeline.simulating import Simulation
from narthex.types.answers import ChatAnswer, Choice, FinishReason
from narthex.types.events import Finished, Started, TextDelta
from narthex.types.folding import fold
from narthex.types.messages import Message, Text
from narthex.types.usage import Usage

TEXT = "One two three four five six seven eight nine ten. " * 8
ANSWER = ChatAnswer(
    id="a",
    model="m",
    created_at=7,
    choices=(
        Choice(
            index=0,
            message=Message(role="assistant", parts=(Text(text=TEXT),)),
            finish_reason=FinishReason.STOP,
        ),
    ),
    usage=Usage(input_tokens=3, output_tokens=80),
)


async def test_the_stream_says_what_the_answer_says() -> None:
    """Its events fold to the answer; the text comes in many pieces, and the end says that it is simulated."""
    events = [event async for event in Simulation().events(ANSWER)]
    assert fold(events) == ANSWER
    assert sum(isinstance(event, TextDelta) for event in events) > 10
    assert [event.told for event in events if isinstance(event, Finished)] == [{"stream": "simulated"}]
    assert [event.input_usage for event in events if isinstance(event, Started)] == [Usage(input_tokens=3)]


async def test_a_pace_is_kept() -> None:
    """With a pace the pauses between the pieces add up to what so many tokens take."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    assert [event async for event in Simulation(20, sleep=sleep).events(ANSWER)]
    assert abs(sum(slept) - len(TEXT) / 4 / 20) < 1e-6


async def test_without_a_pace_nothing_waits_but_others_get_their_turn() -> None:
    """A long answer gives way now and then, and never sleeps."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    long = ChatAnswer(
        id="a",
        model="m",
        created_at=7,
        choices=(
            Choice(
                index=0,
                message=Message(role="assistant", parts=(Text(text=TEXT * 100),)),
                finish_reason=FinishReason.STOP,
            ),
        ),
    )
    assert [event async for event in Simulation(sleep=sleep).events(long)]
    assert len(slept) > 5
    assert set(slept) == {0}
