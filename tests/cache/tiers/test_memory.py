"""The tier in memory: bounded in bytes, by whatever policy."""

from __future__ import annotations

import pytest

from narthex.cache.eviction import POLICIES
from narthex.cache.tiers.memory import MemoryTier
from tests.cache.kept import ENTRY, entry


def numbered(number: int) -> bytes:
    """Return a key."""
    return number.to_bytes(32, "big")


@pytest.mark.parametrize("policy", POLICIES)
def test_it_is_bounded_in_bytes(policy: str) -> None:
    """Whoever goes first, memory holds no more than it may, and what goes is counted."""
    tier = MemoryTier(policy=policy, max_bytes=20_000)
    for number in range(100):
        tier.put(entry(key=numbered(number), data=b"x" * 400))
    assert tier.bytes_used <= 20_000
    assert 0 < len(tier) < 100
    assert tier.evicted == 100 - len(tier)
    assert len(list(tier)) == len(tier)


def test_one_key_has_one_entry() -> None:
    """A later entry takes the place of the one before, whose uses it goes on counting; that is no eviction."""
    tier = MemoryTier(policy="s3-fifo", max_bytes=20_000)
    tier.put(ENTRY).uses = 4
    held = tier.put(entry(data=b"new"))
    assert tier.get(ENTRY.key) is held is tier.peek(ENTRY.key)
    assert (held.uses, held.entry.data, len(tier), tier.evicted) == (4, b"new", 1, 0)


def test_what_is_removed_is_gone() -> None:
    """Removing tells whether there was something; clearing leaves nothing."""
    tier = MemoryTier(policy="lru", max_bytes=20_000)
    tier.put(ENTRY)
    assert (tier.remove(ENTRY.key), tier.remove(ENTRY.key), tier.dropped) == (True, False, 1)
    tier.put(ENTRY)
    assert (tier.clear(), len(tier), tier.bytes_used) == (1, 0, 0)


def test_another_policy_keeps_what_there_is() -> None:
    """A reload changes who goes first and how much is held; what there is room for stays."""
    tier = MemoryTier(policy="s3-fifo", max_bytes=100_000)
    for number in range(50):
        tier.put(entry(key=numbered(number)))
    tier.adopt(policy="lru", max_bytes=100_000)
    assert (len(tier), tier.policy_name) == (50, "lru")
    tier.adopt(policy="lru", max_bytes=10_000)
    assert 0 < len(tier) < 20
    assert tier.bytes_used <= 10_000
