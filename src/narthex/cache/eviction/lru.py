"""LRU: what was not used for longest goes first."""

from __future__ import annotations

from collections import OrderedDict

from narthex.cache.eviction.contract import Item
from narthex.cache.eviction.held import Held


class Lru(Held):
    """Holds items up to a number of bytes; see `Policy`."""

    def __init__(self, max_bytes: int) -> None:
        """Begin with nothing."""
        super().__init__(max_bytes)
        self._order: OrderedDict[bytes, Item] = OrderedDict()

    def get(self, key: bytes) -> Item | None:
        """Return the item under a key, and count that as a use of it."""
        item = self._index.get(key)
        if item is not None:
            self._order.move_to_end(key)
        return item

    def _take_in(self, item: Item, before: Item | None) -> None:
        self._order[item.key] = item

    def _let_go(self, item: Item) -> None:
        del self._order[item.key]

    def _victim(self) -> Item | None:
        return next(iter(self._order.values()))
