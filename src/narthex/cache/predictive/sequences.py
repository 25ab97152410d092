"""What follows what: prediction by partial matching over contexts of up to three questions.

Each context counts what came behind it. A longer context is believed as far as it was seen often, and leaves the rest
to the next shorter one (an escape, as method C of PPM has it, with some doubt added: what was seen once is no pattern).
Counts fade, so that habits may change. See J. Cleary, I. Witten, "Data Compression Using Adaptive Coding and Partial
String Matching" (1984); T. Palpanas, A. Mendelzon, "Web Prefetching Using Partial Match Prediction" (1999).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

ORDER: Final = 3
"""Questions in the longest context."""
DOUBT: Final = 3.0
"""Sightings that a context lacks to be believed."""
FADING: Final = 0.98
"""What a count is still worth after one more question in its context."""
MAX_FOLLOWING: Final = 24
"""What is counted behind one context, at most."""
_MOST_WEIGHT: Final = 1e9

Intent = bytes
Context = tuple[Intent, ...]


class Guess(NamedTuple):
    """What may be asked next."""

    intent: Intent
    probability: float


class _Counts(msgspec.Struct):
    """What came behind a context; a count is in units of `weight`, which grows instead of all others shrinking."""

    counts: dict[Intent, float] = {}
    total: float = 0.0
    weight: float = 1.0


class Sequences:
    """What one principal asks behind what."""

    def __init__(self, *, max_contexts: int) -> None:
        """Know nothing yet.

        Args:
            max_contexts: Those that are remembered; of those that were longest not used the rarest go first.
        """
        self._max = max_contexts
        self._contexts: OrderedDict[Context, _Counts] = OrderedDict()

    def __len__(self) -> int:
        """Return how many contexts are remembered."""
        return len(self._contexts)

    def learn(self, past: Sequence[Intent], intent: Intent) -> None:
        """Take note of what came behind `past`, of which the last `ORDER` count, oldest first."""
        for length in range(min(len(past), ORDER) + 1):
            context = tuple(past[len(past) - length :])
            found = self._contexts.get(context)
            if found is None:
                found = self._contexts[context] = _Counts()
            self._contexts.move_to_end(context)
            _count(found, intent)
        while len(self._contexts) > self._max:
            self._let_go()

    def guesses(self, past: Sequence[Intent], *, most: int = 3) -> list[Guess]:
        """Return what may come behind `past`, the likeliest first; nothing of which only the frequency is known."""
        chain = [self._contexts.get(tuple(past[len(past) - length :])) for length in range(min(len(past), ORDER) + 1)]
        known = [counts for counts in chain[1:] if counts is not None]
        found = {intent for counts in known for intent in counts.counts}
        guesses = [Guess(intent, _probability(chain, intent)) for intent in found]
        guesses.sort(key=lambda guess: (-guess.probability, guess.intent))
        return guesses[:most]

    def forget(self, intent: Intent) -> None:
        """Let go of a question, wherever it stands."""
        for context in [context for context in self._contexts if intent in context]:
            del self._contexts[context]
        for counts in self._contexts.values():
            counts.total -= counts.counts.pop(intent, 0.0)

    def _let_go(self) -> None:
        for _ in range(8):
            context, counts = self._contexts.popitem(last=False)
            if counts.total < 4 * counts.weight:
                return
            # It was seen often: it has another chance, at half its worth.
            counts.weight *= 2
            self._contexts[context] = counts
        self._contexts.popitem(last=False)


def _count(found: _Counts, intent: Intent) -> None:
    found.weight /= FADING
    if found.weight > _MOST_WEIGHT:
        found.counts = {known: count / found.weight for known, count in found.counts.items()}
        found.total, found.weight = found.total / found.weight, 1.0
    found.counts[intent] = found.counts.get(intent, 0.0) + found.weight
    found.total += found.weight
    if len(found.counts) > MAX_FOLLOWING:
        least = min(found.counts, key=found.counts.__getitem__)
        found.total -= found.counts.pop(least)


def _probability(chain: Sequence[_Counts | None], intent: Intent) -> float:
    """Return how likely a question is, by all contexts, the shortest first."""
    probability = 0.0
    for counts in chain:
        if counts is not None:
            escapes = (len(counts.counts) + DOUBT) * counts.weight
            whole = counts.total + escapes
            probability = (counts.counts.get(intent, 0.0) + escapes * probability) / whole
    return probability
