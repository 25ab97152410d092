"""Groups of words that mean the same or the contrary."""

from __future__ import annotations

from narthex.cache.semantic.meanings import ANTONYMS, SYNONYMS


def test_no_word_is_its_own_contrary() -> None:
    """Each line has two sides, and none stands on both."""
    assert all(one and other and not set(one) & set(other) for one, other in ANTONYMS)


def test_groups_hold_words() -> None:
    """In lower case, without spaces within."""
    assert all(word == word.lower() for group in SYNONYMS for word in group)
