"""Looks whether a key that is not known was made just now, by another process: now and then, however many ask.

What others change is known within half a second anyhow. This spares whoever uses a new key at once the refusal; who
tries out keys gains nothing by it: looks have a least distance, few wait for one, and none waits twice for a key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from time import monotonic
from typing import TYPE_CHECKING, Final

from narthex.errors import NarthexError

if TYPE_CHECKING:
    from narthex.tenancy.keys import KeyMark

DISTANCE_S: Final = 0.25
"""From one look to the next, at least."""
MOST_WAITING: Final = 64
"""Who come beyond these are not kept waiting."""
MOST_UNKNOWN: Final = 4_096
"""Keys of which it is remembered that there are none such."""
PATIENCE_S: Final = 2.0
"""How long a look is waited for."""

Spawn = Callable[[Coroutine[object, object, None]], asyncio.Task[None]]


class Lookout:
    """Reads what others have changed, for those who cannot wait until it is told."""

    def __init__(
        self,
        catch_up: Callable[[], Awaitable[None]],
        spawn: Spawn,
        *,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Begin.

        Args:
            catch_up: Takes over what has changed until now.
            spawn: Keeps the task that does so.
            clock: Tells seconds.
            sleep: Waits for the next look.
        """
        self.looks = 0
        """How often it was looked."""
        self._catch_up, self._spawn, self._clock, self._sleep = catch_up, spawn, clock, sleep
        self._coming: asyncio.Task[None] | None = None
        self._next_s = 0.0
        self._waiting = 0
        self._unknown: dict[KeyMark, None] = {}

    async def look(self, mark: KeyMark) -> None:
        """Return when it was looked for a key, or when it is not worth the while."""
        if mark in self._unknown or self._waiting >= MOST_WAITING:
            return
        self._waiting += 1
        looks = self.looks
        try:
            if self._coming is None:
                self._coming = self._spawn(self._look())
            await asyncio.wait({self._coming}, timeout=PATIENCE_S)
        finally:
            self._waiting -= 1
        if self.looks > looks:
            # Its secret is not known to anybody before there is such a key: it need not be looked for again.
            self._unknown[mark] = None
            if len(self._unknown) > MOST_UNKNOWN:
                del self._unknown[next(iter(self._unknown))]

    async def _look(self) -> None:
        pause_s = self._next_s - self._clock()
        if pause_s > 0:
            await self._sleep(pause_s)
        # Who comes from now on may ask for what is changed after this has begun to read.
        self._coming = None
        self._next_s = self._clock() + DISTANCE_S
        try:
            await self._catch_up()
        except NarthexError:
            # The office tells that the database is away, and follows later.
            return
        self.looks += 1
