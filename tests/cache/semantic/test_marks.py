"""What a question names, counts, denies and asks for."""

from __future__ import annotations

import pytest

from narthex.cache.semantic.marks import kind_of, read
from narthex.cache.semantic.stems import stem


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("a 23kg bag and £1,200", [(23.0, "kilogram"), (1200.0, "£")]),
        ("a two-year contract", [(2.0, "year")]),
        ("twenty one days", [(21.0, "day")]),
        ("two hundred and fifty", [(200.0, ""), (50.0, "")]),
        ("3 million people", [(3e6, "person")]),
        ("the 3rd of 4 tries", [(3.0, ""), (4.0, "")]),
        ("20% of it", [(20.0, "percent")]),
        ("one of them", []),
        ("version 2.5", [(2.5, "")]),
    ],
)
def test_numbers_have_their_units(text: str, numbers: list[tuple[float, str]]) -> None:
    """Written in digits or in words."""
    assert list(read(text).numbers) == numbers


def test_names_are_what_capitals_mark() -> None:
    """But not the first word of a sentence, unless it is all capitals."""
    assert read("Does Air France fly from Paris to New York?").names == ("air", "france", "paris", "new", "york")
    assert read("How is it?").names == ()
    assert read("NASA or ESA?").names == ("nasa", "esa")
    assert read("HOW DO I PAY").names == ()


def test_ids_code_quotes_and_dates() -> None:
    """Each kind is found by its form."""
    marks = read('Why does order QX4P2M say "not found" in get_item() on 3rd May at a@b.com?')
    assert marks.ids >= {"qx4p2m", "a@b.com"}
    assert marks.quoted == {"not found"}
    assert "get_item" in marks.code
    assert marks.dates == {"may"}
    assert marks.negations == 1
    assert read("a 2-year plan for an 18-year-old").ids == frozenset()
    assert read("check-in").code == frozenset()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("How do I pay?", "way"),
        ("How long does it take?", "duration"),
        ("How many are there?", "count"),
        ("What does it cost?", "amount"),
        ("When is it?", "time"),
        ("Where's the bar?", "place"),
        ("Who wrote it?", "person"),
        ("Why is it so?", "reason"),
        ("What is it?", "thing"),
        ("Is it?", ""),
    ],
)
def test_kinds(text: str, kind: str) -> None:
    """What is asked for."""
    assert kind_of(text) == kind


def test_parts_that_words_play() -> None:
    """A direction belongs to the word after it."""
    assert read("from Paris to the harbour").roles == {(stem("paris"), "away"), ("harbour", "toward")}
