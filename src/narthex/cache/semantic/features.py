"""What the verifier looks at in a pair of questions that no guard objects to."""

from __future__ import annotations

import itertools

from narthex.cache.semantic.aligning import Alignment
from narthex.cache.semantic.marks import Marks
from narthex.cache.semantic.stems import stem
from narthex.cache.semantic.words import FUNCTION

FEATURES = (
    "cosine",
    "cosine_above_80",
    "cosine_above_90",
    "same_text",
    "same_words",
    "overlap",
    "containment",
    "shared",
    "alike",
    "slips",
    "left_most",
    "left_least",
    "swapped",
    "one_added",
    "nothing_left",
    "few_words",
    "trigrams",
    "same_start",
    "same_kind",
    "both_kinds",
    "names",
    "function_overlap",
    "first_person",
    "length_ratio",
    "bigrams",
    "clean_cosine",
    "clean_start",
    "clean_function",
    "clean_bigrams",
    "clean_trigrams",
)
"""The features in the order of their values."""


def features_of(one: Marks, other: Marks, *, cosine: float, alignment: Alignment) -> tuple[float, ...]:
    """Return the features of a pair, in the order of `FEATURES`; each lies between -1 and about 4."""
    form = _of_form(one, other)
    # Where no word is left over, a like form speaks for a pair; where one is, it is how traps are made.
    is_clean = float(not alignment.left and not alignment.right)
    clean = (form[1], form[5], form[8], form[0])
    return (
        cosine,
        max(0.0, cosine - 0.8) * 5,
        max(0.0, cosine - 0.9) * 10,
        float(one.folded == other.folded),
        float(sorted(one.tokens) == sorted(other.tokens)),
        *_of_words(alignment),
        *form,
        is_clean * max(0.0, cosine - 0.5) * 2,
        *(is_clean * value for value in clean),
    )


def _of_words(alignment: Alignment) -> tuple[float, ...]:
    """Return what the words that stand for each other, and those left over, say."""
    left, right = len(alignment.left), len(alignment.right)
    common = alignment.same + alignment.alike + alignment.slips
    most, least = max(left, right), min(left, right)
    return (
        common / ((common + most + least) or 1),
        common / ((common + least) or 1),
        min(common, 6) / 3,
        min(alignment.alike, 3.0),
        min(alignment.slips, 2.0),
        min(most, 5) / 2,
        min(least, 4) / 2,
        float(left > 0 and right > 0),
        float(least == 0 and most == 1),
        float(most == 0),
        float(common <= 1),
    )


def _of_form(one: Marks, other: Marks) -> tuple[float, ...]:
    """Return how alike the two are built."""
    shorter, longer = sorted((len(one.tokens) or 1, len(other.tokens) or 1))
    return (
        _jaccard(_trigrams(one.folded), _trigrams(other.folded)),
        float(one.tokens[:2] == other.tokens[:2]),
        float(one.kind == other.kind),
        float(bool(one.kind) and bool(other.kind)),
        min(len(set(one.names) & set(other.names)), 3.0),
        _jaccard(_function(one), _function(other)),
        float(_is_own(one) == _is_own(other)),
        shorter / longer,
        _jaccard(_bigrams(one), _bigrams(other)),
    )


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    together = len(one | other)
    return len(one & other) / together if together else 1.0


def _trigrams(text: str) -> frozenset[str]:
    return frozenset(text[number : number + 3] for number in range(len(text) - 2))


def _bigrams(marks: Marks) -> frozenset[str]:
    words = [stem(word) for word in marks.tokens if word not in FUNCTION]
    return frozenset(f"{word} {after}" for word, after in itertools.pairwise(words))


def _function(marks: Marks) -> frozenset[str]:
    return frozenset(word for word in marks.tokens if word in FUNCTION)


def _is_own(marks: Marks) -> bool:
    return any(word in {"i", "my", "me", "we", "our", "mine"} for word in marks.tokens)
