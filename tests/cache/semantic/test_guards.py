"""What makes two questions different, whatever their vectors say."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narthex.cache.semantic.aligning import align
from narthex.cache.semantic.guards import objection
from narthex.cache.semantic.marks import read
from narthex.cache.semantic.normalising import normalised

DIFFERENT = [
    ("number", "What is 2 plus 3?", "What is 2 plus 4?"),
    ("number", "A bag of 23 kg", "A bag of 23 lbs"),
    ("number", "How do I boil two eggs?", "How do I boil eggs?"),
    ("date", "Are you open on Monday?", "Are you open on Tuesday?"),
    ("date", "Weather in March in Rome", "Weather in April in Rome"),
    ("number", "What is error E4012?", "What is error E4013?"),
    ("id", "Who is bob@b.com?", "Who is bob@c.com?"),
    ("quoted", 'Translate "good bread"', 'Translate "good cheese"'),
    ("code", "What does os_walk do?", "What does os_scan do?"),
    ("code", "a == b in C", "a != b in C"),
    ("name", "What is the capital of France?", "What is the capital of Spain?"),
    ("name", "what is the capital of france", "What is the capital of Spain?"),
    ("negation", "Which plans include calls?", "Which plans don't include calls?"),
    ("negation", "Pay with a card", "Pay without a card"),
    ("contrary", "How do I enable it?", "How do I disable it?"),
    ("contrary", "The cheapest plan", "The most expensive plan"),
    ("contrary", "Turn it on", "Turn it off"),
    ("contrary", "Is it safe?", "Is it unsafe?"),
    ("direction", "the train from Paris to Rome", "the train from Rome to Paris"),
    ("direction", "Do you ship to Canada?", "Do you ship from Canada?"),
    ("order", "Does France border Spain and who beat whom, Spain or France", "Who is bigger: Rome than Oslo"),
    ("kind", "When does the shop open?", "Where does the shop open?"),
    ("language", "Wie kann ich das Konto öffnen?", "Wie kann ich ein Konto öffnen?"),
]


@pytest.mark.parametrize(("reason", "one", "other"), [row for row in DIFFERENT if row[0] != "order"])
def test_a_guard_objects_and_says_why(reason: str, one: str, other: str) -> None:
    """In both directions."""
    first, second = read(one), read(other)
    assert objection(first, second, align(first, second)) == reason
    assert objection(second, first, align(second, first)) == reason


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Convert miles to kilometres", "Convert kilometres to miles"),
        ("Who won, Leeds against Derby?", "Who won, Derby against Leeds?"),
        ("the 2 of 3", "the 3 of 2"),
    ],
)
def test_the_same_things_in_another_order_are_another_question(one: str, other: str) -> None:
    """Unless what stands between them makes them equals."""
    first, second = read(one), read(other)
    assert objection(first, second, align(first, second)) in {"order", "direction"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I reset my router?", "how can I reset the router"),
        ("Is Rome or Paris bigger?", "is Paris or Rome bigger"),
        ("What's the difference between Rust and Go?", "difference between Go and Rust"),
        ("a 2-year plan", "a two year plan"),
        ("When does it open?", "What time does it open?"),
        ("Which items can't be recycled?", "Which items cannot be recycled?"),
    ],
)
def test_the_same_question_passes(one: str, other: str) -> None:
    """Other words for the same are no objection."""
    first, second = read(one), read(other)
    assert objection(first, second, align(first, second)) is None


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_guards_read_any_text_and_have_no_favourite(one: str, other: str) -> None:
    """They never fail, object to no text beside itself, and to a pair in both directions."""
    first, second = read(normalised(one)), read(normalised(other))
    assert objection(first, first, align(first, first)) is None
    there, back = objection(first, second, align(first, second)), objection(second, first, align(second, first))
    assert (there is None) == (back is None)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_no_number_stands_for_another(one: int, other: int) -> None:
    """Of all numbers."""
    first, second = read(f"What does order {one} cost?"), read(f"What does order {other} cost?")
    assert (objection(first, second, align(first, second)) is None) == (one == other)
