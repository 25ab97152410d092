"""Chance that can be repeated."""

from __future__ import annotations

from narthex.testing.chance import random_for


def test_chance_is_the_same_everywhere() -> None:
    """The same facts give the same chance in every process and release."""
    assert random_for(7, "abc", 0).getrandbits(64) == 0x7014B7687A9C565F
    assert random_for(7, "abc", 1).getrandbits(64) != random_for(7, "abc", 0).getrandbits(64)
