"""Workloads."""

from __future__ import annotations

from collections import Counter

import pytest

from narthex.cache.workloads import ceiling, with_scan, zipf


def test_few_keys_are_asked_for_often() -> None:
    """The first of all about twice as often as the second, with an alpha of one."""
    counts = Counter(zipf(1.0, keys=1_000, requests=100_000))
    assert counts[b"0"] / counts[b"1"] == pytest.approx(2, rel=0.05)
    assert counts[b"0"] / counts[b"9"] == pytest.approx(10, rel=0.1)


def test_a_trace_is_made_again() -> None:
    """By the same seed, and no other."""
    assert zipf(0.9, keys=100, requests=100, seed=3) == zipf(0.9, keys=100, requests=100, seed=3)
    assert zipf(0.9, keys=100, requests=100, seed=3) != zipf(0.9, keys=100, requests=100, seed=4)


def test_a_scan_never_comes_back() -> None:
    """So many of all requests are for keys of their own; the others stay in order."""
    trace = zipf(0.9, keys=100, requests=10_000)
    mixed = with_scan(trace, 0.3)
    once = [key for key in mixed if key.startswith(b"once")]
    assert len(set(once)) == len(once)
    assert len(once) / len(mixed) == pytest.approx(0.3, abs=0.02)
    assert [key for key in mixed if not key.startswith(b"once")] == trace


def test_the_ceiling_is_what_has_been_asked_for_before() -> None:
    """Nothing answers what is asked for the first time."""
    assert ceiling([b"a", b"b", b"a", b"a"]) == 0.5
    assert ceiling([]) == 0.0
