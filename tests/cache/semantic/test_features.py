"""Features of a pair."""

from __future__ import annotations

from narthex.cache.semantic.aligning import align
from narthex.cache.semantic.features import FEATURES, features_of
from narthex.cache.semantic.marks import read


def features(one: str, other: str, cosine: float = 0.9) -> dict[str, float]:
    """Return them by name."""
    first, second = read(one), read(other)
    return dict(zip(FEATURES, features_of(first, second, cosine=cosine, alignment=align(first, second)), strict=True))


def test_the_same_text_has_nothing_left_over() -> None:
    """Typed in whatever way."""
    found = features("How do I pay?", "how do i pay", 1.0)
    assert found["same_text"] == found["nothing_left"] == found["overlap"] == 1
    assert found["left_most"] == found["swapped"] == 0


def test_a_swap_and_an_addition_are_told_apart() -> None:
    """One word for another on both sides, or one more on a side."""
    assert features("reset the router", "reset the phone")["swapped"] == 1
    added = features("reset the router", "reset the old router")
    assert (added["swapped"], added["one_added"]) == (0, 1)


def test_features_are_the_same_in_both_directions() -> None:
    """A pair has no first."""
    assert features("reset the old router", "how do I restart it") == features(
        "how do I restart it", "reset the old router"
    )
