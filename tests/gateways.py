"""The real server for tests: on a free port, in a thread with its own event loop."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from narthex.app import Gateway, run_in_loop
from narthex.config.settings import Settings
from narthex.http.server import Server, bind, make_server

KEY = "sk-test-0123456789abcdef"


class RunningGateway:
    """A server that listens from `__enter__` to `__exit__`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.port = 0
        self.gateway: Gateway | None = None
        self._server: Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateway")

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Ask it to stop; `__exit__` waits for the end."""
        if self._server is not None:
            self._server.should_exit = True

    def wait(self, timeout_s: float) -> None:
        """Wait until it has ended."""
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), "the server did not stop"

    def call(self, work: object) -> None:
        """Run a callable on the server's loop."""
        assert self._loop is not None
        assert callable(work)
        self._loop.call_soon_threadsafe(work)

    def run(self, work: Coroutine[object, object, None]) -> None:
        """Run a coroutine on the server's loop, to its end."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def _run(self) -> None:
        listener = bind(self.settings.server)
        self.port = listener.getsockname()[1]
        try:
            run_in_loop(self._serve(listener))
        finally:
            listener.close()
            self._ready.set()

    async def _serve(self, listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        async with Gateway(self.settings) as gateway:
            self.gateway = gateway
            self._server = make_server(
                gateway.services(lambda: self.url),
                self.settings.server,
                on_ready=self._ready.set,
                on_stop=lambda: setattr(gateway.doorkeeper, "stopping", True),
            )
            await self._server.serve([listener])

    def __enter__(self) -> Self:
        """Start, and wait until requests are taken."""
        self._thread.start()
        assert self._ready.wait(20), "the server did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and wait for the end."""
        self.stop()
        self.wait(30)


def settings_for(data_dir: Path, **changes: object) -> Settings:
    """Return settings of a server on a free port with nothing found in the environment and no embedded model.

    Failures are told as they come: most tests are about what is told. `recovering()` is the server as it is delivered.
    """
    values: dict[str, object] = {
        "retries": {"retries": 0},
        "rescue": "off",
        "limits": {"adaptive": False},
        "shedding": {"enabled": False},
        "breakers": {"consecutive_failures": 1_000_000, "minimum_calls": 1_000_000},
        "data_dir": data_dir,
        "server": {"port": 0, "graceful_timeout_s": 5},
        "embedded": {"enabled": False},
        "discovery": {"environment": False, "ollama": False},
    }
    for name, change in changes.items():
        before = values.get(name)
        merged = {**before, **change} if isinstance(before, dict) and isinstance(change, Mapping) else change
        values[name] = merged
    return Settings.model_validate(values)


@contextmanager
def recovering(data_dir: Path, **changes: object) -> Iterator[RunningGateway]:
    """Run a server that goes on past failures, as one does without any setting."""
    delivered = {name: Settings.model_fields[name].default for name in ("rescue", "breakers")}
    for name in ("limits", "shedding"):
        changed = changes.get(name)
        changes[name] = {
            **Settings.model_fields[name].default.model_dump(),
            **(changed if isinstance(changed, Mapping) else {}),
        }
    quick = {"retries": 2, "base_s": 0.01, "cap_s": 0.05}
    with running(data_dir, **{"retries": quick, **delivered, **changes}) as gateway:
        yield gateway


@contextmanager
def running(data_dir: Path, **changes: object) -> Iterator[RunningGateway]:
    """Run a server with these settings changed."""
    with RunningGateway(settings_for(data_dir, **changes)) as gateway:
        yield gateway


class RawClient:
    """A client that sends bytes as a test has them, and reads what comes."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._left = b""

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._socket.sendall(data)

    def response(self) -> tuple[int, dict[str, str], bytes]:
        """Read one whole response: status, headers in lower case, body."""
        while b"\r\n\r\n" not in self._left:
            self._more()
        head, _, rest = self._left.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        self._left = rest
        status = int(lines[0].split()[1])
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, self._chunks()
        length = int(headers.get("content-length", "0"))
        while len(self._left) < length:
            self._more()
        body, self._left = self._left[:length], self._left[length:]
        return status, headers, body

    def read_until(self, mark: bytes) -> bytes:
        """Read raw bytes until `mark` is among them."""
        while mark not in self._left:
            self._more()
        return self._left

    def rest(self) -> bytes:
        """Read raw bytes until the server closes."""
        while data := self._socket.recv(1_048_576):
            self._left += data
        return self._left

    def closed(self) -> bool:
        """Wait for the server to close; False if it sends something instead."""
        try:
            return not self._left and self._socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        """Close."""
        self._socket.close()

    def _chunks(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self._left:
                self._more()
            size_line, _, rest = self._left.partition(b"\r\n")
            size = int(size_line, 16)
            self._left = rest
            while len(self._left) < size + 2:
                self._more()
            body += self._left[:size]
            self._left = self._left[size + 2 :]
            if not size:
                return body

    def _more(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._left += data

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def post(path: str, body: bytes, *, key: str | None = KEY, more: str = "") -> bytes:
    """Write a request head and body."""
    authorization = f"authorization: Bearer {key}\r\n" if key else ""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"{authorization}{more}content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
