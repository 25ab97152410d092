"""Vectors held against each other one by one."""

from __future__ import annotations

import random
import sys

import pytest

from narthex.cache.semantic.embedding import unit
from narthex.cache.semantic.vectors import ExactIndex, GrowingIndex
from narthex.errors import ConfigError


def some(seed: int, length: int = 24) -> bytes:
    """Return a vector."""
    chance = random.Random(seed)
    made = unit([chance.gauss(0, 1) for _ in range(length)])
    assert made is not None
    return made


def test_the_nearest_come_first() -> None:
    """With their cosines; of none there is none."""
    index = ExactIndex()
    assert index.nearest(some(1), 3) == []
    for label in range(100):
        index.add(label, some(label))
    found = index.nearest(some(42), 5)
    assert found[0][0] == 42
    assert found[0][1] == pytest.approx(1.0, abs=1e-5)
    assert [cosine for _, cosine in found] == sorted((cosine for _, cosine in found), reverse=True)
    assert len(found) == 5


def test_what_is_removed_is_not_found() -> None:
    """Whatever the order; a label that is not there is none."""
    index, chance = ExactIndex(), random.Random(3)
    labels = list(range(50))
    for label in labels:
        index.add(label, some(label))
    chance.shuffle(labels)
    for gone in labels[:49]:
        index.remove(gone)
        assert all(label != gone for label, _ in index.nearest(some(gone), 50))
    index.remove(999)
    assert [label for label, _ in index.nearest(some(1), 5)] == labels[49:]


def test_a_vector_of_another_length_finds_nothing() -> None:
    """It is of another model."""
    index = ExactIndex()
    index.add(1, some(1))
    assert index.nearest(some(1, length=25), 1) == []


def test_a_graph_takes_over_and_loses_nothing() -> None:
    """Beyond the limit, a few at a time; each vector stays its own nearest throughout."""
    index = GrowingIndex(limit=40)
    for label in range(120):
        index.add(label, some(label))
        if label % 15 == 0:
            assert all(index.nearest(some(known), 1)[0][0] == known for known in range(0, label, 7))
    assert len(index) == 120
    for label in range(0, 120, 2):
        index.remove(label)
    assert len(index) == 60
    assert index.nearest(some(2), 1)[0][0] != 2
    assert index.nearest(some(3), 1)[0][0] == 3


def test_without_numpy_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(ConfigError, match=r"narthex\[semantic\]"):
        ExactIndex()
