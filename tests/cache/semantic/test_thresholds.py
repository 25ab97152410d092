"""How sure a pair must be."""

from __future__ import annotations

import math

import pytest

from narthex.cache.semantic.thresholds import Thresholds, correction
from narthex.cache.semantic.verifier import BINS, Bin, floor_of, place_of

GOOD, BAD = Bin(400, 0), Bin(10, 90)


def prior(split: float) -> list[Bin]:
    """Return a table in which all is right from a score on, and nearly all wrong below."""
    return [GOOD if place >= place_of(split) else BAD for place in range(BINS)]


def test_the_threshold_lies_where_mistakes_begin() -> None:
    """It goes down as long as all above stays within the bound."""
    thresholds = Thresholds(prior(2.0), bound=0.02)
    assert thresholds.least("howto") == floor_of(place_of(2.0))
    assert Thresholds([BAD] * BINS, bound=0.02).least("howto") == math.inf


def test_without_evidence_nothing_is_served() -> None:
    """An empty table proves no bound."""
    assert Thresholds([Bin(0, 0)] * BINS, bound=0.01).least("code") == math.inf


def test_mistakes_raise_the_threshold_of_their_category_alone() -> None:
    """Right ones lower it again."""
    thresholds = Thresholds(prior(2.0), bound=0.02, weight=0.25)
    before = thresholds.least("fact")
    for _ in range(100):
        thresholds.saw("fact", 2.1)
        thresholds.judged("fact", 2.1, same=False)
    assert thresholds.least("fact") > before
    assert thresholds.least("howto") == before
    for _ in range(4_000):
        thresholds.judged("fact", 2.1, same=True)
    assert thresholds.least("fact") == before


def test_nonsense_is_refused() -> None:
    """A bound outside of 0 to 1, or a table of another length."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        Thresholds([GOOD] * BINS, bound=0)
    with pytest.raises(ValueError, match="every bin"):
        Thresholds([GOOD], bound=0.1)


def test_an_entry_that_is_mistaken_asks_for_more() -> None:
    """And one that is right where the model doubted, for less; nothing judged corrects nothing."""
    assert correction([]) == 0
    assert correction([(4.0, False)]) < -1
    assert correction([(-1.0, True)] * 3) > 0.5
    assert correction([(4.0, False), (4.0, True)]) > correction([(4.0, False)])
