"""SIEVE."""

from __future__ import annotations

from hypothesis import settings

from narthex.cache.eviction import Item
from narthex.cache.eviction.lru import Lru
from narthex.cache.eviction.sieve import Sieve
from narthex.cache.trials import hit_rate
from narthex.cache.workloads import zipf
from tests.cache.eviction.policies import promises_of

TestPromises = promises_of(Sieve).TestCase
TestPromises.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)


def test_it_hits_more_often_than_lru() -> None:
    """By three points and more, where some things are asked for much more often than others."""
    trace = zipf(1.0, keys=2_000, requests=30_000)
    assert hit_rate(Sieve, trace, 20) >= hit_rate(Lru, trace, 20) + 0.03


def test_the_hand_passes_over_what_was_used() -> None:
    """Once; who is not used again until it comes back goes then."""
    policy = Sieve(3)
    for key in (b"a", b"b", b"c"):
        policy.put(Item(key, None, 1))
    policy.get(b"a")
    assert [item.key for item in policy.put(Item(b"d", None, 1))] == [b"b"]
    assert [item.key for item in policy.put(Item(b"e", None, 1))] == [b"c"]
    assert [item.key for item in policy.put(Item(b"f", None, 1))] == [b"d"]
    assert [item.key for item in policy.put(Item(b"g", None, 1))] == [b"e"]
    assert policy.peek(b"a") is not None


def test_the_dear_is_passed_over() -> None:
    """An answer of thirty cents does not go for one of a hundredth of one."""
    policy = Sieve(10)
    policy.put(Item(b"cheap", None, 1, worth=10**8))
    policy.put(Item(b"dear", None, 1, worth=3 * 10**11))
    for number in range(20):
        policy.put(Item(b"%d" % number, None, 1, worth=10**8))
    assert policy.peek(b"dear") is not None
    assert policy.peek(b"cheap") is None
