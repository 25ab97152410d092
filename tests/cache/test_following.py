"""Waiting for another process's answer: no longer than is said, and for nothing that is of no use."""

from __future__ import annotations

import pytest

from narthex.cache.coherence import Coherence
from narthex.cache.following import follow, is_void_for_others
from narthex.cache.invalidation import Invalidation
from narthex.cache.leases import Outcome, Turn
from narthex.cache.store import Cache, number_for_others
from tests.cache.kept import ENTRY
from tests.pipeline.leased import Leases


def cache(tier: Leases | None) -> Cache:
    """Return one whose others are reached through a tier."""
    made = Cache(policy="lru", max_bytes=10_000, max_entry_bytes=1_000, leasing=tier)
    made.now_ms = lambda: ENTRY.made_ms
    return made


def elsewhere() -> Turn:
    """Return another process's turn."""
    turn = Turn()
    turn.elsewhere_s = 30.0
    return turn


class Told(Leases):
    """Says how a lease ended."""

    def __init__(self, outcome: Outcome | None) -> None:
        super().__init__()
        self.outcome: Outcome | None = outcome
        self.asked: list[float] = []

    async def told(self, key: bytes, within_s: float) -> Outcome | None:
        """See `LeasingTier`."""
        del key
        self.asked.append(within_s)
        return self.outcome


async def test_the_answer_is_taken_over_when_it_is_there() -> None:
    """And lies in memory then; one that is void is none."""
    tier = Told("kept")
    tier.held[ENTRY.key] = ENTRY
    made = cache(tier)
    found = await follow(made, ENTRY.key, elsewhere(), 60)
    assert found is not None
    assert made.memory.peek(ENTRY.key) is not None
    made.declare_void(tags=[ENTRY.tags[0]])
    assert await follow(made, ENTRY.key, elsewhere(), 60) is None


@pytest.mark.parametrize(("outcome", "leads"), [("left", True), ("alone", False)])
async def test_without_one_it_is_somebodys_turn(outcome: Outcome, leads: bool) -> None:
    """That of whoever looks first, where the other has left; everybody's where there is no answer for others."""
    turn = elsewhere()
    assert await follow(cache(Told(outcome)), ENTRY.key, turn, 60) is None
    assert (turn.lease is not None) is leads


async def test_nobody_waits_longer_than_is_said() -> None:
    """Nor at all where there is nobody to wait for."""
    tier = Told(None)
    tier.elsewhere_s = 30.0
    assert await follow(cache(tier), ENTRY.key, elsewhere(), 0.001) is None
    assert all(within_s <= 0.001 for within_s in tier.asked)
    assert await follow(cache(tier), ENTRY.key, Turn(), 60) is None
    assert await follow(cache(None), ENTRY.key, elsewhere(), 60) is None


def test_what_is_void_here_is_so_in_numbers_that_others_know() -> None:
    """Without others the own ones count."""
    made = cache(None)
    number = made.invalidation.number
    assert number_for_others(made, number) == number
    assert not is_void_for_others(made, ENTRY.key, ENTRY.tags, number)
    made.declare_void(tags=[ENTRY.tags[0]])
    assert is_void_for_others(made, ENTRY.key, ENTRY.tags, number)
    made.coherence = Coherence(Invalidation())
    assert number_for_others(made, number) is None
    # Nothing is known yet of what others have declared.
    assert is_void_for_others(made, ENTRY.key, (), number)
