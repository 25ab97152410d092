"""How likely two questions want the same answer: a logistic model over the features of a pair.

It is trained on pairs by `python -m bench.semantic train`; here it only multiplies and adds.
"""

from __future__ import annotations

import math
from functools import cache
from importlib import resources

import msgspec

from narthex.cache.semantic.features import FEATURES


class Bin(msgspec.Struct, frozen=True):
    """Pairs of the same score, of those the weights were not trained on."""

    same: float
    different: float


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """The verifier's numbers, as they are shipped."""

    features: tuple[str, ...]
    weights: tuple[float, ...]
    bias: float
    bins: tuple[Bin, ...]
    """What was right and wrong at each score, lowest first: see `place_of`."""


class Verifier:
    """Scores pairs."""

    def __init__(self, weights: Weights) -> None:
        """Take weights.

        Raises:
            ValueError: They are for other features.
        """
        if weights.features != FEATURES or len(weights.weights) != len(FEATURES) or len(weights.bins) != BINS:
            raise ValueError("these weights are for other features; train them anew: python -m bench.semantic train")
        self.weights = weights

    def score(self, features: tuple[float, ...]) -> float:
        """Return the log odds that a pair with these features wants the same answer."""
        return self.weights.bias + sum(map(float.__mul__, self.weights.weights, features))


BINS = 32
_LOWEST, _STEP = -6.0, 0.5


def place_of(score: float) -> int:
    """Return the bin of a score."""
    return max(0, min(BINS - 1, math.floor((score - _LOWEST) / _STEP)))


def floor_of(place: int) -> float:
    """Return the lowest score of a bin; the first has none."""
    return _LOWEST + place * _STEP if place else -math.inf


def probability(score: float) -> float:
    """Return the probability of log odds."""
    return 1 / (1 + math.exp(-max(-40.0, min(40.0, score))))


@cache
def shipped() -> Verifier:
    """Return the verifier that comes with Narthex."""
    content = resources.files("narthex.cache.semantic").joinpath("weights.json").read_bytes()
    return Verifier(msgspec.json.decode(content, type=Weights))
