"""Traces of requests by which caches are compared, named by what makes them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from random import Random

Trace = Sequence[bytes]
"""The keys that are asked for, in order."""


def zipf(alpha: float, *, keys: int, requests: int, seed: int = 1) -> Trace:
    """Return requests of which the n-th of all keys has a share of n to the power of minus `alpha`.

    What people ask of a service is spread so, with an `alpha` of 0.7 to 1.1: Breslau et al., "Web caching and
    Zipf-like distributions", INFOCOM 1999.
    """
    weights = list(itertools.accumulate(1 / number**alpha for number in range(1, keys + 1)))
    names = [b"%d" % number for number in range(keys)]
    return Random(seed).choices(names, cum_weights=weights, k=requests)  # noqa: S311 - repeatable on purpose


def with_scan(trace: Trace, share: float, *, seed: int = 1) -> Trace:
    """Return a trace with keys in it that nobody asks for again, so many of all its requests."""
    chance, once = Random(seed), itertools.count()  # noqa: S311 - repeatable on purpose
    mixed: list[bytes] = []
    for key in trace:
        while chance.random() < share:
            mixed.append(b"once %d" % next(once))
        mixed.append(key)
    return mixed


def ceiling(trace: Trace) -> float:
    """Return the share of requests that a cache without end would answer: all but the first of each key."""
    return 1 - len(set(trace)) / len(trace) if trace else 0.0
