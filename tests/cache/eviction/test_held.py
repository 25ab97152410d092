"""What all policies have in common."""

from __future__ import annotations

import pytest

from narthex.cache.eviction import POLICIES, Item


@pytest.mark.parametrize("name", POLICIES)
def test_what_is_larger_than_the_room_is_not_held(name: str) -> None:
    """Nor is what lay under its key, which is out of date; nothing else has to go for it."""
    policy = POLICIES[name](10)
    before, other, large = Item(b"key", 1, 1), Item(b"other", 2, 1), Item(b"key", 3, 11)
    policy.put(before)
    policy.put(other)
    assert list(policy.put(large)) == [before, large]
    assert [item.key for item in policy] == [b"other"]


@pytest.mark.parametrize("name", POLICIES)
def test_room_is_counted_in_bytes(name: str) -> None:
    """One large item has several small ones go."""
    policy = POLICIES[name](100)
    for number in range(10):
        policy.put(Item(b"%d" % number, None, 10))
    gone = policy.put(Item(b"large", None, 45))
    assert sum(item.size for item in gone) >= 45
    assert policy.bytes_used <= 100
