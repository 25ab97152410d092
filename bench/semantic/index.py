"""How long a look in an index takes, and how often it finds the very nearest: on vectors in clusters."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from narthex.cache.semantic.graphs import GraphIndex
from narthex.cache.semantic.vectors import EXACT_LIMIT, GrowingIndex

_DIMENSIONS = 384
_LOOKS = 1_000
_AT_ONCE = 20_000
_WITHIN_MS = {100_000: 5.0, 1_000_000: 15.0}


def clustered(count: int, seed: int, *, of: int) -> NDArray[np.float32]:
    """Return vectors of length one, about twenty to a cluster; evenly spread ones would be no test of a graph."""
    middles = np.random.default_rng(1).normal(size=(max(10, of // 20), _DIMENSIONS)).astype(np.float32)
    chance = np.random.default_rng(seed)
    chosen = middles[chance.integers(0, len(middles), count)]
    made = chosen + 0.6 * chance.normal(size=(count, _DIMENSIONS)).astype(np.float32)
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def report(count: int, scopes: int = 1) -> Iterator[str]:
    """Return lines: recall of the nearest against exact, and the time of a look, of vectors in one scope or in many."""
    each = count // scopes
    places = [GrowingIndex() for _ in range(scopes)]
    known = [clustered(each, 2 + 2 * number, of=each) for number in range(scopes)]
    began, cpu = time.perf_counter(), time.process_time()
    for place, vectors in zip(places, known, strict=True):
        _fill(place, vectors)
    built = f"built in {time.perf_counter() - began:.0f} s ({time.process_time() - cpu:.0f} s of CPU)"
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield f"  {count:,} vectors in {scopes:,} scopes, {built}; {memory_mb:,.0f} MB with the vectors themselves"
    walls, cpus, spun = list[float](), list[float](), list[float]()
    right = 0
    for number, row in enumerate(clustered(_LOOKS, 3, of=each)):
        chosen = number % scopes
        nearest = int((known[chosen] @ row).argmax())
        wall, cpu = time.perf_counter(), time.thread_time()
        found = places[chosen].nearest(row.tobytes(), 8)
        cpus.append((time.thread_time() - cpu) * 1000)
        walls.append((time.perf_counter() - wall) * 1000)
        right += found[0][0] == nearest
        spun.append(_spun_ms(cpus[-1]))
    yield f"  recall@1 {right / _LOOKS:.3f} ({'met' if right >= 0.99 * _LOOKS else 'MISSED'}: 0.99)"
    yield from _times("wall", walls, count)
    yield from _times("CPU", cpus, count)
    # What the machine makes of so much work while others are at it.
    yield from _times("as much CPU spent on nothing, in turns, wall", spun, 0)


def _spun_ms(cpu_ms: float) -> float:
    """Return how long it took to spend so much CPU."""
    began, until = time.perf_counter(), time.thread_time() + cpu_ms / 1000
    while time.thread_time() < until:
        pass
    return (time.perf_counter() - began) * 1000


def _times(name: str, times: list[float], count: int) -> Iterator[str]:
    middle, worst = np.percentile(times, [50, 99])
    limit = _WITHIN_MS.get(count)
    verdict = "" if limit is None else f" ({'met' if worst <= limit else 'MISSED'}: {limit:g} ms)"
    yield f"  a look, {name}: {middle:.2f} ms, p99 {worst:.2f} ms{verdict}"


def _fill(place: GrowingIndex, vectors: NDArray[np.float32]) -> None:
    """Add vectors as a server does, but those of a large scope on all cores."""
    if len(vectors) <= EXACT_LIMIT:
        for label, row in enumerate(vectors):
            place.add(label, row.tobytes())
        return
    graph = GraphIndex(_DIMENSIONS)
    for start in range(0, len(vectors), _AT_ONCE):
        part = vectors[start : start + _AT_ONCE]
        graph.fill(range(start, start + len(part)), part)
    place._graph = graph  # noqa: SLF001 - a server adds them one by one, which takes longer and finds the same
