"""Holds policies to what all of them promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from narthex.cache.eviction import Item, Policy

KEYS = some.integers(0, 30).map(lambda number: b"%d" % number)
SIZES = some.integers(1, 40)
WORTHS = some.sampled_from([0, 1, 1_000, 1_000_000])


class Promises(RuleBasedStateMachine):
    """Any order of steps: what is held is what was put last, and all that went was told."""

    make: Callable[[int], Policy]

    def __init__(self) -> None:
        super().__init__()
        self.most = 100
        self.policy = type(self).make(self.most)
        self.held: dict[bytes, Item] = {}
        self.serial = 0

    @rule(key=KEYS, size=SIZES, worth=WORTHS, expires=some.integers(0, 50))
    def put(self, key: bytes, size: int, worth: int, expires: int) -> None:
        """Hold something new."""
        self.serial += 1
        item = Item(key, self.serial, size, worth, float(expires))
        self.held[key] = item
        self.gone(self.policy.put(item))

    @rule(key=KEYS)
    def get(self, key: bytes) -> None:
        """Use something."""
        assert self.policy.get(key) is self.held.get(key)

    @rule(key=KEYS)
    def remove(self, key: bytes) -> None:
        """Let go of something."""
        removed = self.policy.remove(key)
        assert removed is self.held.pop(key, None)

    @rule(most=some.integers(0, 150))
    def resize(self, most: int) -> None:
        """Have another room."""
        self.most = most
        self.gone(self.policy.resize(most))

    @invariant()
    def it_agrees(self) -> None:
        """Nothing is held that was not told of, and nothing beyond the room."""
        assert {item.key: item for item in self.policy} == self.held
        assert len(self.policy) == len(self.held)
        assert self.policy.bytes_used == sum(item.size for item in self.held.values()) <= self.most
        for key, item in self.held.items():
            assert self.policy.peek(key) is item

    def gone(self, items: Sequence[Item]) -> None:
        """Take what went out of what must be held."""
        for item in items:
            if self.held.get(item.key) is item:
                del self.held[item.key]


def promises_of(make: Callable[[int], Policy]) -> type[Promises]:
    """Return the test of one policy."""
    return type("ItsPromises", (Promises,), {"make": staticmethod(make)})
