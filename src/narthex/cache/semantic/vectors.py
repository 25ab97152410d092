"""Vectors held against each other one by one: exact, and quick for some thousands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from narthex.cache.semantic.contract import Index
from narthex.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ROOM = 8
EXACT_LIMIT = 20_000
"""Vectors up to which each is looked at: some milliseconds on a slow core."""
_MOVED = 2
"""Vectors that move into the graph with each that is added, so that no addition takes long."""


class ExactIndex:
    """Every vector is looked at: nothing nearer is ever missed.

    The matrix grows by doubling; a vector that goes leaves its place to the last.
    """

    def __init__(self) -> None:
        """Load numpy.

        Raises:
            ConfigError: It is not installed.
        """
        try:
            import numpy  # noqa: PLC0415, ICN001 - an extra, and slow to load
        except ImportError as error:
            problem = "cache.semantic.enabled: the semantic cache needs numpy: install it with "
            remedy = "`pip install 'narthex[semantic]'`, or set it to false"
            raise ConfigError((problem + remedy,)) from error
        self._numpy = numpy
        self._matrix: NDArray[np.float32] | None = None
        self._labels: list[int] = []
        self._places: dict[int, int] = {}

    def __len__(self) -> int:
        """Return how many vectors there are."""
        return len(self._labels)

    def add(self, label: int, vector: bytes) -> None:
        """Add a vector under a new label."""
        row = self._numpy.frombuffer(vector, dtype=self._numpy.float32)
        matrix = self._matrix
        if matrix is None:
            matrix = self._numpy.empty((_ROOM, len(row)), dtype=self._numpy.float32)
        elif len(self._labels) == len(matrix):
            matrix = self._numpy.concatenate([matrix, self._numpy.empty_like(matrix)])
        self._matrix = matrix
        self._places[label] = len(self._labels)
        matrix[len(self._labels)] = row
        self._labels.append(label)

    def remove(self, label: int) -> None:
        """Take a vector out."""
        place = self._places.pop(label, None)
        if place is None or self._matrix is None:
            return
        last = self._labels.pop()
        if last != label:
            self._matrix[place] = self._matrix[len(self._labels)]
            self._labels[place] = last
            self._places[last] = place

    def nearest(self, vector: bytes, count: int) -> list[tuple[int, float]]:
        """Return labels and cosines of the nearest, best first."""
        if self._matrix is None or not self._labels or len(vector) != self._matrix.shape[1] * 4:
            return []
        row = self._numpy.frombuffer(vector, dtype=self._numpy.float32)
        cosines = self._matrix[: len(self._labels)] @ row
        if len(cosines) > count:
            best = self._numpy.argpartition(cosines, len(cosines) - count)[-count:]
        else:
            best = self._numpy.arange(len(cosines))
        found = [(self._labels[int(place)], float(cosines[place])) for place in best]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))

    def oldest(self, count: int) -> list[tuple[int, bytes]]:
        """Return some vectors with their labels, to be moved elsewhere."""
        if self._matrix is None:
            return []
        return [(label, self._matrix[place].tobytes()) for place, label in enumerate(self._labels[:count])]


class GrowingIndex:
    """Exact while it is small; a graph takes over what is beyond, a few vectors at a time."""

    def __init__(self, *, limit: int = EXACT_LIMIT) -> None:
        self._exact = ExactIndex()
        self._graph: Index | None = None
        self._limit = limit

    def __len__(self) -> int:
        """Return how many vectors there are."""
        return len(self._exact) + (len(self._graph) if self._graph is not None else 0)

    def add(self, label: int, vector: bytes) -> None:
        """Add a vector under a new label."""
        if self._graph is None and len(self._exact) >= self._limit:
            self._graph = self._opened(len(vector) // 4)
        if self._graph is None:
            self._exact.add(label, vector)
            return
        self._graph.add(label, vector)
        for moved, known in self._exact.oldest(_MOVED):
            self._graph.add(moved, known)
            self._exact.remove(moved)

    def remove(self, label: int) -> None:
        """Take a vector out."""
        self._exact.remove(label)
        if self._graph is not None:
            self._graph.remove(label)

    def nearest(self, vector: bytes, count: int) -> list[tuple[int, float]]:
        """Return labels and cosines of the nearest, best first."""
        found = self._exact.nearest(vector, count)
        if self._graph is not None:
            found = sorted([*found, *self._graph.nearest(vector, count)], key=lambda pair: (-pair[1], pair[0]))
        return found[:count]

    @staticmethod
    def _opened(dimensions: int) -> Index | None:
        from narthex.cache.semantic.graphs import GraphIndex  # noqa: PLC0415 - an extra, and slow to load

        return GraphIndex(dimensions) if GraphIndex.is_there() else None


_conforms: tuple[type[Index], ...] = (ExactIndex, GrowingIndex)
