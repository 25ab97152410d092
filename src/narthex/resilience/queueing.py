"""Who waits for a place: a bounded line, ordered by priority, in which nobody stands past their deadline.

Of every `PATIENT` places one goes to whoever has waited longest, however urgent the others are: who stands behind so
many that came before waits at most that many places for each of them, and for itself.
"""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_right, insort
from collections.abc import Iterator
from typing import Final

PATIENT: Final = 8
"""Of so many places one is given by patience alone."""


class Waiter:
    """One call in the line; its future tells whether it got a place."""

    __slots__ = ("deadline_s", "order", "place", "rank")

    def __init__(self, *, priority: int, order: int, deadline_s: float, place: asyncio.Future[bool]) -> None:
        self.rank: tuple[int, float] = (-priority, order)
        self.order = order
        self.deadline_s = deadline_s
        self.place = place

    @property
    def has_place(self) -> bool:
        """Whether it was given a place, seen by its task or not."""
        return self.place.done() and not self.place.cancelled() and self.place.result()


def _rank(waiter: Waiter) -> tuple[int, float]:
    return waiter.rank


def _order(waiter: Waiter) -> int:
    return waiter.order


class WaitingLine:
    """Calls that wait: higher priorities first, and within one the longest waiting first.

    Attributes:
        most: How many may wait. Lowering it turns away nobody who does already.
    """

    __slots__ = ("_order", "_served", "_waiters", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._order = 0
        self._served = 0
        self._waiters: list[Waiter] = []

    def __len__(self) -> int:
        return len(self._waiters)

    def __iter__(self) -> Iterator[Waiter]:
        return iter(self._waiters)

    @property
    def full(self) -> bool:
        """Whether the next one to join needs another to leave."""
        return len(self._waiters) >= self.most

    def ahead_of(self, priority: int) -> int:
        """Return how many stand before a newcomer of this priority."""
        return bisect_right(self._waiters, (-priority, math.inf), key=_rank)

    def join(self, *, priority: int, deadline_s: float) -> Waiter | None:
        """Stand in line; None where it is full of calls that are no less urgent.

        In a full line the last of the least urgent calls makes room for a more urgent one.
        """
        if self.full and not self._make_room(priority):
            return None
        self._order += 1
        place = asyncio.get_running_loop().create_future()
        waiter = Waiter(priority=priority, order=self._order, deadline_s=deadline_s, place=place)
        insort(self._waiters, waiter, key=_rank)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Stand in line no longer; harmless for one who does not."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)

    def turn_away(self, waiter: Waiter) -> None:
        """Tell a waiter that there is no place for it."""
        self.leave(waiter)
        if not waiter.place.done():
            waiter.place.set_result(False)

    def serve(self, now_s: float) -> bool:
        """Give a place to the next in line whose deadline has not passed; False where nobody takes it."""
        while self._waiters:
            waiter = self._waiters.pop(self._next())
            if waiter.place.done():
                continue
            in_time = now_s < waiter.deadline_s
            waiter.place.set_result(in_time)
            if in_time:
                self._served += 1
                return True
        return False

    def _next(self) -> int:
        """Return the index of who is next: the first, and now and then who has waited longest."""
        if self._served % PATIENT != PATIENT - 1:
            return 0
        return self._waiters.index(min(self._waiters, key=_order))

    def _make_room(self, priority: int) -> bool:
        if not self._waiters or self._waiters[-1].rank[0] <= -priority:
            return False
        self.turn_away(self._waiters[-1])
        return True
