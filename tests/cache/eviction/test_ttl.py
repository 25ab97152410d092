"""TTL."""

from __future__ import annotations

from hypothesis import settings

from narthex.cache.eviction import Item
from narthex.cache.eviction.ttl import Ttl
from tests.cache.eviction.policies import promises_of

TestPromises = promises_of(Ttl).TestCase
TestPromises.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)


def test_what_would_expire_first_goes_first() -> None:
    """However much it is used."""
    policy = Ttl(2)
    policy.put(Item(b"late", None, 1, expires=20.0))
    policy.put(Item(b"soon", None, 1, expires=10.0))
    policy.get(b"soon")
    assert [item.key for item in policy.put(Item(b"later", None, 1, expires=30.0))] == [b"soon"]


def test_what_was_removed_takes_no_room() -> None:
    """However often something comes and is removed."""
    policy = Ttl(100)
    for number in range(1_000):
        policy.put(Item(b"key", None, 1, expires=float(number)))
        policy.remove(b"key")
    assert len(policy._heap) < 100
