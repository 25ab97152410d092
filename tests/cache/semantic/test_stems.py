"""Stems, synonyms, contraries and slips."""

from __future__ import annotations

import pytest

from narthex.cache.semantic.stems import contraries, is_typo, mean_the_same, stem


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("resets", "resetting"),
        ("cancelled", "cancelling"),
        ("batteries", "battery"),
        ("boxes", "box"),
        ("bought", "buy"),
        ("sneezes", "sneeze"),
    ],
)
def test_a_word_is_one_however_it_is_inflected(one: str, other: str) -> None:
    """English endings go."""
    assert stem(one) == stem(other)


@pytest.mark.parametrize(("one", "other"), [("news", "new"), ("Österreich", "Österreichs"), ("us", "u"), ("bus", "bu")])
def test_other_words_stay_others(one: str, other: str) -> None:
    """What only looks like an ending stays."""
    assert stem(one) != stem(other)


def test_meanings() -> None:
    """Synonyms and contraries hold for inflected words too."""
    assert mean_the_same("purchase", "buy")
    assert not mean_the_same("buy", "sell")
    assert "disable" in contraries("enable")
    assert stem("disabling") in contraries("enabled")
    assert contraries("banana") == frozenset()


@pytest.mark.parametrize(
    ("one", "other", "is_one"),
    [
        ("invoice", "invioce", True),
        ("router", "routr", True),
        ("austria", "australia", False),
        ("student", "students", False),
        ("cable", "table", False),
        ("form", "from", False),
        ("rabbit", "rabbet", False),
        ("trial", "trail", False),
        ("casual", "causal", False),
    ],
)
def test_a_slip_is_a_letter_swapped_or_missing(one: str, other: str, is_one: bool) -> None:
    """Never another letter in its place, and never another word that is known to look so."""
    assert is_typo(one, other) is is_typo(other, one) is is_one
