"""Blocking connections to a gateway."""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from typing import Final

from narthex.client.breaks import connect_timeout, cut, read_timeout, unreachable
from narthex.client.endpoint import Endpoint
from narthex.client.http1 import ResponseReader
from narthex.errors import ClientError

READ_BYTES: Final = 65_536
IDLE_S: Final = 30.0
"""An idle connection older than this is not used again: the gateway may be about to close it."""
MAX_IDLE: Final = 16
_Selector: Final[type[selectors.BaseSelector]] = getattr(selectors, "PollSelector", selectors.SelectSelector)
"""`select()` takes no descriptor above 1023, and `poll()` does, where there is one."""


class SocketConnection:
    """One connection, for one request at a time."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Connect.

        Raises:
            GatewayUnreachable: Nothing listens there, or TLS could not be agreed.
            GatewayTimeout: It took longer than `connect_timeout_s`.
        """
        self._endpoint = endpoint
        self.idle_since = 0.0
        try:
            self._socket = self._open()
        except TimeoutError as error:
            raise connect_timeout(endpoint) from error
        except OSError as error:
            raise unreachable(endpoint, error) from error
        self._socket.settimeout(endpoint.timeout_s)

    def _open(self) -> socket.socket:
        endpoint = self._endpoint
        plain = socket.create_connection((endpoint.host, endpoint.port), timeout=endpoint.connect_timeout_s)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return endpoint.tls.wrap_socket(plain, server_hostname=endpoint.host) if endpoint.tls else plain
        except BaseException:
            plain.close()
            raise

    def send(self, data: bytes) -> None:
        """Send a request.

        Raises:
            GatewayTimeout: The gateway does not read.
            GatewayUnreachable: The connection broke.
        """
        try:
            self._socket.sendall(data)
        except TimeoutError as error:
            raise read_timeout(self._endpoint) from error
        except OSError as error:
            raise cut(error) from error

    def receive(self) -> bytes:
        """Return the next bytes; none at the end.

        Raises:
            GatewayTimeout: Nothing came for `timeout_s`.
            GatewayUnreachable: The connection broke.
        """
        try:
            return self._socket.recv(READ_BYTES)
        except TimeoutError as error:
            raise read_timeout(self._endpoint) from error
        except OSError as error:
            raise cut(error) from error

    @property
    def usable(self) -> bool:
        """Whether an idle connection can carry another request: nothing came on it, not even its end."""
        if time.monotonic() - self.idle_since > IDLE_S:
            return False
        with _Selector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            return not selector.select(0)

    def close(self) -> None:
        """Close."""
        self._socket.close()


class SocketPool:
    """Idle connections to one gateway; safe to use from several threads."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._idle: deque[SocketConnection] = deque()
        self._closed = False

    def take(self) -> SocketConnection:
        """Return a connection: an idle one, or a new one.

        Raises:
            ClientError: The client is closed, or the gateway cannot be reached.
        """
        if self._closed:
            raise ClientError("this client is closed")
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            if connection.usable:
                return connection
            connection.close()
        return SocketConnection(self.endpoint)

    def give_back(self, connection: SocketConnection, reader: ResponseReader) -> None:
        """Keep a connection whose answer is complete, or close it."""
        if self._closed or not (reader.complete and reader.reusable) or len(self._idle) >= MAX_IDLE:
            connection.close()
            return
        connection.idle_since = time.monotonic()
        self._idle.append(connection)

    def close(self) -> None:
        """Close all idle connections, and those in use when they come back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
