"""How much dearer than usual an item is: who would be missed most stays longest."""

from __future__ import annotations

import math
from typing import Final

from narthex.cache.eviction.contract import Item

MOST: Final = 3
"""How often the dearest items are passed over."""
_WEIGHT: Final = 1 / 256
"""Of a new item in what is usual."""


class Worth:
    """Knows what is usual, in picodollars a byte, by the logarithm: items differ by orders of magnitude."""

    def __init__(self) -> None:
        self._usual: float | None = None

    def spare(self, item: Item) -> int:
        """Return how often an item is to be passed over: once for each order of magnitude that it is dearer."""
        if item.worth <= 0:
            return 0
        dear = math.log10(item.worth / max(item.size, 1))
        usual = self._usual
        if usual is None:
            self._usual = dear
            return 0
        self._usual = usual + (dear - usual) * _WEIGHT
        return min(MOST, max(0, round(dear - usual)))
