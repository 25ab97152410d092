"""Pauses grow, are spread, honour what was asked for, and end before the deadline."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.resilience.backoff import Backoff


class Chance(random.Random):
    """Chance that always draws the same."""

    def __init__(self, drawn: float) -> None:
        super().__init__()
        self._drawn = drawn

    def random(self) -> float:
        """Return what was told."""
        return self._drawn


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    """Each retry may wait twice as long as the one before, and never longer than the cap."""
    backoff = Backoff(base_s=1.0, cap_s=10.0)
    assert [backoff.pause_s(retry, chance=Chance(1.0)) for retry in (0, 1, 2, 3, 4, 5000)] == [1, 2, 4, 8, 10, 10]


def test_the_jitter_is_full() -> None:
    """A pause is drawn from the whole interval below its ceiling, evenly."""
    chance = random.Random(7)
    drawn = [Backoff(base_s=1.0).pause_s(0, chance=chance) or 0.0 for _ in range(4000)]
    quarters = [sum(low <= pause < low + 0.25 for pause in drawn) for low in (0.0, 0.25, 0.5, 0.75)]
    assert sum(quarters) == 4000
    assert min(quarters) > 900


@given(asked_s=st.floats(0, 1e6), drawn=st.floats(0, 1, exclude_max=True), remaining_s=st.floats(0, 1e6))
def test_what_was_asked_for_is_the_least(asked_s: float, drawn: float, remaining_s: float) -> None:
    """A target that names its pause gets that pause, hardly more, and no try at all where the deadline comes first."""
    backoff = Backoff(jitter_s=0.1)
    pause_s = backoff.pause_s(3, chance=Chance(drawn), retry_after_s=asked_s, remaining_s=remaining_s)
    if asked_s >= remaining_s:
        assert pause_s is None
    else:
        assert pause_s is not None
        assert asked_s <= pause_s <= min(asked_s + 0.1, remaining_s)


@given(retry=st.integers(0, 10_000), drawn=st.floats(0, 1, exclude_max=True), remaining_s=st.floats(-1, 100))
def test_no_pause_outlasts_the_deadline(retry: int, drawn: float, remaining_s: float) -> None:
    """A pause of our own choice ends within the time left; without time there is none."""
    pause_s = Backoff().pause_s(retry, chance=Chance(drawn), remaining_s=remaining_s)
    assert (pause_s is None) is (remaining_s <= 0)
    assert pause_s is None or 0 <= pause_s <= remaining_s


def test_a_pause_in_the_past_is_none_at_all() -> None:
    """A moment that is already over asks for no wait."""
    assert Backoff().pause_s(0, chance=Chance(0.0), retry_after_s=-3.0) == 0.0


@pytest.mark.parametrize(
    "wrong", [{"base_s": 0.0}, {"base_s": 9.0}, {"cap_s": float("inf")}, {"jitter_s": -1.0}, {"base_s": float("nan")}]
)
def test_nonsense_is_refused(wrong: dict[str, float]) -> None:
    """A pause must be positive and bounded."""
    with pytest.raises(ValueError, match="expected 0 < base_s <= cap_s"):
        Backoff(**wrong)
