"""What all policies have in common: an index of items, and how many bytes they count for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from narthex.cache.eviction.contract import Item


class Held(ABC):
    """Holds items up to a number of bytes; who goes first is for those to say that build on it."""

    def __init__(self, max_bytes: int) -> None:
        """Begin with nothing."""
        self.bytes_used = 0
        self._max_bytes = max_bytes
        self._index: dict[bytes, Item] = {}

    def peek(self, key: bytes) -> Item | None:
        """Return the item under a key."""
        return self._index.get(key)

    def put(self, item: Item) -> Sequence[Item]:
        """Hold an item, in the place of one under the same key; return those that had to go, maybe itself."""
        before = self.remove(item.key)
        if item.size > self._max_bytes:
            return (item,) if before is None else (before, item)
        self._index[item.key] = item
        self.bytes_used += item.size
        self._take_in(item, before)
        return self._shrunk() if self.bytes_used > self._max_bytes else ()

    def remove(self, key: bytes) -> Item | None:
        """Let go of the item under a key, and return it."""
        item = self._index.pop(key, None)
        if item is not None:
            self.bytes_used -= item.size
            self._let_go(item)
        return item

    def resize(self, max_bytes: int) -> Sequence[Item]:
        """Hold up to another number of bytes; return those that had to go."""
        self._max_bytes = max_bytes
        return self._shrunk()

    def __iter__(self) -> Iterator[Item]:
        """Yield all items that are held, as they are at this moment."""
        return iter(tuple(self._index.values()))

    def __len__(self) -> int:
        """Return how many items are held."""
        return len(self._index)

    def _shrunk(self) -> list[Item]:
        evicted: list[Item] = []
        while self.bytes_used > self._max_bytes:
            item = self._victim()
            if item is not None:
                del self._index[item.key]
                self.bytes_used -= item.size
                self._let_go(item)
                evicted.append(item)
        return evicted

    @abstractmethod
    def _take_in(self, item: Item, before: Item | None) -> None:
        """Give an item its place; `before` is what lay under its key."""

    @abstractmethod
    def _let_go(self, item: Item) -> None:
        """Take an item's place away: it is held no more."""

    @abstractmethod
    def _victim(self) -> Item | None:
        """Return whose turn it is to go; None after a step that only brings this nearer."""
