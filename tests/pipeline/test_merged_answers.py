"""Tests of steps of several answers, told as one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import NarthexError
from narthex.pipeline.merged_answers import SEAM, Marked, OneAnswer
from narthex.streams.merging import Said, joining
from narthex.types.answers import FinishReason
from narthex.types.events import Ended, Event, Finished, Started, TextDelta, ToolCallDelta, ToolCallStarted
from narthex.types.folding import fold
from narthex.types.merging import MergeMode
from narthex.types.messages import Text, ToolCall
from narthex.types.usage import Usage

USAGE = Usage(input_tokens=1, output_tokens=2)


def answer_of(name: str, texts: list[str], *, tool: bool = False) -> list[Event]:
    """Return the events of an answer, perhaps with a tool call behind the text."""
    said: list[Event] = [TextDelta(text=text) for text in texts]
    called: list[Event] = [ToolCallStarted(id=name, name="f", part=1), ToolCallDelta(arguments="{}", part=1)]
    reason = FinishReason.TOOL_CALLS if tool else FinishReason.STOP
    return [
        Started(id=name, model=name, created_at=1),
        *said,
        *(called if tool else []),
        Finished(reason=reason),
        Ended(),
    ]


def merged(mode: MergeMode, answers: list[list[Event]], broken: set[int], turns: list[int]) -> list[Marked]:
    """Return what is made of answers that arrive in this order; a broken one has no end of its own."""
    one = OneAnswer(mode, [f"s{place}" for place in range(len(answers))], Started(id="m", model="m", created_at=9))
    join = joining(mode, len(answers))
    places = [0] * len(answers)
    told: list[Marked] = []
    for source in turns:
        events = answers[source][:-2] if source in broken else answers[source]
        if places[source] < len(events):
            steps = join.arrive(source, events[places[source]])
            places[source] += 1
        elif places[source] == len(events):
            steps = join.end(source, NarthexError("broke") if source in broken else None)
            places[source] += 1
        else:
            continue
        told += [marked for step in steps for marked in one.take(step)]
    return [*told, *one.end(USAGE, {"merge": mode})]


@st.composite
def schedules(draw: st.DrawFn) -> tuple[list[list[Event]], set[int], list[int]]:
    """Return answers, which of them break, and the order in which their events arrive."""
    count = draw(st.integers(1, 4))
    texts = draw(st.lists(st.lists(st.text("ab ", min_size=1), max_size=4), min_size=count, max_size=count))
    answers = [answer_of(f"s{place}", one, tool=draw(st.booleans())) for place, one in enumerate(texts)]
    broken = draw(st.sets(st.integers(0, count - 1)))
    turns = [source for source, events in enumerate(answers) for _ in range(len(events) + 1)]
    return answers, broken, draw(st.permutations(turns))


def text_of(events: list[Event]) -> str:
    """Return the text of events."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@given(schedules())
def test_interleaved_each_is_a_choice(schedule: tuple[list[list[Event]], set[int], list[int]]) -> None:
    """Whatever arrives when, each source is its choice, whole, and what broke is marked as broken."""
    answers, broken, turns = schedule
    told = merged("interleave", answers, broken, turns)
    answer = fold(marked.event for marked in told)
    assert len(answer.choices) == len(answers)
    for place, choice in enumerate(answer.choices):
        said = "".join(part.text for part in choice.message.parts if isinstance(part, Text))
        assert said == text_of(answers[place])
    ends = {marked.event.choice: marked for marked in told if isinstance(marked.event, Finished)}
    assert {place for place, marked in ends.items() if marked.broken} == broken
    assert isinstance(told[-1].event, Ended)
    assert answer.usage == USAGE


@given(schedules())
def test_one_after_the_other_with_seams(schedule: tuple[list[list[Event]], set[int], list[int]]) -> None:
    """The texts follow one another with a seam between any two that say something, and no tool call is lost."""
    answers, broken, turns = schedule
    told = merged("sequence", answers, broken, turns)
    answer = fold(marked.event for marked in told)
    speaking = [one for one in answers if len(one) > 3]
    said = [text_of(one) for one in speaking]
    seams = [marked for marked in told if (marked.marks or {}).get("seam")]
    assert len(seams) == max(0, len(speaking) - 1)
    assert text_of([marked.event for marked in told]) == SEAM.join(said)
    calls = [part.id for part in answer.choices[0].message.parts if isinstance(part, ToolCall)]
    assert calls == [event.id for one in answers for event in one if isinstance(event, ToolCallStarted)]
    errors = {(marked.marks or {})["source"] for marked in told if "error" in (marked.marks or {})}
    assert errors == {f"s{place}" for place in broken}
    whole = [event for place, one in enumerate(answers) if place not in broken for event in one]
    wants = FinishReason.TOOL_CALLS in {event.reason for event in whole if isinstance(event, Finished)}
    assert (answer.choices[0].finish_reason is FinishReason.TOOL_CALLS) == wants


def test_a_race_is_the_answer_of_its_winner() -> None:
    """It begins as the winner's does, and its end tells the source and all that is told."""
    told = merged("race", [answer_of("s0", ["hello"])], set(), [0] * 6)
    assert told[0].event == Started(id="s0", model="s0", created_at=1)
    end = next(marked for marked in told if isinstance(marked.event, Finished))
    assert end.marks == {"source": "s0", "merge": "race"}


def test_a_failure_at_the_beginning_leaves_what_follows_as_it_is() -> None:
    """What another says next is of its own kind: a call stays a call, and a thought no text."""
    one = OneAnswer("sequence", ["a", "b"], Started(id="m", model="m", created_at=9))
    join = joining("sequence", 2)
    events: list[Event] = [
        Started(id="b", model="b", created_at=1),
        ToolCallStarted(id="c", name="f"),
        ToolCallDelta(arguments="{}"),
        Finished(reason=FinishReason.TOOL_CALLS),
        Ended(),
    ]
    steps = [*join.end(0, NarthexError("broke")), *(step for event in events for step in join.arrive(1, event))]
    told = [marked for step in [*steps, *join.end(1, None)] for marked in one.take(step)]
    answer = fold(marked.event for marked in [*told, *one.end(USAGE, {})])
    assert ToolCall(id="c", name="f", arguments="{}") in answer.choices[0].message.parts


def test_an_answer_may_have_an_id_of_its_own() -> None:
    """Whoever gives it."""
    one = OneAnswer("race", ["a"], Started(id="m", model="m", created_at=9), answer_id="resp_1")
    (begun,) = one.take(Said(0, Started(id="a", model="a", created_at=1)))
    assert begun.event == Started(id="resp_1", model="a", created_at=1)
