"""What follows what is learned, and no more than that."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from narthex.cache.predictive.sequences import MAX_FOLLOWING, ORDER, Sequences

intents = some.sampled_from([b"a", b"b", b"c", b"d"])


def learned(*asked: bytes, max_contexts: int = 1_000) -> Sequences:
    """Return what was learned from one session."""
    made = Sequences(max_contexts=max_contexts)
    for place, intent in enumerate(asked):
        made.learn(asked[:place], intent)
    return made


def test_what_comes_each_time_is_nearly_certain() -> None:
    """The oftener, the more; what was seen once is no pattern."""
    once, often = learned(b"a", b"b"), learned(*[b"a", b"b"] * 20)
    assert once.guesses([b"a"])[0].probability < 0.4
    (first, *_) = often.guesses([b"a"])
    assert (first.intent, first.probability > 0.8) == (b"b", True)


def test_a_longer_past_tells_more() -> None:
    """What follows a question can depend on what came before it."""
    made = learned(*[b"x", b"q", b"a", b"y", b"q", b"b"] * 20)
    assert made.guesses([b"x", b"q"])[0].intent == b"a"
    assert made.guesses([b"y", b"q"])[0].intent == b"b"
    assert made.guesses([b"z", b"q"])[0].probability < 0.6


def test_habits_change() -> None:
    """What is done now soon counts for more than what was done for long."""
    made = learned(*[b"a", b"b"] * 200, *[b"a", b"c"] * 60)
    assert made.guesses([b"a"])[0].intent == b"c"


@given(some.lists(intents, max_size=60), some.lists(intents, max_size=4))
def test_probabilities_are_such(asked: list[bytes], past: list[bytes]) -> None:
    """Between 0 and 1, no more than 1 together, the likeliest first; and nothing of what was never asked."""
    guesses = learned(*asked).guesses(past, most=10)
    assert all(0 < one.probability < 1 and one.intent in asked for one in guesses)
    assert sum(one.probability for one in guesses) <= 1 + 1e-9
    assert [one.probability for one in guesses] == sorted((one.probability for one in guesses), reverse=True)


@given(some.lists(some.integers(0, 500).map(lambda number: b"%d" % number), max_size=300))
def test_it_is_bounded(asked: list[bytes]) -> None:
    """In contexts, and in what is counted behind each."""
    made = learned(*asked, max_contexts=20)
    assert len(made) <= 20
    assert all(len(one.counts) <= MAX_FOLLOWING for one in made._contexts.values())
    assert all(len(context) <= ORDER for context in made._contexts)


def test_what_was_asked_often_stays_longer() -> None:
    """Where there is no room the rare ones go first."""
    made = Sequences(max_contexts=12)
    for _ in range(30):
        made.learn([b"a"], b"b")
    for number in range(30):
        made.learn([b"%d" % number], b"once")
    assert made.guesses([b"a"])[0].intent == b"b"


def test_a_question_is_forgotten_wherever_it_stands() -> None:
    """As a context and behind others."""
    made = learned(*[b"a", b"b", b"c"] * 10)
    made.forget(b"b")
    assert not any(b"b" in context or b"b" in one.counts for context, one in made._contexts.items())
    assert made.guesses([b"b"]) == []


def test_counts_are_scaled_before_they_grow_too_large() -> None:
    """After very many questions probabilities are what they were."""
    made = Sequences(max_contexts=10)
    for _ in range(3_000):
        made.learn([b"a"], b"b")
    assert 0.8 < made.guesses([b"a"])[0].probability < 1
