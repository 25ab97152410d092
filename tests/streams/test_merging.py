"""Tests of several streams made one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import Cancelled, NarthexError
from narthex.streams.merging import Joining, Over, Queueing, Racing, Said, Step, joining
from narthex.types.answers import FinishReason
from narthex.types.events import Ended, Event, Finished, Started, TextDelta

SOURCES = st.integers(1, 5)


def answer_of(source: int, words: int) -> list[Event]:
    """Return the events of an answer of so many words, each with its source and number in it."""
    texts: list[Event] = [TextDelta(text=f"{source}.{word}") for word in range(words)]
    finished = Finished(reason=FinishReason.STOP)
    return [Started(id=f"{source}", model="m", created_at=1), *texts, finished, Ended()]


@st.composite
def schedules(draw: st.DrawFn) -> tuple[list[list[Event]], list[bool], list[int]]:
    """Return answers, whether each is broken at its end, and an order in which their events and ends arrive."""
    count = draw(SOURCES)
    answers = [answer_of(source, draw(st.integers(0, 6))) for source in range(count)]
    broken = [draw(st.booleans()) for _ in range(count)]
    turns = [source for source, events in enumerate(answers) for _ in range(len(events) + 1)]
    return answers, broken, draw(st.permutations(turns))


def played(join: Joining, answers: list[list[Event]], broken: list[bool], turns: list[int]) -> list[Step]:
    """Have everything arrive in that order; one that is no longer wanted ends where it stands."""
    steps: list[Step] = []
    places, ended = [0] * len(answers), [False] * len(answers)
    for source in turns:
        if ended[source]:
            continue
        assert not join.over
        if join.winner not in {None, source}:
            ended[source] = True
            steps += join.end(source, Cancelled())
        elif places[source] < len(answers[source]):
            steps += join.arrive(source, answers[source][places[source]])
            places[source] += 1
        else:
            ended[source] = True
            steps += join.end(source, NarthexError() if broken[source] else None)
    assert join.over == all(ended)
    assert all(ended)
    return steps


def of(source: int, steps: list[Step]) -> list[Event]:
    """Return the events that went on of a source."""
    return [step.event for step in steps if isinstance(step, Said) and step.source == source]


@given(schedules())
def test_everything_goes_on_as_it_arrives(schedule: tuple[list[list[Event]], list[bool], list[int]]) -> None:
    """Interleaved, every source's events come in order, none lost and none twice, and its end after them."""
    answers, broken, turns = schedule
    steps = played(joining("interleave", len(answers)), answers, broken, turns)
    for source, events in enumerate(answers):
        assert of(source, steps) == events
    for source in range(len(answers)):
        own = [step for step in steps if step.source == source]
        assert isinstance(own[-1], Over)
        assert sum(isinstance(step, Over) for step in own) == 1
        assert (own[-1].error is not None) == broken[source]


@given(schedules())
def test_one_alone_wins_a_race(schedule: tuple[list[list[Event]], list[bool], list[int]]) -> None:
    """All that goes on is of one source, whole and in order; who said nothing wins only where nobody did."""
    answers, broken, turns = schedule
    race = Racing(len(answers))
    steps = played(race, answers, broken, turns)
    if race.winner is None:
        assert all(broken)
        assert sorted(step.source for step in steps) == list(range(len(answers)))
        return
    assert {step.source for step in steps} == {race.winner}
    assert of(race.winner, steps) == answers[race.winner]
    silent = [len(events) == 3 for events in answers]
    if silent[race.winner]:
        assert all(silent)


@given(schedules())
def test_one_comes_after_the_other(schedule: tuple[list[list[Event]], list[bool], list[int]]) -> None:
    """In sequence all of the first comes before all of the second, whatever arrives when."""
    answers, broken, turns = schedule
    steps = played(joining("sequence", len(answers)), answers, broken, turns)
    assert [step.source for step in steps] == sorted(step.source for step in steps)
    for source, events in enumerate(answers):
        assert of(source, steps) == events


def test_the_turn_can_be_asked() -> None:
    """Who starts sources one by one learns whose turn it is."""
    queue = Queueing(2)
    assert queue.turn == 0
    queue.end(0, None)
    assert (queue.turn, queue.over) == (1, False)
    queue.end(1, None)
    assert queue.over


def test_an_empty_answer_does_not_win_over_one_that_speaks() -> None:
    """An answer that ends at once, without a word, is given only if nobody says anything."""
    race = Racing(2)
    for event in answer_of(0, 0):
        assert not race.arrive(0, event)
    assert not race.end(0, None)
    steps = [step for event in answer_of(1, 1) for step in race.arrive(1, event)]
    assert race.winner == 1
    assert of(1, list(steps)) == answer_of(1, 1)
