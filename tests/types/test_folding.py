"""From events to the whole answer and back."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.types.answers import ChatAnswer, Choice, FinishReason, TokenLogprob
from narthex.types.events import (
    Ended,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    UsageReported,
)
from narthex.types.folding import Folding, UnfinishedAnswer, fold, unfold
from narthex.types.messages import Audio, Message, Part, Reasoning, Refusal, Text, ToolCall
from narthex.types.usage import Usage

STARTED = Started(id="a", model="m", created_at=7, extra={"x": 1})
STOPPED = Finished(reason=FinishReason.STOP)

words = st.text(min_size=1, max_size=10)
parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, text=words, citations=st.sampled_from([(), ({"type": "c"},)])),
    st.builds(Refusal, text=words),
    st.builds(Reasoning, text=words, signature=st.none() | words),
    st.builds(Reasoning, redacted=words),
    st.builds(ToolCall, id=words, name=words, arguments=st.text(max_size=10)),
)
logprobs = st.none() | st.lists(st.builds(TokenLogprob, token=words, logprob=st.floats(-9, 0)), max_size=3).map(tuple)


@st.composite
def answers(draw: st.DrawFn) -> ChatAnswer:
    """A whole answer of several choices."""
    choices = tuple(
        Choice(
            index=index,
            message=Message(role="assistant", parts=tuple(draw(st.lists(parts, max_size=4)))),
            finish_reason=draw(st.sampled_from(FinishReason)),
            stop_sequence=draw(st.none() | words),
            logprobs=draw(logprobs),
        )
        for index in range(draw(st.integers(1, 3)))
    )
    usage = draw(st.none() | st.builds(Usage, input_tokens=st.integers(0, 9)))
    return ChatAnswer(id="a", model="m", created_at=3, choices=choices, usage=usage, extra={"x": 1})


@given(answers())
def test_an_unfolded_answer_folds_into_itself(answer: ChatAnswer) -> None:
    """Nothing is lost between the two forms."""
    assert fold(unfold(answer)) == answer


@given(answers())
def test_choices_may_interleave(answer: ChatAnswer) -> None:
    """Events of several choices come mixed; each choice keeps its own order."""
    first, *middle, last = unfold(msgspec.structs.replace(answer, usage=None))
    middle.sort(key=lambda event: -getattr(event, "choice", 0))
    assert fold([first, *middle, last]) == msgspec.structs.replace(answer, usage=None)


PARTS = (
    Reasoning(text="hm", signature="s"),
    Text(text="ab", citations=({"c": 1},)),
    ToolCall(id="x", name="f", arguments="["),
    ToolCall(id="y", name="g", arguments="{}"),
    Refusal(text="no"),
)


def test_pieces_become_parts_in_the_order_they_began() -> None:
    """Fragments of parallel calls find their call; the last signature counts; logprobs follow each other."""
    one, two = TokenLogprob(token="a", logprob=-1.0), TokenLogprob(token="b", logprob=-2.0)
    events: list[Event] = [
        STARTED,
        ReasoningDelta(text="h"),
        ReasoningDelta(text="m"),
        ReasoningDelta(signature="s"),
        TextDelta(text="a", part=1, logprobs=(one,)),
        TextDelta(text="b", part=1, logprobs=(two,), citations=({"c": 1},)),
        ToolCallStarted(id="x", name="f", part=2),
        ToolCallStarted(id="y", name="g", part=3),
        ToolCallDelta(arguments="{", part=3),
        ToolCallDelta(arguments="[", part=2),
        ToolCallDelta(arguments="}", part=3),
        RefusalDelta(text="no", part=4),
        STOPPED,
        UsageReported(usage=Usage(output_tokens=5)),
        Ended(),
    ]
    answer = fold(events)
    assert answer.choices[0].message.parts == PARTS
    assert answer.choices[0].logprobs == (one, two)
    assert (answer.usage, answer.extra, answer.created_at) == (Usage(output_tokens=5), {"x": 1}, 7)


def test_parts_that_say_nothing_are_left_out() -> None:
    """Empty text, thinking and refusals are no parts."""
    silent: list[Event] = [TextDelta(text=""), ReasoningDelta(part=1), RefusalDelta(text="", part=2)]
    assert fold([STARTED, *silent, STOPPED, Ended()]).choices[0].message.parts == ()


@pytest.mark.parametrize(
    "events",
    [
        [],
        [STARTED],
        [STARTED, TextDelta(text="a"), STOPPED],
        [STARTED, Ended()],
        [STOPPED, Ended()],
        [STARTED, TextDelta(text="a", choice=1), STOPPED, Ended()],
        [STARTED, ToolCallDelta(arguments="{}"), STOPPED, Ended()],
        [STARTED, Failed(message="x"), STOPPED, Ended()],
    ],
)
def test_what_is_not_whole_is_no_answer(events: list[Event]) -> None:
    """Without beginning, end or the end of a choice, or with a failure, there is no answer."""
    with pytest.raises(UnfinishedAnswer):
        fold(events)


def test_an_answer_in_the_making_takes_events_one_by_one() -> None:
    """The same object serves a stream that is being read."""
    folding = Folding()
    for event in (STARTED, TextDelta(text="a"), STOPPED):
        folding.add(event)
    with pytest.raises(UnfinishedAnswer):
        folding.answer()
    folding.add(Ended())
    assert folding.answer().choices[0].message.parts == (Text(text="a"),)


def test_a_part_that_no_event_carries_is_refused() -> None:
    """A sound cannot be told as events, and is not silently lost."""
    message = Message(role="assistant", parts=(Audio(data="AA==", format="wav"),))
    choice = Choice(index=0, message=message, finish_reason=FinishReason.STOP)
    with pytest.raises(ValueError, match="Audio"):
        unfold(ChatAnswer(id="a", model="m", created_at=0, choices=(choice,)))
