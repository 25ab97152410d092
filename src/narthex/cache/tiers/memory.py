"""The first tier: entries in the memory of this process, up to a number of bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import cast

from narthex.cache.entries import Entry
from narthex.cache.eviction import POLICIES, Item


class Held:
    """An entry in memory, and what was made of it for those who asked."""

    __slots__ = ("asked_at", "checked", "entry", "made", "uses")

    def __init__(self, entry: Entry, asked_at: float = -math.inf) -> None:
        self.entry = entry
        self.asked_at = asked_at
        """When it was asked for by this process, by the monotonic clock; endlessly long ago if another did."""
        self.uses = 0
        self.checked = -1
        """The declarations of what is void that it has outlived, by their count."""
        self.made: object = None
        """The answer as values, once somebody needed it so."""


class MemoryTier:
    """Entries in memory.

    Attributes:
        evicted: How many had to go as there was no room.
        dropped: How many were taken out as they were void or too old.
    """

    def __init__(self, *, policy: str, max_bytes: int) -> None:
        """Begin with nothing.

        Args:
            policy: Who goes first where there is no room: a name of `POLICIES`.
            max_bytes: Bytes held.
        """
        self.evicted = self.dropped = 0
        self.policy_name, self.max_bytes = policy, max_bytes
        self._policy = POLICIES[policy](max_bytes)

    def get(self, key: bytes) -> Held | None:
        """Return the entry under a key, and count that as a use of it."""
        item = self._policy.get(key)
        return None if item is None else cast("Held", item.value)

    def peek(self, key: bytes) -> Held | None:
        """Return the entry under a key."""
        item = self._policy.peek(key)
        return None if item is None else cast("Held", item.value)

    def put(self, entry: Entry, asked_at: float = -math.inf) -> Held:
        """Hold an entry, in the place of one under its key; `asked_at` as `Held` has it."""
        held = Held(entry, asked_at)
        before = self._policy.peek(entry.key)
        if before is not None:
            held.uses = cast("Held", before.value).uses
        gone = self._policy.put(Item(entry.key, held, entry.size_bytes, entry.cost_picousd))
        self.evicted += sum(item is not before for item in gone)
        return held

    def remove(self, key: bytes) -> bool:
        """Let go of the entry under a key; tell whether there was one."""
        found = self._policy.remove(key) is not None
        self.dropped += found
        return found

    def adopt(self, *, policy: str, max_bytes: int) -> None:
        """Go by another policy or number of bytes from now on; what there is no room for goes."""
        if policy != self.policy_name:
            items = tuple(self._policy)
            self._policy = POLICIES[policy](max_bytes)
            for item in items:
                self.evicted += len(self._policy.put(Item(item.key, item.value, item.size, item.worth)))
        else:
            self.evicted += len(self._policy.resize(max_bytes))
        self.policy_name, self.max_bytes = policy, max_bytes

    def clear(self) -> int:
        """Let go of everything; return how many entries that was."""
        count = len(self._policy)
        self._policy = POLICIES[self.policy_name](self.max_bytes)
        self.dropped += count
        return count

    @property
    def bytes_used(self) -> int:
        """What is held, in bytes."""
        return self._policy.bytes_used

    def __len__(self) -> int:
        return len(self._policy)

    def __iter__(self) -> Iterator[Held]:
        """Yield what is held, as it is at this moment."""
        return (cast("Held", item.value) for item in self._policy)
