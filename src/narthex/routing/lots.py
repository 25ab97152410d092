"""Rendezvous hashing: the same key draws the same order, and one that leaves or comes moves only its own share.

And how far a preference for one of several may go: shares and loads stay what they would be, within these bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from math import ceil, inf, log
from typing import Final, TypeVar

T = TypeVar("T")

MOST_AHEAD: Final = 16
"""So many calls more than its share one of several may have had, for the sake of what it has read before."""
MOST_LOAD: Final = 1.25
"""So much of its share of all calls that are under way one of several may have, for the same."""


def lot(unit: float, weight: float) -> float:
    """Return a lot of which the lowest wins, in proportion to weight; `unit` is drawn evenly from above 0 to 1."""
    return -log(unit) / weight if weight else inf


def by_lots(key: bytes, given: Iterable[T], *, name: Callable[[T], str], weight: Callable[[T], float]) -> list[T]:
    """Return them in the order that the key draws, by weight; those without weight come last.

    Args:
        key: What it is for.
        given: Those who draw.
        name: Tells by what each is known; it holds no zero byte, so that no two pairs of key and name hash alike.
        weight: Tells the weight of each.
    """
    start = blake2b(key, digest_size=8)
    drawn: list[tuple[float, int, T]] = []
    for place, one in enumerate(given):
        hashed = start.copy()
        hashed.update(b"\0" + name(one).encode("utf-8", "surrogatepass"))
        unit = (int.from_bytes(hashed.digest(), "big") + 1) / 2**64
        drawn.append((lot(unit, weight(one)), place, one))
    drawn.sort(key=lambda each: each[:2])
    return [one for _, _, one in drawn]


def may_take(in_flight: int, all_in_flight: int, share: float) -> bool:
    """Tell whether one of several may take a call for the sake of what it has read before.

    Args:
        in_flight: Calls that it has under way.
        all_in_flight: Those that all have.
        share: Its part of all calls, from 0 to 1.

    Whoever has no more than its share of what is under way always may.
    """
    return in_flight + 1 <= ceil(MOST_LOAD * (all_in_flight + 1) * share)
