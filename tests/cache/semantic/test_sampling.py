"""Which hits are also generated."""

from __future__ import annotations

import pytest

from narthex.cache.semantic.sampling import Sampling


def test_the_share_is_met_and_repeated() -> None:
    """The same seed chooses the same hits, another one others."""
    chosen = [number for number in range(20_000) if Sampling(0.02, seed=b"a").is_chosen(number)]
    assert 320 <= len(chosen) <= 480
    again, other = Sampling(0.02, seed=b"a"), Sampling(0.02, seed=b"b")
    assert [number for number in range(20_000) if again.is_chosen(number)] == chosen
    assert [number for number in range(20_000) if other.is_chosen(number)] != chosen


def test_none_and_all() -> None:
    """A share outside of 0 to 1 is refused."""
    assert not any(Sampling(0, seed=b"").is_chosen(number) for number in range(100))
    assert all(Sampling(1, seed=b"").is_chosen(number) for number in range(100))
    with pytest.raises(ValueError, match="between 0 and 1"):
        Sampling(2, seed=b"")
