"""Whether a category is wrong too often: a bet that pays only if it is, and may be looked at at any time.

Each judged sample of what was served multiplies the bet's worth by how much likelier it is under a worse share of
wrong answers than under the bound. While the share keeps to the bound, that worth exceeds 1/alpha with a probability
of at most alpha, however often one looks (Ville's inequality): so a category is closed by evidence, not by chance.
"""

from __future__ import annotations

import math

_WORSE = (1.5, 2.0, 4.0, 8.0, 16.0)


class ErrorBound:
    """Watches the judged samples of one category."""

    def __init__(self, bound: float, *, alpha: float = 0.05) -> None:
        """Watch for a share of wrong answers above a bound; a false alarm has a probability of alpha at most."""
        self.bound = bound
        self.samples = 0
        self.wrong = 0
        self._alpha = alpha
        self._alternatives = sorted({min(bound * factor, 0.9) for factor in _WORSE})
        self._bets = [0.0] * len(self._alternatives)

    @property
    def is_crossed(self) -> bool:
        """Whether it is certain enough that the bound does not hold."""
        most = max(self._bets)
        total = most + math.log(sum(math.exp(bet - most) for bet in self._bets) / len(self._bets))
        return total >= -math.log(self._alpha)

    @property
    def highest(self) -> float:
        """The share of wrong answers that is exceeded with a probability of 5 % at most: see `upper_bound`."""
        return upper_bound(self.wrong, self.samples)

    def judged(self, *, wrong: bool) -> None:
        """Count a sample."""
        self.samples += 1
        self.wrong += wrong
        for place, share in enumerate(self._alternatives):
            self._bets[place] += math.log(share / self.bound if wrong else (1 - share) / (1 - self.bound))


def upper_bound(wrong: int, samples: int, *, alpha: float = 0.05) -> float:
    """Return the one-sided upper bound of a share, after Clopper and Pearson; 1 without samples."""
    return _solved(wrong, samples, alpha) if wrong < samples else 1.0


def lower_bound(wrong: int, samples: int, *, alpha: float = 0.05) -> float:
    """Return the one-sided lower bound of a share, after Clopper and Pearson; 0 without samples."""
    return 1 - _solved(samples - wrong, samples, alpha) if 0 < wrong <= samples else 0.0


def _solved(wrong: int, samples: int, alpha: float) -> float:
    """Return the share at which so few wrong ones, or fewer, have a probability of alpha."""
    low, high = wrong / samples, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if _cumulative(wrong, samples, middle) > alpha:
            low = middle
        else:
            high = middle
    return high


def _cumulative(wrong: int, samples: int, share: float) -> float:
    """Return the probability of at most so many wrong ones."""
    if share >= 1:
        return 0.0
    whole = math.lgamma(samples + 1)
    ratio, rest = math.log(share) if share else -math.inf, math.log1p(-share)
    return math.fsum(
        math.exp(
            whole
            - math.lgamma(count + 1)
            - math.lgamma(samples - count + 1)
            + (count * ratio if count else 0.0)
            + (samples - count) * rest
        )
        for count in range(wrong + 1)
    )
