"""SIEVE: one queue, and a hand that goes through it and takes what was not used since it came by last.

Zhang et al., "SIEVE is simpler than LRU", NSDI 2024 (https://sieve-cache.com). Items that were used stay where they
are. It has no memory of what has gone, and a scan passes through all of it.
"""

from __future__ import annotations

from narthex.cache.eviction.contract import Item
from narthex.cache.eviction.held import Held
from narthex.cache.eviction.worth import Worth


class _Link:
    """An item between an older and a newer one."""

    __slots__ = ("item", "newer", "older")

    def __init__(self, item: Item, older: _Link | None) -> None:
        self.item = item
        self.older = older
        self.newer: _Link | None = None


class Sieve(Held):
    """Holds items up to a number of bytes; see `Policy`."""

    def __init__(self, max_bytes: int) -> None:
        """Begin with nothing."""
        super().__init__(max_bytes)
        self._links: dict[bytes, _Link] = {}
        self._oldest: _Link | None = None
        self._newest: _Link | None = None
        self._hand: _Link | None = None
        self._worth = Worth()

    def get(self, key: bytes) -> Item | None:
        """Return the item under a key, and count that as a use of it."""
        item = self._index.get(key)
        if item is not None:
            item.freq = 1
        return item

    def _take_in(self, item: Item, before: Item | None) -> None:
        item.freq = 0 if before is None else before.freq
        item.spare = self._worth.spare(item)
        link = _Link(item, self._newest)
        if self._newest is None:
            self._oldest = link
        else:
            self._newest.newer = link
        self._newest = self._links[item.key] = link

    def _let_go(self, item: Item) -> None:
        link = self._links.pop(item.key)
        older, newer = link.older, link.newer
        if self._hand is link:
            self._hand = newer
        if older is None:
            self._oldest = newer
        else:
            older.newer = newer
        if newer is None:
            self._newest = older
        else:
            newer.older = older
        # So that those that have gone do not hold on to one another.
        link.older = link.newer = None

    def _victim(self) -> Item | None:
        link = self._hand or self._oldest
        assert link is not None
        item = link.item
        if not item.freq and not item.spare:
            return item
        if item.freq:
            item.freq = 0
        else:
            item.spare -= 1
        self._hand = link.newer
        return None
