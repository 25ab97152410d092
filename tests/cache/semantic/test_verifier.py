"""The verifier and its weights."""

from __future__ import annotations

import math

import msgspec
import pytest

from narthex.cache.semantic.verifier import BINS, Verifier, floor_of, place_of, probability, shipped


def test_the_shipped_weights_fit_the_features() -> None:
    """And hold what was right and wrong at each score."""
    weights = shipped().weights
    assert len(weights.bins) == BINS
    assert sum(bin_.same + bin_.different for bin_ in weights.bins) > 500


def test_weights_of_other_features_are_refused() -> None:
    """Numbers that mean something else would decide anything."""
    with pytest.raises(ValueError, match="train them anew"):
        Verifier(msgspec.structs.replace(shipped().weights, features=("cosine",)))


def test_scores_have_places() -> None:
    """Each score lies in the bin whose floor is below it."""
    for score in (-100.0, -6.0, -5.6, 0.0, 0.49, 3.2, 100.0):
        place = place_of(score)
        assert floor_of(place) <= score
        assert place == BINS - 1 or floor_of(place + 1) > score
    assert probability(0) == 0.5
    assert probability(math.inf) > 0.999
