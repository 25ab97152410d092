"""Connections to a gateway on an event loop."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from narthex.client.breaks import connect_timeout, cut, read_timeout, unreachable
from narthex.client.endpoint import Endpoint
from narthex.client.http1 import ResponseReader
from narthex.client.sockets import IDLE_S, MAX_IDLE, READ_BYTES
from narthex.errors import ClientError


class StreamConnection:
    """One connection, for one request at a time, on the loop that opened it."""

    def __init__(self, endpoint: Endpoint, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._endpoint = endpoint
        self._reader = reader
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self.idle_since = 0.0

    @classmethod
    async def open(cls, endpoint: Endpoint) -> StreamConnection:
        """Connect.

        Raises:
            GatewayUnreachable: Nothing listens there, or TLS could not be agreed.
            GatewayTimeout: It took longer than `connect_timeout_s`.
        """
        try:
            async with asyncio.timeout(endpoint.connect_timeout_s):
                reader, writer = await asyncio.open_connection(
                    endpoint.host,
                    endpoint.port,
                    ssl=endpoint.tls,
                    server_hostname=endpoint.host if endpoint.tls else None,
                )
        except TimeoutError as error:
            raise connect_timeout(endpoint) from error
        except OSError as error:
            raise unreachable(endpoint, error) from error
        return cls(endpoint, reader, writer)

    async def send(self, data: bytes) -> None:
        """Send a request.

        Raises:
            GatewayTimeout: The gateway does not read.
            GatewayUnreachable: The connection broke.
        """
        self._writer.write(data)
        try:
            async with asyncio.timeout(self._endpoint.timeout_s):
                await self._writer.drain()
        except TimeoutError as error:
            raise read_timeout(self._endpoint) from error
        except OSError as error:
            raise cut(error) from error

    async def receive(self) -> bytes:
        """Return the next bytes; none at the end.

        Raises:
            GatewayTimeout: Nothing came for `timeout_s`.
            GatewayUnreachable: The connection broke.
        """
        try:
            async with asyncio.timeout(self._endpoint.timeout_s):
                return await self._reader.read(READ_BYTES)
        except TimeoutError as error:
            raise read_timeout(self._endpoint) from error
        except OSError as error:
            raise cut(error) from error

    @property
    def usable(self) -> bool:
        """Whether an idle connection can carry another request: it is of this loop, young, and not ended."""
        return (
            self._loop is asyncio.get_running_loop()
            and time.monotonic() - self.idle_since <= IDLE_S
            and not self._writer.is_closing()
            and not self._reader.at_eof()
        )

    def close(self) -> None:
        """Close at once, from whatever loop or none; on a loop that is closed already nothing is left to do."""
        if _running_loop() is self._loop:
            self._abort()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._abort)

    def _abort(self) -> None:
        self._writer.transport.abort()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class StreamPool:
    """Idle connections to one gateway."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._idle: deque[StreamConnection] = deque()
        self._closed = False

    async def take(self) -> StreamConnection:
        """Return a connection: an idle one, or a new one.

        Raises:
            ClientError: The client is closed, or the gateway cannot be reached.
        """
        if self._closed:
            raise ClientError("this client is closed")
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.close()
        return await StreamConnection.open(self.endpoint)

    def give_back(self, connection: StreamConnection, reader: ResponseReader) -> None:
        """Keep a connection whose answer is complete, or close it."""
        if self._closed or not (reader.complete and reader.reusable) or len(self._idle) >= MAX_IDLE:
            connection.close()
            return
        connection.idle_since = time.monotonic()
        self._idle.append(connection)

    async def aclose(self) -> None:
        """Close all idle connections, and those in use when they come back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        # The loop closes aborted sockets at its next turn.
        await asyncio.sleep(0)
