"""Addresses that fail before any request: a refused connection, one never taken, one reset, a broken TLS handshake."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Final, Self

from narthex.testing.catalogue import DOORS, Door
from narthex.testing.upstream import bound_socket

UNKNOWN_HOST: Final = "narthex-wall.invalid"
"""A name that never resolves: https://www.rfc-editor.org/rfc/rfc6761#section-6.4"""

_HANDSHAKE_FAILURE: Final = bytes([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28])
"""A fatal alert: https://www.rfc-editor.org/rfc/rfc8446#section-6"""

_START_TIMEOUT_S: Final = 10.0
_FILLERS: Final = 4


class Doors:
    """Opens every door on a port of its own."""

    def __init__(self, host: str = "127.0.0.1", first_port: int = 0) -> None:
        """Prepare, without binding yet.

        Args:
            host: Address to bind.
            first_port: The doors take the ports from here on, in the order of `DOORS`; 0 takes free ones.
        """
        self._host = host
        self._first_port = first_port
        self._sockets: dict[Door, socket.socket] = {}
        self._fillers: list[socket.socket] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self.knocks: dict[Door, int] = {"reset": 0, "tls_error": 0}
        """How often a connection was made, at the doors that can see it."""

    def address(self, door: Door) -> str:
        """Return the address of a door, without a path."""
        host = UNKNOWN_HOST if door == "dns_error" else f"[{self._host}]" if ":" in self._host else self._host
        port = 80 if door == "dns_error" else self._sockets[door].getsockname()[1]
        return f"{'https' if door == 'tls_error' else 'http'}://{host}:{port}"

    def start(self) -> None:
        """Open them.

        Raises:
            OSError: A port is taken.
            TimeoutError: The thread did not come up.
        """
        try:
            self._bind()
        except BaseException:
            self._close()
            raise
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), name="doors", daemon=True)
        self._thread.start()
        if not ready.wait(_START_TIMEOUT_S):
            raise TimeoutError("the doors did not open")

    def _bind(self) -> None:
        for place, door in enumerate(DOORS[:-1]):
            # Bound and not listening, it refuses whoever connects, and nobody else gets the port.
            self._sockets[door] = bound_socket(self._host, self._first_port + place if self._first_port else 0)
        self._fill(self._sockets["connect_timeout"])

    def stop(self) -> None:
        """Close them."""
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join()
        self._loop = self._stop = self._thread = None
        self._close()

    def _close(self) -> None:
        for one in (*self._fillers, *self._sockets.values()):
            one.close()
        self._fillers.clear()
        self._sockets.clear()

    def _fill(self, listener: socket.socket) -> None:
        """Fill the queue of a listener that accepts nobody: the system then leaves further callers waiting."""
        listener.listen(0)
        for _ in range(_FILLERS):
            filler = socket.socket(listener.family)
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(listener.getsockname())
            self._fillers.append(filler)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        for door in ("reset", "tls_error"):
            # Left to the loop for as long as it runs; `stop` closes them afterwards.
            self._sockets[door].listen(1_024)
        servers = [
            await asyncio.start_server(self._reset, sock=self._sockets["reset"]),
            await asyncio.start_server(self._refuse_handshake, sock=self._sockets["tls_error"]),
        ]
        ready.set()
        await self._stop.wait()
        for server in servers:
            server.close()
        await asyncio.sleep(0)

    async def _reset(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.knocks["reset"] += 1
        plain: socket.socket = writer.get_extra_info("socket")
        # With a linger time of zero the system sends a reset in place of an orderly end.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def _refuse_handshake(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.knocks["tls_error"] += 1
        with contextlib.suppress(TimeoutError, ConnectionError):
            await asyncio.wait_for(reader.read(65_536), 2.0)
            writer.write(_HANDSHAKE_FAILURE)
            await writer.drain()
        writer.close()

    def __enter__(self) -> Self:
        """Open them."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them."""
        self.stop()
