"""What is dear."""

from __future__ import annotations

from narthex.cache.eviction import Item
from narthex.cache.eviction.worth import MOST, Worth


def test_only_what_is_dearer_than_usual_is_spared() -> None:
    """Once for each order of magnitude, and no more than so often; what costs nothing never."""
    worth = Worth()
    for _ in range(10):
        assert worth.spare(Item(b"", None, 100, worth=10**6)) == 0
    assert worth.spare(Item(b"", None, 100, worth=10**4)) == 0
    assert worth.spare(Item(b"", None, 100, worth=10**8)) == 2
    assert worth.spare(Item(b"", None, 100, worth=10**12)) == MOST
    assert worth.spare(Item(b"", None, 100)) == 0


def test_it_is_measured_by_the_byte() -> None:
    """A large answer must be as much dearer."""
    worth = Worth()
    worth.spare(Item(b"", None, 1, worth=10**6))
    assert worth.spare(Item(b"", None, 1_000, worth=10**9)) == 0
