"""S3-FIFO."""

from __future__ import annotations

import pytest
from hypothesis import settings

from narthex.cache.eviction import Item
from narthex.cache.eviction.lru import Lru
from narthex.cache.eviction.s3_fifo import S3Fifo
from narthex.cache.trials import hit_rate
from narthex.cache.workloads import with_scan, zipf
from tests.cache.eviction.policies import promises_of

TestPromises = promises_of(S3Fifo).TestCase
TestPromises.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("alpha", [0.7, 1.0])
@pytest.mark.parametrize("room", [20, 200])
def test_it_hits_more_often_than_lru(alpha: float, room: int) -> None:
    """By three points and more, where some things are asked for much more often than others."""
    trace = zipf(alpha, keys=2_000, requests=30_000)
    assert hit_rate(S3Fifo, trace, room) >= hit_rate(Lru, trace, room) + 0.03


def test_a_scan_takes_little_away() -> None:
    """What is asked for once leaves by the small queue."""
    trace = zipf(1.0, keys=2_000, requests=30_000)
    alone = hit_rate(S3Fifo, trace, 200)
    scanned = hit_rate(S3Fifo, with_scan(trace, 0.3), 200)
    # Of what comes back at all.
    assert scanned / 0.7 >= alone - 0.02


def test_what_was_used_again_outlives_what_was_not() -> None:
    """Twice is enough."""
    policy = S3Fifo(100)
    policy.put(Item(b"used", None, 1))
    for _ in range(2):
        policy.get(b"used")
    for number in range(1_000):
        policy.put(Item(b"%d" % number, None, 1))
    assert policy.peek(b"used") is not None


def test_what_comes_back_is_known() -> None:
    """Who left by the small queue and is asked for again goes to the main one."""
    policy = S3Fifo(20)
    policy.put(Item(b"back", None, 1))
    for number in range(25):
        policy.put(Item(b"%d" % number, None, 1))
    assert policy.peek(b"back") is None
    policy.put(Item(b"back", None, 1))
    for number in range(100, 160):
        policy.put(Item(b"%d" % number, None, 1))
    assert policy.peek(b"back") is not None


def test_the_dear_outlives_the_cheap() -> None:
    """Of what is used as often, an answer of thirty cents does not go for one of a hundredth of one."""
    policy = S3Fifo(100)
    for number in range(50):
        policy.put(Item(b"cheap %d" % number, None, 1, worth=10**8))
    policy.put(Item(b"dear", None, 1, worth=3 * 10**11))
    for number in range(250):
        policy.put(Item(b"more %d" % number, None, 1, worth=10**8))
    assert policy.peek(b"dear") is not None
    assert policy.peek(b"cheap 49") is None


def test_what_was_removed_takes_no_room() -> None:
    """However often something comes and is removed, its places in the queues go too."""
    policy = S3Fifo(100)
    for _ in range(1_000):
        policy.put(Item(b"key", None, 1))
        policy.remove(b"key")
    assert len(policy._small) < 50
