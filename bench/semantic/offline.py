"""Which share of pairs is served, at which share of wrong answers; on pairs that nothing was tuned on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from bench.semantic.train import Scored
from narthex.cache.semantic.bounds import lower_bound, upper_bound
from narthex.cache.semantic.verifier import Verifier, shipped


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
            yield f"  {name}, at most {limit:.0%} wrong: {served} served, {wrong}/{len(traps)} wrong"
