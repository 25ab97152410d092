"""Many vectors in a graph of neighbours."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest

from narthex.cache.semantic.embedding import unit
from narthex.cache.semantic.graphs import GraphIndex
from narthex.cache.semantic.vectors import ExactIndex, GrowingIndex

LENGTH = 48


def clustered(count: int, *, clusters: int, seed: int) -> list[bytes]:
    """Return vectors in clusters, as those of questions are: evenly spread ones are no test of a graph."""
    chance = random.Random(seed)
    middles = [[chance.gauss(0, 1) for _ in range(LENGTH)] for _ in range(clusters)]
    made = (unit([value + chance.gauss(0, 0.5) for value in chance.choice(middles)]) for _ in range(count))
    return [vector for vector in made if vector is not None]


def test_it_finds_what_an_exact_index_finds() -> None:
    """The very nearest of clustered vectors, in at least 99 of 100 looks."""
    vectors = clustered(1_500, clusters=75, seed=1)
    graph, exact = GraphIndex(LENGTH), ExactIndex()
    for label, vector in enumerate(vectors):
        graph.add(label, vector)
        exact.add(label, vector)
    asked = clustered(200, clusters=75, seed=1)[:100] + clustered(100, clusters=75, seed=2)
    same = sum(graph.nearest(vector, 8)[0][0] == exact.nearest(vector, 8)[0][0] for vector in asked)
    assert same >= 0.99 * len(asked)
    assert len(graph) == 1_500


def test_cosines_are_as_good_as_exact_ones() -> None:
    """They are computed anew, and what is removed is gone."""
    vectors = clustered(200, clusters=10, seed=3)
    graph = GraphIndex(LENGTH)
    assert graph.nearest(vectors[0], 1) == []
    for label, vector in enumerate(vectors):
        graph.add(label, vector)
    label, cosine = graph.nearest(vectors[17], 1)[0]
    assert label == 17
    assert cosine == pytest.approx(1.0, abs=2e-3)
    graph.remove(17)
    graph.remove(17)
    assert graph.nearest(vectors[17], 1)[0][0] != 17
    assert graph.nearest(b"1234", 1) == []


def test_many_are_added_at_once() -> None:
    """And found as if they had been added one by one."""
    vectors = clustered(100, clusters=5, seed=6)
    graph = GraphIndex(LENGTH)
    graph.fill(range(100), np.frombuffer(b"".join(vectors), dtype=np.float32).reshape(100, LENGTH))
    assert all(graph.nearest(vector, 1)[0][0] == label for label, vector in enumerate(vectors))


def test_without_usearch_every_vector_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slower, and as right."""
    monkeypatch.setattr("narthex.cache.semantic.graphs.GraphIndex.is_there", lambda: False)
    assert "usearch" in sys.modules
    index = GrowingIndex(limit=10)
    vectors = clustered(30, clusters=3, seed=4)
    for label, vector in enumerate(vectors):
        index.add(label, vector)
    assert all(index.nearest(vector, 1)[0][0] == label for label, vector in enumerate(vectors))
