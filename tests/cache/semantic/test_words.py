"""Lists of words."""

from __future__ import annotations

from narthex.cache.semantic import words


def test_words_are_in_lower_case_and_whole() -> None:
    """They are compared with words that are."""
    for listed in (
        words.FILLERS,
        words.FUNCTION,
        words.NEGATORS,
        words.TIMELY,
        words.NUMBERS,
        words.UNITS,
        words.DATES,
    ):
        assert all(word == word.lower().strip() and word for word in listed)
    assert words.NUMBERS["twelve"] == 12
    assert words.NUMBERS["third"] == 3
    assert words.UNITS["kilos"] == words.UNITS["kg"] != words.UNITS["lbs"]


def test_what_denies_is_no_small_word() -> None:
    """A negation that were left out of comparison would be overlooked."""
    assert words.NEGATORS.isdisjoint(words.FUNCTION)
