"""Vectors."""

from __future__ import annotations

from math import isclose, sqrt

from hypothesis import given
from hypothesis import strategies as st

from narthex.providers.scripted.vectors import Vector, embed, vector


def _likeness(left: Vector, right: Vector) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


@given(st.text(), st.integers(min_value=1, max_value=64))
def test_vectors_have_the_length_one(text: str, dimensions: int) -> None:
    """Any text, the empty one too, has a unit vector of the dimensions asked."""
    found = vector(text, dimensions=dimensions, seed=0)
    assert len(found) == dimensions
    assert isclose(sqrt(sum(place * place for place in found)), 1.0, rel_tol=1e-9)


async def test_vectors_are_repeatable_and_in_order() -> None:
    """The same text has the same vector, wherever it stands and whoever works it out."""
    one, two = await embed(("one", "two"), dimensions=16, seed=3)
    long = "many words " * 4_000
    again = await embed(("two", long, "one"), dimensions=16, seed=3)
    assert (again[0], again[2]) == (two, one)
    assert again[1] == vector(long, dimensions=16, seed=3)
    assert (await embed(("one",), dimensions=16, seed=4))[0] != one


async def test_texts_that_share_words_are_close() -> None:
    """A search over scripted vectors finds what has words in common."""
    cat, feline, ship = await embed(
        ("the cat sat on the mat", "a cat on a mat", "ships sail oceans"), dimensions=256, seed=0
    )
    assert _likeness(cat, feline) > _likeness(cat, ship) + 0.2


async def test_token_lists_have_vectors_too() -> None:
    """Lists of token IDs are inputs like texts."""
    first, second = await embed(((1, 2, 3), (4, 5)), dimensions=8, seed=0)
    assert first != second
