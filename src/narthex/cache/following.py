"""Waiting for an answer that another process makes: until it lies there, or can be heard while it is still made."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic
from typing import Final

from narthex.cache.leases import Turn
from narthex.cache.live import Hearing, Listening, Wish
from narthex.cache.store import Cache, Found

ASK_AGAIN_S: Final = 0.5
"""How often it is looked whether another process's answer is there, should nobody tell."""


async def follow(
    cache: Cache, key: bytes, turn: Turn, within_s: float, wish: Wish | None = None
) -> Found | Hearing | None:
    """Wait for the answer that another process is fetching, as long as that takes and no longer than so.

    Where there is none it is everybody's turn, or that of whoever has the lease: `turn` says it.

    Args:
        cache: Where it is to lie.
        key: Of the entry.
        turn: Whose turn it is.
        within_s: How long is waited at most.
        wish: How it is wanted while it is still being made; None if it is not.

    Returns:
        The answer, or what can be heard of it already, which its taker is to leave.
    """
    listening = Listening(None if cache.leasing is None else cache.leasing.live, key, wish)
    try:
        return await _follow(cache, key, turn, monotonic() + within_s, listening)
    finally:
        listening.end()


async def _follow(cache: Cache, key: bytes, turn: Turn, until_s: float, listening: Listening) -> Found | Hearing | None:
    leasing = cache.leasing
    while leasing is not None and turn.elsewhere_s is not None and (left_s := until_s - monotonic()) > 0:
        listening.to(turn.holder)
        outcome = await leasing.told(key, min(left_s, ASK_AGAIN_S, turn.elsewhere_s + 0.001))
        if outcome == "alone":
            return None
        if outcome is None and (hearing := listening.begun()) is not None:
            return hearing
        turn.elsewhere_s = None
        entry = await leasing.get_in_turn(key, turn)
        if entry is not None:
            return cache.taken_over(entry, leasing.name)
    return None


def is_void_for_others(cache: Cache, key: bytes, tags: Iterable[str], number: int) -> bool:
    """Tell whether an answer is void that was asked for elsewhere when this was the last number."""
    if cache.coherence is None:
        return cache.invalidation.is_void(tags, number)
    return cache.coherence.is_void(key, tags, number)
