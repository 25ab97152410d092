"""The kept connections of one origin, with their limits of number and time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from narthex.providers.expiry import Phase
from narthex.providers.transport.connection import Connection, ConnectionFailed, PhaseTimeout
from narthex.providers.transport.dialling import dial
from narthex.providers.transport.origin import Origin

IDLE_S: Final = 50.0
"""How long an unused connection is kept: less than the 60 s after which common load balancers close theirs."""
SWEEP_S: Final = 0.1
"""How often limits of time are looked at: one timer for all connections costs nothing per request."""


class Pool:
    """Connections to one origin.

    At most `limit` are open; callers beyond wait in order, as long as they may take to connect.
    """

    def __init__(self, origin: Origin, *, limit: int) -> None:
        self.origin = origin
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._free: deque[Connection] = deque()
        self._all: set[Connection] = set()
        self._opening = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False
        self._emptied = asyncio.Event()
        self.used_at = 0.0
        """When an exchange last came to its end, in the loop's time."""

    @property
    def size(self) -> int:
        """Connections open or being opened."""
        return len(self._all) + self._opening

    def kept(self) -> Connection | None:
        """Return a free connection at once, the one used last; None if there is none."""
        free = self._free
        while free:
            connection = free.pop()
            if connection.usable:
                return connection
        return None

    async def open(self, connect_s: float) -> Connection:
        """Return a new connection ready to `send`; a kept one only after it has waited in line for that.

        Args:
            connect_s: Time to get one, in seconds.

        Raises:
            PhaseTimeout: None was to be had in time.
            ConnectionFailed: The origin refused, or its name or certificate is wrong.
        """
        try:
            async with asyncio.timeout(connect_s):
                return await self._open_when_allowed()
        except TimeoutError as error:
            raise PhaseTimeout(Phase.CONNECT, connect_s) from error

    async def _open_when_allowed(self) -> Connection:
        while self.size >= self._limit:
            turn = self._loop.create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                else:
                    self._next_turn()
                raise
            connection = self.kept()
            if connection is not None:
                return connection
        self._opening += 1
        try:
            return await self._open()
        finally:
            self._opening -= 1

    async def _open(self) -> Connection:
        connection = Connection(self, self._loop)
        try:
            await dial(self.origin, lambda: connection)
        except (OSError, UnicodeError) as error:
            self._next_turn()
            raise ConnectionFailed(f"{self.origin.authority}: {_reason(error)}", untouched=True) from error
        except BaseException:
            connection.discard()
            self._next_turn()
            raise
        if not connection.usable:
            self._next_turn()
            raise ConnectionFailed(f"{self.origin.authority}: closed as soon as it was opened", untouched=True)
        self._all.add(connection)
        if self._sweep is None:
            self._sweep = self._loop.call_later(SWEEP_S, self._look)
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next exchange."""
        if self._closed:
            connection.abort()
            return
        self.used_at = connection.idle_since = self._loop.time()
        self._free.append(connection)
        if self._waiting:
            self._next_turn()

    def forget(self, connection: Connection) -> None:
        """Drop a closed connection."""
        self._all.discard(connection)
        if not self._all:
            self._emptied.set()
        if not connection.busy:
            try:
                self._free.remove(connection)
            except ValueError:
                pass
        self._next_turn()

    async def drain(self) -> None:
        """Close each connection as soon as it is free, and wait for the last.

        Exchanges under way go on to their end, and a late one still gets a connection, for itself alone.
        """
        self._closed = True
        while self._free:
            self._free.popleft().abort()
        while self._all:
            self._emptied.clear()
            await self._emptied.wait()

    async def aclose(self) -> None:
        """Close every connection, busy or not."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for connection in list(self._all):
            connection.abort()
        self._free.clear()
        await asyncio.sleep(0)

    def _next_turn(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _look(self) -> None:
        """Fail exchanges whose time is over, close connections unused for long; rest when there is nothing."""
        now = self._loop.time()
        for connection in list(self._all):
            if connection.busy:
                connection.check(now)
        while self._free and now - self._free[0].idle_since > IDLE_S:
            self._free.popleft().abort()
        self._sweep = self._loop.call_later(SWEEP_S, self._look) if self._all else None


def _reason(error: BaseException) -> str:
    """Say what went wrong in the words of the operating system, without its number."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
