"""Which share of pairs is served, at which share of wrong answers; on pairs that nothing was tuned on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.semantic.pairs import intents, pairs
from bench.semantic.train import Scored, held_back, scored
from narthex.cache.semantic.bounds import lower_bound, upper_bound
from narthex.cache.semantic.questions import question_of
from narthex.cache.semantic.thresholds import Thresholds
from narthex.cache.semantic.verifier import Verifier, shipped
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest

_FOLDS: Final = 5
SERVED: Final = {0.01: 0.45, 0.05: 0.65}
"""Goals: the share of true pairs that is served, by the share of traps that may be."""


def interval(hits: int, of: int) -> str:
    """Return a share with its 95 % interval, after Clopper and Pearson."""
    low, high = lower_bound(hits, of, alpha=0.025), upper_bound(hits, of, alpha=0.025)
    return f"{hits}/{of} = {hits / of:.1%} [{low:.1%}, {high:.1%}]" if of else "none"


def served_at(of: Sequence[Scored], scores: Sequence[float], limit: float) -> tuple[int, int]:
    """Return how many same pairs and traps are served at the lowest threshold that keeps to a share of wrong traps."""
    same = np.array([row.pair.same for row in of])
    values = np.array(scores)
    best = (0, 0)
    for threshold in np.unique(values[np.isfinite(values)])[::-1]:
        chosen = values >= threshold
        wrong = int((chosen & ~same).sum())
        if wrong > limit * int((~same).sum()):
            break
        best = (int((chosen & same).sum()), wrong)
    return best


def scores_of(of: Sequence[Scored], verifier: Verifier | None = None) -> list[float]:
    """Return the verifier's score of each pair; minus infinity where a guard objects."""
    verifier = verifier or shipped()
    return [verifier.score(row.features) if row.reason is None else -np.inf for row in of]


def thresholds() -> dict[float, float]:
    """Return for each share of wrong traps the threshold that keeps to it on the pairs of the training, held back."""
    of = scored(pairs(intents("pairs_train.txt")))
    open_ = [row for row in of if row.reason is None]
    traps = sum(not row.pair.same for row in of)
    ranked = sorted(zip(held_back(open_), (row.pair.same for row in open_), strict=True), reverse=True)
    found: dict[float, float] = {}
    for limit in SERVED:
        wrong = 0
        for score, same in ranked:
            wrong += not same
            if wrong > limit * traps:
                break
            found[limit] = float(score)
    return found


def at_thresholds(of: Sequence[Scored], chosen: Mapping[float, float]) -> Iterator[str]:
    """Return lines: what is served at thresholds that were chosen elsewhere, and whether that meets the goals."""
    scores = scores_of(of)
    for limit, threshold in chosen.items():
        yield _judged(f"threshold of the training for {limit:.0%}", of, [score >= threshold for score in scores], limit)


def nested(of: Sequence[Scored]) -> Iterator[str]:
    """Return lines: what is served where the threshold comes from four fifths of the pairs, and is tried on the last.

    The verifier knows none of them. Means of five divisions by chance.
    """
    same, scores = np.array([row.pair.same for row in of]), np.array(scores_of(of))
    for limit, goal in SERVED.items():
        right = wrong = 0
        for seed in range(_FOLDS):
            folds = np.random.default_rng(seed).permutation(len(of)) % _FOLDS
            for fold in range(_FOLDS):
                chosen, tried = folds != fold, folds == fold
                served = tried & (scores >= _lowest(scores[chosen], same[chosen], limit))
                right, wrong = right + int((served & same).sum()), wrong + int((served & ~same).sum())
        right_share, wrong_share = right / _FOLDS / same.sum(), wrong / _FOLDS / (~same).sum()
        verdict = "met" if right_share >= goal and wrong_share <= limit else "MISSED"
        goals = f"({verdict}: {goal:.0%} at {limit:.0%})"
        yield f"  nested, for {limit:.0%}: {right_share:.1%} served, {wrong_share:.2%} wrong {goals}"


def _lowest(scores: NDArray[np.float64], same: NDArray[np.bool_], limit: float) -> float:
    """Return the lowest threshold that keeps to a share of wrong traps."""
    traps = np.sort(scores[~same])[::-1]
    allowed = int(limit * len(traps))
    first_too_many = traps[allowed] if allowed < len(traps) else -np.inf
    above = scores[scores > first_too_many]
    return float(above.min()) if len(above) else np.inf


def as_shipped(of: Sequence[Scored]) -> Iterator[str]:
    """Return lines: what a server that has judged nothing yet serves, at error bounds of 1, 2 and 5 %.

    With all that it asks of a question, not only of a pair: words about now or about the one who asks are never
    answered so.
    """
    verifier = shipped()
    for bound in (0.01, 0.02, 0.05):
        least = Thresholds(verifier.weights.bins, bound=bound)
        yield _judged(
            f"as shipped, error bound {bound:.0%}", of, [_is_served(row, least, verifier) for row in of], None
        )


def _is_served(row: Scored, least: Thresholds, verifier: Verifier) -> bool:
    asked, known = (question_of(_request(text), "t", "m", principal="p") for text in (row.pair.other, row.pair.one))
    if asked is None or known is None or asked.scope != known.scope or row.reason is not None:
        return False
    is_same = asked.marks.folded == known.marks.folded
    return is_same or verifier.score(row.features) >= least.least(asked.category)


def _request(text: str) -> ChatRequest:
    return ChatRequest(model="m", messages=(Message(role="user", parts=(Text(text=text),)),))


def _judged(name: str, of: Sequence[Scored], served: Sequence[bool], limit: float | None) -> str:
    same, traps = sum(row.pair.same for row in of), sum(not row.pair.same for row in of)
    right = sum(is_served and row.pair.same for row, is_served in zip(of, served, strict=True))
    wrong = sum(is_served and not row.pair.same for row, is_served in zip(of, served, strict=True))
    said = f"  {name}: {interval(right, same)} served; traps served {interval(wrong, traps)}"
    if limit is None:
        return said
    is_met = right >= SERVED[limit] * same and wrong <= limit * traps
    return f"{said} ({'met' if is_met else 'MISSED'}: {SERVED[limit]:.0%} at {limit:.0%})"


def report(of: Sequence[Scored]) -> Iterator[str]:
    """Return lines: what guards stop, and what is served at 1 % and at 5 % wrong, against the cosine alone."""
    same, traps = [row for row in of if row.pair.same], [row for row in of if not row.pair.same]
    yield f"  guards object to {interval(sum(row.reason is not None for row in traps), len(traps))} of traps"
    yield f"  guards object to {interval(sum(row.reason is not None for row in same), len(same))} of true pairs"
    kinds = Counter(row.pair.kind for row in traps)
    stopped = Counter(row.pair.kind for row in traps if row.reason is not None)
    yield "  by kind: " + ", ".join(f"{kind} {stopped[kind]}/{count}" for kind, count in kinds.most_common())
    systems = {
        "cosine alone": [row.cosine for row in of],
        "cosine and guards": [row.cosine if row.reason is None else -np.inf for row in of],
        "guards and verifier": scores_of(of),
    }
    for name, scores in systems.items():
        for limit in (0.01, 0.05):
            right, wrong = served_at(of, scores, limit)
            served = interval(right, len(same))
            yield f"  {name}, at most {limit:.0%} wrong, threshold of these pairs: {served} served, {wrong} wrong"
