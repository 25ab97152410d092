"""Definite refusals of providers, given again for a while to those who ask the same."""

from __future__ import annotations

from time import monotonic
from typing import Final, NamedTuple

from narthex.cache.invalidation import Invalidation
from narthex.errors import ProviderError, alike
from narthex.pipeline.cache_terms import Terms

MAX_ERRORS: Final = 1_024
"""Refusals that are remembered."""


class _Refusal(NamedTuple):
    error: ProviderError
    until_s: float
    """In seconds of the monotonic clock."""
    number: int
    """Of the last declaration of invalidity when its question was asked."""


class Refusals:
    """Remembers refusals, by the keys of what was asked."""

    def __init__(self, invalidation: Invalidation) -> None:
        """Begin with none.

        Args:
            invalidation: Knows what has been declared void: a refusal goes with the answers of the same tags.
        """
        self._invalidation = invalidation
        self._held: dict[bytes, _Refusal] = {}

    def remember(self, terms: Terms, error: ProviderError, *, for_s: float, number: int) -> None:
        """Take note of one.

        Args:
            terms: Of the call that was refused.
            error: The refusal.
            for_s: How long it is given again; 0 for not at all.
            number: Of the last declaration of invalidity when it was asked.
        """
        if not for_s:
            return
        self._held.pop(terms.key, None)
        if len(self._held) >= MAX_ERRORS:
            del self._held[next(iter(self._held))]
        self._held[terms.key] = _Refusal(error, monotonic() + for_s, number)

    def raise_remembered(self, terms: Terms) -> None:
        """Give a refusal again.

        Raises:
            ProviderError: There is one.
        """
        held = self._held.get(terms.key)
        if held is None:
            return
        if held.until_s > monotonic() and not self._invalidation.is_void(terms.tags, held.number):
            raise alike(held.error)
        del self._held[terms.key]
