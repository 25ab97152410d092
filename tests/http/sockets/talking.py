"""What tests of sockets share: a client that sends what a test has it send, and parts without a network."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self, cast

from websockets.frames import Close as CloseFrame
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from narthex.http.sockets.contract import Line, SocketLimits
from tests.gateways import KEY

LIMITS = SocketLimits(
    enabled=True,
    maximum=100,
    per_key=50,
    max_message_bytes=4_096,
    messages_per_s=1_000.0,
    ping_s=20.0,
    max_outbound_bytes=65_536,
    max_conversation_bytes=100_000,
    max_ephemeral_keys=10,
)


def limits(**changes: object) -> SocketLimits:
    """Return limits that differ in something."""
    return replace(LIMITS, **changes)  # type: ignore[arg-type]  # by name


def masked(opcode: int, data: bytes, *, fin: bool = True) -> bytes:
    """Write one frame of a client, whatever is wrong with it."""
    mask = os.urandom(4)
    length = len(data)
    head = bytes([(0x80 if fin else 0) | opcode])
    if length < 126:
        head += bytes([0x80 | length])
    elif length < 65_536:
        head += bytes([0x80 | 126]) + struct.pack("!H", length)
    else:
        head += bytes([0x80 | 127]) + struct.pack("!Q", length)
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))


def offer(path: str, *, key: str | None = KEY, protocols: Sequence[str] = (), more: str = "") -> bytes:
    """Write a handshake."""
    nonce = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", "host: 127.0.0.1", "connection: Upgrade", "upgrade: websocket"]
    lines += [f"sec-websocket-key: {nonce}", "sec-websocket-version: 13"]
    if key is not None:
        lines.append(f"authorization: Bearer {key}")
    if protocols:
        lines.append(f"sec-websocket-protocol: {', '.join(protocols)}")
    return ("\r\n".join(lines) + f"\r\n{more}\r\n").encode()


class Refused(Exception):
    """The handshake was answered by something else than a socket."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body
        super().__init__(f"{status}: {body!r}")

    @property
    def code(self) -> str:
        """The code of the error."""
        return str(json.loads(self.body)["error"]["code"])


class Closed(Exception):
    """The server closed."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"{code}: {reason}")


class SocketClient:
    """A WebSocket over a plain socket."""

    def __init__(
        self,
        port: int,
        path: str,
        *,
        key: str | None = KEY,
        protocols: Sequence[str] = (),
        more: str = "",
        receive_buffer_bytes: int | None = None,
    ) -> None:
        self._socket = socket.socket()
        self._socket.settimeout(10)
        if receive_buffer_bytes is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self._socket.connect(("127.0.0.1", port))
        self._frames = Protocol(Side.CLIENT, max_size=None)
        self._texts: list[bytes] = []
        self._closed: CloseFrame | None = None
        self._socket.sendall(offer(path, key=key, protocols=protocols, more=more))
        head, rest = self._head()
        lines = head.decode("latin-1").split("\r\n")
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        status = int(lines[0].split()[1])
        if status != 101:
            length = int(self.headers.get("content-length", "0"))
            while len(rest) < length:
                rest += self._socket.recv(65_536)
            self._socket.close()
            raise Refused(status, rest)
        self._receive(rest)

    def send(self, message: object) -> None:
        """Send a message in JSON."""
        self.send_raw(masked(Opcode.TEXT, json.dumps(message).encode()))

    def send_raw(self, data: bytes) -> None:
        """Send bytes."""
        self._socket.sendall(data)

    def receive(self) -> dict[str, object]:
        """Return the next message; raises `Closed` when there is none."""
        while not self._texts:
            if self._closed is not None:
                raise Closed(self._closed.code, self._closed.reason)
            data = self._socket.recv(65_536)
            if not data:
                raise Closed(1006, "")
            self._receive(data)
        return cast("dict[str, object]", json.loads(self._texts.pop(0)))

    def until(self, kind: str) -> list[dict[str, object]]:
        """Return the messages up to the next of this type."""
        messages = [self.receive()]
        while messages[-1]["type"] != kind:
            messages.append(self.receive())
        return messages

    def closing(self) -> Closed:
        """Wait for the server to close, and return how; what it still says is passed over."""
        while True:
            try:
                self.receive()
            except Closed as closed:
                return closed

    def close(self) -> None:
        """Leave without a word."""
        self._socket.close()

    def _head(self) -> tuple[bytes, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            more = self._socket.recv(65_536)
            if not more:
                raise Closed(1006, "")
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        return head, rest

    def _receive(self, data: bytes) -> None:
        if data:
            self._frames.receive_data(data)
        for event in self._frames.events_received():
            assert isinstance(event, Frame)
            if event.opcode is Opcode.TEXT:
                self._texts.append(bytes(event.data))
        # Pongs, and the answer to a close.
        for out in self._frames.data_to_send():
            if out:
                self._socket.sendall(out)
        self._closed = self._frames.close_rcvd

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave."""
        self.close()


class Transport(asyncio.Transport):
    """A connection without a network: what is written is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.reading = True
        self.ended = self.closing = self.aborted = False
        self.buffered = 0
        self.on_write: Callable[[], None] = lambda: None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep what is sent."""
        self.written += bytes(data)
        self.on_write()

    def write_eof(self) -> None:
        """Take note."""
        self.ended = True

    def can_write_eof(self) -> bool:
        """Be like TCP."""
        return True

    def is_closing(self) -> bool:
        """Tell whether it was closed."""
        return self.closing

    def close(self) -> None:
        """Take note."""
        self.closing = True

    def abort(self) -> None:
        """Take note."""
        self.closing = self.aborted = True

    def pause_reading(self) -> None:
        """Take note."""
        self.reading = False

    def resume_reading(self) -> None:
        """Take note."""
        self.reading = True

    def get_write_buffer_size(self) -> int:
        """Tell what a test says is waiting."""
        return self.buffered

    def frames(self) -> list[Frame]:
        """Return the frames that were written."""
        protocol = Protocol(Side.CLIENT, max_size=None)
        protocol.receive_data(self.written)
        return cast("list[Frame]", protocol.events_received())

    def texts(self) -> list[bytes]:
        """Return the texts among them."""
        return [bytes(frame.data) for frame in self.frames() if frame.opcode is Opcode.TEXT]

    def close_code(self) -> int | None:
        """Return with which code it was closed, if it was."""
        closes = [frame for frame in self.frames() if frame.opcode is Opcode.CLOSE]
        return CloseFrame.parse(closes[0].data).code if closes else None


class Echo:
    """A talk that says everything again."""

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self.busy = False
        self.resumptions = self.leavings = 0
        self.line: Line | None = None

    def begin(self, line: Line) -> None:
        """Keep the line."""
        self.line = line

    def heard(self, message: bytes) -> None:
        """Say it again; `break` breaks."""
        self.said.append(message)
        if message == b"break":
            raise RuntimeError("as told")
        assert self.line is not None
        self.line.send(message)

    def resumed(self) -> None:
        """Take note."""
        self.resumptions += 1

    def left(self) -> None:
        """Take note."""
        self.leavings += 1
