"""LRU."""

from __future__ import annotations

from hypothesis import settings

from narthex.cache.eviction import Item
from narthex.cache.eviction.lru import Lru
from tests.cache.eviction.policies import promises_of

TestPromises = promises_of(Lru).TestCase
TestPromises.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)


def test_what_was_not_used_for_longest_goes_first() -> None:
    """To be asked for is to be used; to be looked at is not."""
    policy = Lru(2)
    policy.put(Item(b"a", None, 1))
    policy.put(Item(b"b", None, 1))
    policy.get(b"a")
    policy.peek(b"b")
    assert [item.key for item in policy.put(Item(b"c", None, 1))] == [b"b"]
