"""How long a look in an index takes, and how often it finds the very nearest: on vectors in clusters."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from narthex.cache.semantic.graphs import GraphIndex

_DIMENSIONS = 384
_LOOKS = 1_000
_WITHIN_MS = {100_000: 5.0, 1_000_000: 15.0}


def clustered(count: int, seed: int, *, of: int) -> NDArray[np.float32]:
    """Return vectors of length one, about twenty to a cluster; evenly spread ones would be no test of a graph."""
    middles = np.random.default_rng(1).normal(size=(max(10, of // 20), _DIMENSIONS)).astype(np.float32)
    chance = np.random.default_rng(seed)
    chosen = middles[chance.integers(0, len(middles), count)]
    made = chosen + 0.6 * chance.normal(size=(count, _DIMENSIONS)).astype(np.float32)
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def report(count: int) -> Iterator[str]:
    """Return lines: recall of the nearest against exact, and the time of a look."""
    known, asked = clustered(count, 2, of=count), clustered(_LOOKS, 3, of=count)
    index = GraphIndex(_DIMENSIONS)
    began = time.perf_counter()
    index.fill(range(count), known)
    built_s = time.perf_counter() - began
    exact = np.concatenate([(known @ part.T).argmax(axis=0) for part in np.array_split(asked, max(1, count // 20_000))])
    times: list[float] = []
    right = 0
    for row, nearest in zip(asked, exact, strict=True):
        began = time.perf_counter()
        found = index.nearest(row.tobytes(), 8)
        times.append((time.perf_counter() - began) * 1000)
        right += found[0][0] == int(nearest)
    middle, worst = np.percentile(times, [50, 99])
    limit = _WITHIN_MS.get(count)
    verdict = "" if limit is None else " (met)" if worst <= limit else f" (MISSED: {limit} ms)"
    recall = right / _LOOKS
    found_it = "met" if recall >= 0.99 else "MISSED"
    yield f"  {count:,} vectors, built in {built_s:.0f} s: recall@1 {recall:.3f} ({found_it})"
    yield f"  a look: {middle:.2f} ms, p99 {worst:.2f} ms{verdict}"
