"""What was decided, on which grounds; from the same grounds the same is decided again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from narthex.cache.semantic.contract import Category
from narthex.cache.semantic.features import FEATURES
from narthex.cache.semantic.verifier import Verifier


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One look that found something near. It holds no word of what was asked."""

    number: int
    category: Category
    entry: int
    similarity: float
    features: tuple[float, ...]
    """Empty where a guard objected."""
    correction: float
    least: float | None
    """The least score that was served then; None where none was."""
    outcome: str
    """`hit`, `alias`, or why the entry was held back."""


_SAME_TEXT = FEATURES.index("same_text")


def decided_again(decision: Decision, verifier: Verifier) -> str:
    """Return the outcome of the same grounds: the log's own where the code and the weights are the same."""
    if not decision.features or decision.outcome in {"alias", "closed", "unadmitted", "judged", "same text"}:
        return decision.outcome
    score = verifier.score(decision.features) + decision.correction
    if decision.features[_SAME_TEXT]:
        return "hit"
    if decision.least is not None and score >= decision.least:
        return "hit"
    return below(score, decision.least)


def below(score: float, least: float | None) -> str:
    """Return how far a score is from being served: `unsure` is worth a judge's time, `unlikely` is not."""
    return "unsure" if score >= min(GREY if least is None else least, GREY) - GREY else "unlikely"


GREY = 3.0
"""How far below the threshold a pair is still worth judging, in log odds; even odds always are."""


def changed(decisions: Iterable[Decision], verifier: Verifier) -> Iterator[tuple[Decision, str]]:
    """Go through the decisions that other weights would take otherwise, with what they would be."""
    for decision in decisions:
        outcome = decided_again(decision, verifier)
        if outcome != decision.outcome:
            yield decision, outcome
