"""A clock that stands still until it is told to go on."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count


class FakeClock:
    """Time as a test says it is: call it for the seconds, `advance` it, `sleep` on it.

    It stands in for `time.monotonic` or `time.time`, and its `sleep` for `asyncio.sleep`. Sleepers wake in the order of
    their times, each seeing the clock at its own time.
    """

    def __init__(self, start_s: float = 1_000_000.0) -> None:
        self.now_s = start_s
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now_s

    @property
    def sleeping(self) -> int:
        """How many sleepers wait."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, delay_s: float) -> None:
        """Wait until the clock has advanced by `delay_s`; not at all if that is zero or less."""
        if delay_s <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now_s + delay_s, next(self._order), future))
        await future

    def set(self, now_s: float) -> None:
        """Put the clock to a time without waking anybody, as when a machine's clock is set."""
        self.now_s = now_s

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass: wake each sleeper at its time and let it run before the next one wakes."""
        until_s = self.now_s + seconds
        while self._sleepers and self._sleepers[0][0] <= until_s:
            self.now_s, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
                await self._settle()
        self.now_s = until_s
        await self._settle()

    async def _settle(self) -> None:
        # A woken task may need a few turns of the loop before it sleeps again.
        for _ in range(10):
            await asyncio.sleep(0)
