"""What a policy of eviction does: it holds items up to a number of bytes, and decides which of them go."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec


class Item(msgspec.Struct, gc=False):
    """Something that is held under a key.

    Everything from `freq` on belongs to the policy that holds it.
    """

    key: bytes
    value: object
    size: int
    """Bytes that it counts for."""
    worth: int = 0
    """What a use of it saves, in picodollars."""
    expires: float = math.inf
    """When it is of no use any more, in seconds of the clock of who holds it."""
    freq: int = 0
    """Uses, as the policy counts them."""
    spare: int = 0
    """How often it is passed over when its turn has come to go."""
    place: int = 0
    """Where the policy has it; 0 for nowhere."""


class Policy(Protocol):
    """Holds items up to a number of bytes.

    Attributes:
        bytes_used: What the items that it holds count for together.
    """

    bytes_used: int

    def get(self, key: bytes) -> Item | None:
        """Return the item under a key, and count that as a use of it."""
        ...

    def peek(self, key: bytes) -> Item | None:
        """Return the item under a key."""
        ...

    def put(self, item: Item) -> Sequence[Item]:
        """Hold an item, in the place of one under the same key; return those that had to go, maybe itself."""
        ...

    def remove(self, key: bytes) -> Item | None:
        """Let go of the item under a key, and return it."""
        ...

    def resize(self, max_bytes: int) -> Sequence[Item]:
        """Hold up to another number of bytes; return those that had to go."""
        ...

    def __iter__(self) -> Iterator[Item]:
        """Yield all items that are held, as they are at this moment."""
        ...

    def __len__(self) -> int:
        """Return how many items are held."""
        ...
