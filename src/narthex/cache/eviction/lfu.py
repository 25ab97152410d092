"""LFU with ageing: what was used least goes first, and uses of long ago count for less.

Items of one frequency stand in one row, oldest first. After so many uses as there are items, ten times over, every
frequency is halved: what was much used once makes room for what is used now.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from narthex.cache.eviction.contract import Item
from narthex.cache.eviction.held import Held

_AGE_AFTER: Final = 10
"""Uses for each item that is held, after which all of them age."""


class Lfu(Held):
    """Holds items up to a number of bytes; see `Policy`."""

    def __init__(self, max_bytes: int) -> None:
        """Begin with nothing."""
        super().__init__(max_bytes)
        self._rows: dict[int, OrderedDict[bytes, Item]] = {}
        self._least = 0
        self._uses = 0

    def get(self, key: bytes) -> Item | None:
        """Return the item under a key, and count that as a use of it."""
        item = self._index.get(key)
        if item is not None:
            self._leave(item)
            item.freq += 1
            self._enter(item)
            self._uses += 1
            if self._uses > _AGE_AFTER * len(self._index):
                self._age()
        return item

    def _take_in(self, item: Item, before: Item | None) -> None:
        item.freq = 0 if before is None else before.freq
        self._enter(item)
        self._least = min(self._least, item.freq)

    def _let_go(self, item: Item) -> None:
        self._leave(item)

    def _victim(self) -> Item | None:
        if self._least not in self._rows:
            self._least = min(self._rows)
        return next(iter(self._rows[self._least].values()))

    def _enter(self, item: Item) -> None:
        row = self._rows.get(item.freq)
        if row is None:
            row = self._rows[item.freq] = OrderedDict()
        row[item.key] = item

    def _leave(self, item: Item) -> None:
        row = self._rows[item.freq]
        del row[item.key]
        if not row:
            del self._rows[item.freq]

    def _age(self) -> None:
        self._uses = 0
        items = [item for freq in sorted(self._rows) for item in self._rows[freq].values()]
        self._rows.clear()
        for item in items:
            item.freq //= 2
            self._enter(item)
        self._least = 0
