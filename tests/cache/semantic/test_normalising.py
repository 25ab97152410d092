"""The one form of a question."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narthex.cache.semantic.normalising import folded, normalised, plain

TYPED = (
    "please",
    "hi",
    "hello",
    "thanks",
    "how",
    "do",
    "i",
    "reset",
    "could you tell me",
    "um",
    "please,",
    "?",
    "…",
    "Paris",
)
WORDS = st.lists(
    st.sampled_from(TYPED),
    max_size=12,
).map(" ".join)


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("Hi there, how do I reset it? Thanks!", "how do I reset it?"),
        ("  how   do\u200b I reset it ? please", "how do I reset it ?"),
        ("Could you please tell me when it opens", "when it opens"),
        ("can you please fix it", "can you fix it"),
        ("um so how do i reset it", "how do i reset it"),
        ("“Why” is ‘it’ so", "\"Why\" is 'it' so"),
        ("hi", "hi"),
        ("How do I please my customers?", "How do I please my customers?"),
        ("When is it open in the evening", "When is it open in the evening"),
        ("How do I feel well", "How do I feel well"),
        ('Translate "thank you"', 'Translate "thank you"'),
    ],
)
def test_what_is_said_for_politeness_makes_no_difference(typed: str, asked: str) -> None:
    """Greetings, thanks and fillers go; words of the question stay."""
    assert normalised(typed).rstrip("?! ") == asked.rstrip("?! ")


def test_what_is_nearly_all_politeness_stays_as_it_is() -> None:
    """No text takes long, however often it says hello; nor do those that end in dashes."""
    for text in ("hi, " * 800 + "what", "what " + "thanks " * 500, "how " + "- " * 1_000 + "is it"):
        assert normalised(text) == plain(text)


@given(st.one_of(WORDS, st.text(max_size=80)))
@settings(max_examples=200, deadline=None)
def test_normalising_again_changes_nothing(text: str) -> None:
    """Of any text, and nothing that cannot be seen is left in it."""
    once = normalised(text)
    assert normalised(once) == once
    assert plain(once) == once
    assert folded(folded(once)) == folded(once)


@given(WORDS)
@settings(max_examples=100, deadline=None)
def test_something_is_always_left(text: str) -> None:
    """A message of nothing but greetings stays a message."""
    assert bool(normalised(text)) == bool(plain(text))


def test_letters_that_only_look_alike_are_one() -> None:
    """Full-width letters and invisible marks between letters are how guards are tricked."""
    assert normalised("ｒｅｓｅｔ\u00ad my rou\u2060ter") == "reset my router"
