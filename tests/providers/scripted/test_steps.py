"""How an answer is laid out in time."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import InternalError
from narthex.providers.scripted.steps import Pace, Step, events_of, paced, spoiled
from narthex.testing.chance import random_for
from narthex.types.answers import ChatAnswer, Choice, FinishReason
from narthex.types.events import Ended, Finished, Started, TextDelta
from narthex.types.folding import fold
from narthex.types.messages import Image, Message, Part, Reasoning, Refusal, Text, ToolCall
from narthex.types.usage import Usage

_WORDS = st.text(min_size=1, max_size=40)
_PARTS: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, text=_WORDS),
    st.builds(Refusal, text=_WORDS),
    st.builds(Reasoning, text=_WORDS, signature=st.just("proof")),
    st.builds(ToolCall, id=st.uuids().map(str), name=st.just("tool"), arguments=_WORDS),
)


def _answer(*parts: Part, choices: int = 1) -> ChatAnswer:
    made = tuple(
        Choice(index=index, message=Message(role="assistant", parts=parts), finish_reason=FinishReason.STOP)
        for index in range(choices)
    )
    return ChatAnswer(id="a", model="m", created_at=1, choices=made, usage=Usage(output_tokens=3))


@given(st.lists(_PARTS, max_size=4), st.integers(1, 3), st.integers(1, 9))
def test_events_fold_to_the_answer(parts: list[Part], choices: int, chunk_tokens: int) -> None:
    """Whatever the pieces, the events of an answer make that answer again."""
    answer = _answer(*parts, choices=choices)
    assert fold(events_of(answer, chunk_tokens=chunk_tokens)) == answer


def test_choices_are_told_in_turn() -> None:
    """Several answers grow side by side."""
    events = events_of(_answer(Text(text="one two three"), choices=2), chunk_tokens=1)
    assert [event.choice for event in events if isinstance(event, TextDelta)] == [0, 1, 0, 1, 0, 1]


def test_log_probabilities_come_with_their_tokens() -> None:
    """Each token has its probability, itself among the likeliest, which come in order."""
    events = list(events_of(_answer(Text(text="one two three")), chunk_tokens=2, logprobs=3))
    tokens = [token for event in events if isinstance(event, TextDelta) for token in event.logprobs or ()]
    assert "".join(token.token for token in tokens) == "one two three"
    for token in tokens:
        assert [token.top[0].token, token.top[0].logprob] == [token.token, token.logprob]
        assert len(token.top) == 3
        assert all(left.logprob > right.logprob for left, right in pairwise(token.top))
    without = next(
        event for event in events_of(_answer(Text(text="x")), chunk_tokens=1) if isinstance(event, TextDelta)
    )
    assert without.logprobs is None


def test_only_what_models_write_is_told() -> None:
    """A picture cannot be part of a scripted answer; meeting one is a fault of ours."""
    with pytest.raises(AssertionError):
        list(events_of(_answer(Image(url="https://example.com/i.png")), chunk_tokens=1))


def test_waits_follow_the_pace() -> None:
    """The first piece waits for the first token, the others for as many tokens as they hold."""
    events = events_of(_answer(Text(text="a b c d e f")), chunk_tokens=2)
    pace = Pace(first_token_s=1.5, tokens_per_second=4)
    steps = list(paced(events, pace, random_for(0), chunk_tokens=2))
    assert [step.wait_s for step in steps] == [0, 1.5, 0.5, 0.5, 0, 0, 0]


def test_jitter_varies_the_waits_repeatably() -> None:
    """Jitter keeps each wait within its share, differs from piece to piece, and is the same for the same seed."""
    pace = Pace(tokens_per_second=10, jitter=0.5)
    answer = _answer(Text(text="word " * 50))

    def waits() -> list[float]:
        steps = paced(events_of(answer, chunk_tokens=1), pace, random_for(1), chunk_tokens=1)
        return [step.wait_s for step in steps if step.wait_s]

    assert waits() == waits()
    assert len(set(waits())) > 10
    assert all(0.05 <= wait <= 0.15 for wait in waits())


@pytest.mark.parametrize(("after", "kept"), [(0, 0), (1, 1), (2, 2), (3, 3), (9, 3)])
def test_a_fate_strikes_after_so_many_pieces(after: int, kept: int) -> None:
    """It comes behind that many pieces, or behind the last where there are fewer, and never after the end."""
    fate = Step(error=InternalError())
    steps = map(Step, events_of(_answer(Text(text="a b c")), chunk_tokens=1))
    cut = list(spoiled(steps, after, [fate], ends=True))
    assert sum(step.is_content for step in cut) == kept
    assert isinstance(cut[0].event, Started)
    assert cut[-1] is fate
    steps = map(Step, events_of(_answer(Text(text="a b c")), chunk_tokens=1))
    passed = list(spoiled(steps, after, [fate], ends=False))
    assert passed.count(fate) == 1
    assert isinstance(passed[-1].event, Ended)
    assert passed.index(fate) == kept + 1


def test_an_answer_without_pieces_has_its_fate_too() -> None:
    """An empty answer fails before it finishes."""
    steps = map(Step, events_of(_answer(), chunk_tokens=1))
    cut = list(spoiled(steps, 3, [], ends=True))
    assert not any(isinstance(step.event, Finished) for step in cut)
