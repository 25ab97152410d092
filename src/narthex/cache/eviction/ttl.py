"""TTL: what would expire first goes first, however much it is used."""

from __future__ import annotations

import heapq
from typing import Final

from narthex.cache.eviction.contract import Item
from narthex.cache.eviction.held import Held

_LEAST: Final = 64
"""Places of the heap below which nobody looks for those of items that have gone."""


class Ttl(Held):
    """Holds items up to a number of bytes; see `Policy`."""

    def __init__(self, max_bytes: int) -> None:
        """Begin with nothing."""
        super().__init__(max_bytes)
        self._serial = 0
        self._heap: list[tuple[float, int, Item]] = []

    def get(self, key: bytes) -> Item | None:
        """Return the item under a key; uses do not matter."""
        return self._index.get(key)

    def _take_in(self, item: Item, before: Item | None) -> None:
        self._serial += 1
        item.place = self._serial
        heapq.heappush(self._heap, (item.expires, self._serial, item))

    def _let_go(self, item: Item) -> None:
        item.place = 0
        if len(self._heap) > 2 * len(self._index) + _LEAST:
            self._heap = [entry for entry in self._heap if entry[2].place == entry[1]]
            heapq.heapify(self._heap)

    def _victim(self) -> Item | None:
        _, serial, item = heapq.heappop(self._heap)
        return item if item.place == serial else None
