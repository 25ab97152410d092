"""S3-FIFO: a small queue for what is new, a main one for what was used again, and a memory of what has gone.

Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023 (https://s3fifo.com). A use is one addition:
no item moves until the turn of its queue comes. What is used once, as in a scan, leaves by the small queue.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from narthex.cache.eviction.contract import Item
from narthex.cache.eviction.held import Held
from narthex.cache.eviction.worth import Worth

SMALL_SHARE: Final = 0.1
"""Of the bytes, for what is new."""
_MAX_FREQ: Final = 3
_AGAIN: Final = 2
"""Uses that bring an item from the small queue to the main one."""
_LEAST: Final = 16
"""Places of a queue, or keys that are remembered, below which nobody counts."""
_SMALL: Final = 1
_MAIN: Final = 2


class S3Fifo(Held):
    """Holds items up to a number of bytes; see `Policy`."""

    def __init__(self, max_bytes: int) -> None:
        """Begin with nothing."""
        super().__init__(max_bytes)
        self._small: deque[Item] = deque()
        self._main: deque[Item] = deque()
        self._small_bytes = 0
        self._gone = _Gone()
        self._worth = Worth()

    def get(self, key: bytes) -> Item | None:
        """Return the item under a key, and count that as a use of it."""
        item = self._index.get(key)
        if item is not None and item.freq < _MAX_FREQ:
            item.freq += 1
        return item

    def _take_in(self, item: Item, before: Item | None) -> None:
        item.freq = 0 if before is None else before.freq
        item.spare = self._worth.spare(item)
        if self._gone.take(item.key) or item.freq >= _AGAIN:
            self._to_main(item)
        else:
            item.place = _SMALL
            self._small.append(item)
            self._small_bytes += item.size

    def _let_go(self, item: Item) -> None:
        if item.place == _SMALL:
            self._small_bytes -= item.size
        item.place = 0
        # It stays in its queue until its turn comes, unless there are too many such.
        if len(self._small) + len(self._main) > 2 * len(self._index) + _LEAST:
            self._small = deque(one for one in self._small if one.place == _SMALL)
            self._main = deque(one for one in self._main if one.place == _MAIN)

    def _victim(self) -> Item | None:
        from_small = self._small_bytes > self._max_bytes * SMALL_SHARE or not self._main
        return self._from_small() if from_small else self._from_main()

    def _to_main(self, item: Item) -> None:
        item.place = _MAIN
        self._main.append(item)

    def _from_small(self) -> Item | None:
        item = self._small.popleft()
        if item.place != _SMALL:
            return None
        if item.freq < _AGAIN and not item.spare:
            self._gone.add(item.key, max(len(self._main), _LEAST))
            return item
        if item.freq < _AGAIN:
            item.spare -= 1
        item.freq = 0
        self._small_bytes -= item.size
        self._to_main(item)
        return None

    def _from_main(self) -> Item | None:
        item = self._main.popleft()
        if item.place != _MAIN:
            return None
        if item.freq:
            item.freq -= 1
        elif item.spare:
            item.spare -= 1
        else:
            return item
        self._main.append(item)
        return None


class _Gone:
    """Keys of what has left by the small queue, the latest of them."""

    def __init__(self) -> None:
        self._serial = 0
        self._serials: dict[bytes, int] = {}
        self._order: deque[tuple[bytes, int]] = deque()

    def add(self, key: bytes, most: int) -> None:
        """Remember a key, and forget the oldest beyond so many."""
        self._serial += 1
        self._serials[key] = self._serial
        self._order.append((key, self._serial))
        while len(self._order) > most:
            oldest, serial = self._order.popleft()
            if self._serials.get(oldest) == serial:
                del self._serials[oldest]

    def take(self, key: bytes) -> bool:
        """Tell whether a key is remembered, and forget it."""
        return self._serials.pop(key, None) is not None
