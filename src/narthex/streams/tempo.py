"""The pace of a stream, kept or changed, when it is read once more."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import Final, cast

from narthex.errors import InvalidRequest
from narthex.streams.log import Log, LogReader

MAX_SPEED: Final = 1_000.0

Sleep = Callable[[float], Awaitable[object]]


def speed_of(said: str) -> float:
    """Read how fast a stream is to be played: 1 as it was, 2 twice as fast; 0 or `max` for at once.

    Raises:
        InvalidRequest: It is none of these.
    """
    try:
        speed = 0.0 if said == "max" else float(said)
    except ValueError:
        speed = math.nan
    if not 0 <= speed <= MAX_SPEED or 0 < speed < 1 / MAX_SPEED:
        raise InvalidRequest(
            f"speed: give 1 for the pace that it had, 0.5 for half of it, up to {MAX_SPEED:.0f}; or `max` for at once",
            param="speed",
        )
    return speed


class Tempo:
    """Tells when an event is due that came at a known time."""

    def __init__(
        self, speed: float, *, from_ms: int = 0, sleep: Sleep = asyncio.sleep, clock: Callable[[], float] = monotonic
    ) -> None:
        """Begin now.

        Args:
            speed: How many times faster than it was; 0 for at once.
            from_ms: The time that is now.
            sleep: Waits for so many seconds.
            clock: Says the seconds.
        """
        self._speed = speed
        self._sleep = sleep
        self._clock = clock
        self.begin(from_ms)

    def begin(self, from_ms: int) -> None:
        """Begin anew, at the time that is now."""
        self._from_ms, self._begun = from_ms, self._clock()

    def ahead_s(self, time_ms: int) -> float:
        """Return for how many seconds an event is not due yet; 0 or less if it is."""
        if not self._speed:
            return 0.0
        return self._begun + (time_ms - self._from_ms) / 1_000 / self._speed - self._clock()

    async def until(self, time_ms: int) -> None:
        """Wait until an event is due."""
        ahead_s = self.ahead_s(time_ms)
        if ahead_s > 0:
            await self._sleep(ahead_s)

    async def stand(self, still: Callable[[], Awaitable[object]]) -> None:
        """Wait for something else, and count that time as none."""
        began = self._clock()
        await still()
        self._begun += self._clock() - began


async def in_tempo(log: Log, reader: LogReader, tempo: Tempo) -> AsyncIterator[bytes]:
    """Yield the events behind a reader as they are due, those that are due at once in one piece; leave at the end."""
    try:
        while await reader.wait():
            number = reader.position + 1
            events = cast("list[bytes]", reader.take())
            times = [log.time_of(one) or 0 for one in range(number, number + len(events))]
            due: list[bytes] = []
            for event, time_ms in zip(events, times, strict=True):
                if due and tempo.ahead_s(time_ms) > 0:
                    yield b"".join(due)
                    due = []
                await tempo.until(time_ms)
                due.append(event)
            yield b"".join(due)
    finally:
        reader.leave()
