"""Vectors for texts: the same for the same text, close for texts that share words, of length one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from hashlib import blake2b
from math import sqrt

_WORD = re.compile(r"\w+")
_PLACES_EACH = 4
"""How many places of the vector one feature moves."""
_LOOP_CHARACTERS = 16_384
"""Longer inputs are worked on in a thread: about a millisecond of work."""

Vector = tuple[float, ...]


async def embed(inputs: tuple[str | tuple[int, ...], ...], *, dimensions: int, seed: int) -> tuple[Vector, ...]:
    """Return one unit vector of `dimensions` for each input, in their order."""
    if sum(len(item) for item in inputs) <= _LOOP_CHARACTERS:
        return _embed(inputs, dimensions, seed)
    return await asyncio.to_thread(_embed, inputs, dimensions, seed)


def _embed(inputs: tuple[str | tuple[int, ...], ...], dimensions: int, seed: int) -> tuple[Vector, ...]:
    return tuple(vector(item, dimensions=dimensions, seed=seed) for item in inputs)


def vector(item: str | tuple[int, ...], *, dimensions: int, seed: int) -> Vector:
    """Return the unit vector of one text, or of one list of token IDs."""
    places = [0.0] * dimensions
    for feature, weight in _features(item):
        digest = blake2b(f"{seed}\x1f{feature}".encode("utf-8", "surrogatepass"), digest_size=_PLACES_EACH * 4).digest()
        for start in range(0, len(digest), 4):
            number = int.from_bytes(digest[start : start + 4], "big")
            places[(number >> 1) % dimensions] += weight if number & 1 else -weight
    return _unit(places)


def _features(item: str | tuple[int, ...]) -> Iterator[tuple[str, float]]:
    # The whole input moves every vector a little: no two texts are the same, and none is without features.
    yield f"={item}", 0.25
    words = _WORD.findall(item.lower()) if isinstance(item, str) else map(str, item)
    for word in words:
        yield word, 1.0


def _unit(places: list[float]) -> Vector:
    length = sqrt(sum(place * place for place in places))
    if length == 0.0:
        return (1.0, *places[1:])
    return tuple(place / length for place in places)
