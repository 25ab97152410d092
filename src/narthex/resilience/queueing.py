"""Who waits for a place: a bounded line, ordered by priority, in which nobody stands past their deadline."""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import Iterator


class Waiter:
    """One call in the line; its future tells whether it got a place."""

    __slots__ = ("deadline_s", "place", "rank")

    def __init__(self, *, priority: int, order: int, deadline_s: float, place: asyncio.Future[bool]) -> None:
        self.rank = (-priority, order)
        self.deadline_s = deadline_s
        self.place = place

    @property
    def has_place(self) -> bool:
        """Whether it was given a place, seen by its task or not."""
        return self.place.done() and not self.place.cancelled() and self.place.result()


def _rank(waiter: Waiter) -> tuple[int, int]:
    return waiter.rank


class WaitingLine:
    """Calls that wait: higher priorities first, and within one the longest waiting first."""

    __slots__ = ("_most", "_order", "_waiters")

    def __init__(self, most: int) -> None:
        self._most = most
        self._order = 0
        self._waiters: list[Waiter] = []

    def __len__(self) -> int:
        return len(self._waiters)

    def __iter__(self) -> Iterator[Waiter]:
        return iter(self._waiters)

    @property
    def full(self) -> bool:
        """Whether the next one to join needs another to leave."""
        return len(self._waiters) >= self._most

    def ahead_of(self, priority: int) -> int:
        """Return how many would be served before a newcomer of this priority."""
        return sum(waiter.rank[0] <= -priority for waiter in self._waiters)

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
        """Give a place to the first in line whose deadline has not passed; False where nobody takes it."""
        while self._waiters:
            waiter = self._waiters.pop(0)
            if waiter.place.done():
                continue
            in_time = now_s < waiter.deadline_s
            waiter.place.set_result(in_time)
            if in_time:
                return True
        return False

    def _make_room(self, priority: int) -> bool:
        if not self._waiters or self._waiters[-1].rank[0] <= -priority:
            return False
        self.turn_away(self._waiters[-1])
        return True
