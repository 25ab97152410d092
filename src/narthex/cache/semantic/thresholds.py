"""How sure a pair must be to be served: for each category, so that the share of wrong answers stays within a bound.

The start is what the verifier got right and wrong in training's held-back pairs; what is judged since then outweighs
it. Each entry has a correction of its own besides, so that one that is often mistaken soon asks for more: a logistic
model with a random effect for each entry, after vCache (https://arxiv.org/abs/2502.03771), pooled within a category.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from narthex.cache.semantic.contract import CATEGORIES, Category
from narthex.cache.semantic.verifier import BINS, Bin, floor_of, place_of, probability

_SURE = 1.0
"""Standard deviations above the expected share of wrong answers that must keep to the bound."""
_SPREAD = 1.5
"""Standard deviation of entries' corrections before anything of them is judged, in log odds."""
_WORST = 0.25
"""Share of wrong answers at a single score beyond which it is never served, however good those above are."""
_NEVER = math.inf


class _Table:
    """What was seen of one category, by score."""

    def __init__(self, prior: Sequence[Bin]) -> None:
        self.same = [bin_.same for bin_ in prior]
        self.different = [bin_.different for bin_ in prior]
        self.seen = [bin_.same + bin_.different for bin_ in prior]


class Thresholds:
    """The least score that is served, of each category."""

    def __init__(self, prior: Sequence[Bin], *, bound: float, weight: float = 1.0) -> None:
        """Begin with what training knows.

        Args:
            prior: What was right and wrong at each score, lowest first.
            bound: Largest share of served answers that may be wrong.
            weight: What one pair of the training counts for beside one that is judged.
        """
        if len(prior) != BINS or not 0 < bound < 1:
            raise ValueError("thresholds need a prior for every bin and a bound between 0 and 1")
        scaled = [Bin(bin_.same * weight, bin_.different * weight) for bin_ in prior]
        self._bound = bound
        self._tables = {category: _Table(scaled) for category in CATEGORIES}
        self._least = {category: self._computed(category) for category in CATEGORIES}

    def least(self, category: Category) -> float:
        """Return the least score that is served."""
        return self._least[category]

    def saw(self, category: Category, score: float) -> None:
        """Count a question whose best pair has this score: how common a score is weighs its mistakes."""
        self._tables[category].seen[place_of(score)] += 1

    def judged(self, category: Category, score: float, *, same: bool) -> None:
        """Learn from a pair that was judged."""
        table, place = self._tables[category], place_of(score)
        counts = table.same if same else table.different
        counts[place] += 1
        self._least[category] = self._computed(category)

    def _computed(self, category: Category) -> float:
        """Go down from the surest scores as long as all above stay within the bound."""
        table = self._tables[category]
        seen = wrong = spread = 0.0
        best = _NEVER
        for place, judged, share in _pooled(table):
            mass = table.seen[place]
            seen += mass
            wrong += mass * share
            spread += mass * mass / judged
            if share <= _WORST and _upper(wrong / seen, seen * seen / spread) <= self._bound:
                best = floor_of(place)
            elif wrong / seen > self._bound or share > _WORST:
                break
        return best


def _pooled(table: _Table) -> list[tuple[int, float, float]]:
    """Return bins from the surest on, with how many were judged and the share of wrong ones, which never falls.

    Where a surer bin has more wrong ones than one below it, chance is at work: both are taken for one (isotonic
    regression, by pooling adjacent violators).
    """
    blocks: list[tuple[list[int], float, float]] = []
    for place in reversed(range(BINS)):
        judged = table.same[place] + table.different[place]
        if not judged or not table.seen[place]:
            continue
        block = ([place], judged, table.different[place])
        while blocks and blocks[-1][2] / blocks[-1][1] > block[2] / block[1]:
            places, many, wrong = blocks.pop()
            block = (places + block[0], many + block[1], wrong + block[2])
        blocks.append(block)
    counts = {place: table.same[place] + table.different[place] for places, _, _ in blocks for place in places}
    return [(place, counts[place], wrong / many) for places, many, wrong in blocks for place in places]


def _upper(share: float, samples: float) -> float:
    """Return a share with what so many samples leave uncertain; none that is wrong counts as one that might be."""
    return share + _SURE * math.sqrt((share * (1 - share) + 1 / samples) / samples)


def correction(judgements: Sequence[tuple[float, bool]]) -> float:
    """Return an entry's correction to scores, from the scores of its pairs and whether each was the same.

    The maximum a posteriori of a random effect with mean 0, by a few steps of Newton's; 0 where nothing was judged.
    """
    effect = 0.0
    for _ in range(6):
        gradient, curvature = -effect / _SPREAD**2, 1 / _SPREAD**2
        for score, same in judgements:
            expected = probability(score + effect)
            gradient += float(same) - expected
            curvature += expected * (1 - expected)
        effect += gradient / curvature
    return max(-8.0, min(4.0, effect))
