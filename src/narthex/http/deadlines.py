"""Slow clients and idle connections, looked after by one timer for all.

A timer per request would cost more than the rest of its bookkeeping; a sweep over all connections twice a second costs
nothing that can be measured, and is as exact as these limits need to be.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

SWEEP_S: Final = 0.5

logger = logging.getLogger(__name__)


class Phase(IntEnum):
    """What a connection waits for."""

    HEAD = 0
    """The rest of a request's head."""
    BODY = 1
    """The rest of a request's body."""
    SERVING = 2
    """Us."""
    IDLE = 3
    """The next request, perhaps."""
    CLOSING = 4
    """The client to close after an answer that ends the connection."""


class Watched(Protocol):
    """A connection under watch."""

    phase: Phase
    since: float
    """Begin of the phase or of its last progress, by the sweeper's clock."""
    stalled_since: float | None
    """Since when the client takes nothing of what is written to it."""

    def expire(self, phase: Phase) -> None:
        """End the connection: its time in `phase` is over."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a connection may stay in each phase, in seconds."""

    header_s: float
    body_s: float
    keep_alive_s: float
    write_s: float
    closing_s: float = 2.0


class Sweeper:
    """Looks at all connections twice a second.

    Attributes:
        now: The time of the last sweep, in seconds: read by connections instead of the clock. It advances by
            two sweeps at most at once: a time in which this process stood still is not held against clients.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = {
            Phase.HEAD: limits.header_s,
            Phase.BODY: limits.body_s,
            Phase.IDLE: limits.keep_alive_s,
            Phase.CLOSING: limits.closing_s,
        }
        self._write_s = limits.write_s
        self.now = 0.0

    async def run(self, connections: Collection[object]) -> None:
        """Watch until cancelled."""
        before = time.monotonic()
        while True:
            at = time.monotonic()
            self.now += min(at - before, 2 * SWEEP_S)
            before = at
            for connection in tuple(connections):
                try:
                    self._look(connection)  # type: ignore[arg-type]  # uvicorn's set holds those of our class alone
                except Exception:  # the edge of a connection: a fault at one must not end the watch over all
                    logger.exception("a connection could not be ended")
            await asyncio.sleep(SWEEP_S)

    def _look(self, connection: Watched) -> None:
        stalled = connection.stalled_since
        if stalled is not None and self.now - stalled > self._write_s:
            connection.expire(Phase.SERVING)
            return
        limit = self._limits.get(connection.phase)
        if limit is not None and self.now - connection.since > limit:
            connection.expire(connection.phase)
