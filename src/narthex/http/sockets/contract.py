"""What a socket and what is talked on it know of each other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from narthex.tenancy.keys import Caller, KeyMark


class Close(IntEnum):
    """Why a socket is closed: RFC 6455, section 7.4, and from 4400 on the HTTP status that it would be."""

    NORMAL = 1000
    UNSUPPORTED = 1003
    INVALID_DATA = 1007
    TOO_BIG = 1009
    BROKEN = 1011
    RESTART = 1012
    OVERFLOW = 1013
    KEY_GONE = 4401
    FORBIDDEN = 4403
    SILENT = 4408
    TOO_MANY = 4429


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketLimits:
    """What sockets may do; see the settings of the same names."""

    enabled: bool
    maximum: int
    per_key: int
    max_message_bytes: int
    messages_per_s: float
    ping_s: float
    max_outbound_bytes: int
    max_conversation_bytes: int
    max_ephemeral_keys: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Who opens a socket, and how."""

    caller: Caller
    mark: KeyMark
    """Of the key, or session, that this rests on; once that opens nothing any more, the socket is closed."""
    session: Mapping[str, object] | None
    """What the ephemeral key that it was opened with says of sessions; None if it was opened with another."""
    query: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    """Those of ours in the handshake, which hold for every call that is made on the socket."""
    address: str = ""
    """The network address that it comes from."""


class Line(Protocol):
    """A socket, seen from what is talked on it."""

    @property
    def blocked(self) -> bool:
        """Whether the client does not keep up: nothing but short answers should be sent now."""
        ...

    @property
    def limits(self) -> SocketLimits:
        """What holds for it now."""
        ...

    def send(self, message: bytes) -> None:
        """Send a text; on a socket that is closing nothing happens."""
        ...

    def close(self, code: Close, reason: str) -> None:
        """Close with a reason of at most 123 bytes."""
        ...

    def spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Start a task that a stopping server waits for, within its time."""
        ...

    def rest(self) -> None:
        """Say that a call has ended: a server that stops closes a socket without any."""
        ...


class Talk(Protocol):
    """What is talked on one socket. Everything is called from the event loop, and nothing may wait."""

    @property
    def busy(self) -> bool:
        """Whether calls are under way that a stopping server should let end."""
        ...

    def begin(self, line: Line) -> None:
        """Begin; the handshake is answered."""
        ...

    def heard(self, message: bytes) -> None:
        """Take a text of the client, valid UTF-8."""
        ...

    def resumed(self) -> None:
        """Go on with what was held back while the line was blocked."""
        ...

    def left(self) -> None:
        """End everything: nothing is sent any more, and this is called once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketRoute:
    """A path on which a socket can be opened."""

    subprotocol: str
    ephemeral: bool
    """Whether ephemeral keys open it."""
    talk: Callable[[Visit], Talk]
    """Makes what is talked; raises a `NarthexError` to refuse the handshake."""
