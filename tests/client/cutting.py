"""A proxy that cuts connections, wherever a test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class CuttingProxy:
    """Passes bytes on to a server, and cuts what comes back after as many bytes as it is told.

    Attributes:
        cuts: How many connections were cut.
    """

    def __init__(self, port: int) -> None:
        self.cuts = 0
        self._port = port
        self._limit: Callable[[], int] | None = None
        self._refusals = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut_after(self, limit: Callable[[], int] | None) -> None:
        """Cut each connection from now on after so many bytes of answers; None cuts none."""
        self._limit = limit

    def refuse(self, count: int) -> None:
        """Cut so many connections before the server hears of them."""
        self._refusals = count

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusals:
                self._refusals -= 1
                _reset(client)
                continue
            server = socket.create_connection(("127.0.0.1", self._port))
            self._open |= {client, server}
            self._start(self._pass, client, server, False)
            self._start(self._pass, server, client, True)

    def _pass(self, source: socket.socket, target: socket.socket, back: bool) -> None:
        left = self._limit() if back and self._limit is not None else None
        try:
            while data := source.recv(65_536):
                if left is not None and len(data) >= left:
                    target.sendall(data[:left])
                    self.cuts += 1
                    break
                target.sendall(data)
                left = None if left is None else left - len(data)
        except OSError:
            pass
        _reset(target)
        _reset(source)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            _reset(one)
        for thread in self._threads:
            thread.join(5)


def _reset(one: socket.socket) -> None:
    """Close at once, whatever waits; wakes whoever reads from it."""
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    one.close()
