"""LFU with ageing."""

from __future__ import annotations

from hypothesis import settings

from narthex.cache.eviction import Item
from narthex.cache.eviction.lfu import Lfu
from tests.cache.eviction.policies import promises_of

TestPromises = promises_of(Lfu).TestCase
TestPromises.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)


def test_what_was_used_least_goes_first() -> None:
    """Of several, the oldest."""
    policy = Lfu(3)
    for key in (b"a", b"b", b"c"):
        policy.put(Item(key, None, 1))
    policy.get(b"a")
    assert [item.key for item in policy.put(Item(b"d", None, 1))] == [b"b"]
    assert [item.key for item in policy.put(Item(b"e", None, 1))] == [b"c"]


def test_what_was_used_long_ago_ages() -> None:
    """A thousand uses of yesterday do not keep something for ever."""
    policy = Lfu(2)
    policy.put(Item(b"old", None, 1))
    for _ in range(1_000):
        policy.get(b"old")
    policy.put(Item(b"new", None, 1))
    for _ in range(300):
        policy.get(b"new")
    assert [item.key for item in policy.put(Item(b"newer", None, 1))] == [b"old"]
