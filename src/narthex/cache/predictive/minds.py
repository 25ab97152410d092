"""What is known of each principal, apart from one another."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Generic, TypeVar

from narthex.cache.predictive.mind import Bounds, Mind

T = TypeVar("T")
MAX_MINDS: Final = 512
"""Principals that are remembered; who asked nothing for longest goes first."""


class Minds(Generic[T]):
    """Those of all principals."""

    def __init__(self, bounds: Bounds | None = None, *, most: int = MAX_MINDS) -> None:
        """Know nobody yet.

        Args:
            bounds: How much is remembered of each.
            most: How many are remembered.
        """
        self._bounds = Bounds() if bounds is None else bounds
        self._most = most
        self._minds: OrderedDict[str, Mind[T]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._minds)

    def of(self, principal: str) -> Mind[T]:
        """Return what is known of a principal, who is remembered from now on."""
        found = self._minds.get(principal)
        if found is None:
            found = self._minds[principal] = Mind(self._bounds)
            if len(self._minds) > self._most:
                self._minds.popitem(last=False)
        else:
            self._minds.move_to_end(principal)
        return found

    def known(self, principal: str) -> Mind[T] | None:
        """Return what is known of a principal, if anything is."""
        return self._minds.get(principal)

    def all(self) -> list[tuple[str, Mind[T]]]:
        """Return all of them, by principal."""
        return list(self._minds.items())

    def forget(self) -> None:
        """Know nobody any more."""
        self._minds.clear()
