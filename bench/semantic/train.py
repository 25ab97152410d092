"""Trains the verifier: a logistic model by Newton's method, on the pairs of `pairs_train.txt`.

The bins, by which thresholds begin, come from intents that were left out of the fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

import narthex.cache.semantic
from bench.semantic.pairs import Labelled, intents, pairs
from bench.semantic.vectors import vectors_of
from narthex.cache.semantic.aligning import align
from narthex.cache.semantic.features import FEATURES, features_of
from narthex.cache.semantic.guards import objection
from narthex.cache.semantic.marks import read
from narthex.cache.semantic.normalising import normalised
from narthex.cache.semantic.verifier import BINS, Bin, Weights, place_of

WEIGHTS = Path(narthex.cache.semantic.__file__).with_name("weights.json")
_PENALTY = 1.0
_FOLDS = 8
Array = NDArray[np.float64]
# What more of a feature may only do: raise the odds, lower them, or (0) either. Keeps chance out of the weights.
_FALLING = frozenset({"left_most", "left_least", "swapped", "one_added"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A pair, what guards say of it, and its features."""

    pair: Labelled
    cosine: float
    reason: str | None
    features: tuple[float, ...]


def scored(of: list[Labelled], vectors: dict[str, bytes] | None = None) -> list[Scored]:
    """Return pairs with what the semantic cache sees of them."""
    texts = [normalised(text) for pair in of for text in (pair.one, pair.other)]
    vectors = vectors or vectors_of(texts)
    found: list[Scored] = []
    for pair in of:
        one, other = normalised(pair.one), normalised(pair.other)
        cosine = float(np.frombuffer(vectors[one], np.float32) @ np.frombuffer(vectors[other], np.float32))
        first, second = read(one), read(other)
        alignment = align(first, second)
        reason = objection(first, second, alignment)
        features = features_of(first, second, cosine=cosine, alignment=alignment)
        found.append(Scored(pair=pair, cosine=cosine, reason=reason, features=features))
    return found


def fit(features: Array, same: Array, *, penalty: float = _PENALTY) -> Array:
    """Return weights and, last, the bias."""
    with_bias = np.c_[features, np.ones(len(features))]
    weights = np.zeros(with_bias.shape[1])
    shrink = np.r_[np.full(features.shape[1], penalty), 1e-6]
    for _ in range(40):
        expected = 1 / (1 + np.exp(-with_bias @ weights))
        gradient = with_bias.T @ (expected - same) + shrink * weights
        curved = (with_bias * (expected * (1 - expected) + 1e-9)[:, None]).T @ with_bias + np.diag(shrink)
        weights = weights - np.linalg.solve(curved, gradient)
    return weights


def held_back(open_: list[Scored]) -> Array:
    """Return a score for each pair, by a verifier that was fitted to other intents."""
    features = np.array([row.features for row in open_])
    same = np.array([float(row.pair.same) for row in open_])
    folds = np.array([row.pair.intent % _FOLDS for row in open_])
    scores = np.zeros(len(open_))
    for fold in range(_FOLDS):
        weights = fit(features[folds != fold], same[folds != fold])
        scores[folds == fold] = features[folds == fold] @ weights[:-1] + weights[-1]
    return scores


def trained(of: list[Scored]) -> Weights:
    """Return the verifier's numbers, from pairs that no guard objects to."""
    open_ = [row for row in of if row.reason is None]
    features = np.array([row.features for row in open_])
    same = np.array([float(row.pair.same) for row in open_])
    scores = held_back(open_)
    bins = [[0.0, 0.0] for _ in range(BINS)]
    for score, is_same in zip(scores, same, strict=True):
        bins[place_of(score)][0 if is_same else 1] += 1
    weights = fit(features, same)
    return Weights(
        features=FEATURES,
        weights=tuple(round(float(weight), 4) for weight in weights[:-1]),
        bias=round(float(weights[-1]), 4),
        bins=tuple(Bin(*counts) for counts in bins),
    )


def main() -> None:
    """Train, and write the weights where the server reads them."""
    weights = trained(scored(pairs(intents("pairs_train.txt"))))
    WEIGHTS.write_bytes(msgspec.json.format(msgspec.json.encode(weights), indent=1) + b"\n")
    print(f"{WEIGHTS}: {len(weights.weights)} weights, {sum(b.same + b.different for b in weights.bins):.0f} pairs")
