"""The handshake of a WebSocket: what is asked for, and the answer. RFC 6455, section 4.2."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Final
from urllib.parse import parse_qsl

from narthex.errors import InvalidRequest

KEY_PROTOCOL: Final = "openai-insecure-api-key."
"""Begins the subprotocol in which a page in a browser presents its key: it can send no header of its own."""

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_ONCE: Final = (b"host", b"sec-websocket-key", b"sec-websocket-version")
_ANSWER: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: %b\r\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A handshake that is well formed."""

    path: bytes
    query: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    subprotocols: Sequence[str]
    """As offered, the one with the key left out."""
    presented: bytes | None
    """The key, from whichever place it was presented in."""


def wants_socket(method: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether a request that offers another protocol means WebSocket."""
    return (
        method == b"GET"
        and version == "1.1"
        and any(name == b"upgrade" and value.lower() == b"websocket" for name, value in headers)
    )


def read_offer(url: bytes, pairs: Sequence[tuple[bytes, bytes]]) -> Offer:
    """Read the handshake of a request that means WebSocket.

    Args:
        url: Of the request, with its query.
        pairs: Its headers, names in lower case.

    Raises:
        InvalidRequest: It is no handshake that can be answered.
    """
    for name in _ONCE:
        if sum(one == name for one, _ in pairs) != 1:
            raise InvalidRequest(f"a WebSocket handshake has one header {name.decode()}")
    headers = dict(pairs)
    if headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers:
        raise InvalidRequest("a WebSocket handshake has no body")
    if headers[b"sec-websocket-version"] != b"13":
        raise InvalidRequest("this server speaks version 13 of WebSocket: send sec-websocket-version: 13")
    if not _is_key(headers[b"sec-websocket-key"]):
        raise InvalidRequest("the header sec-websocket-key must hold 16 bytes in base64")
    path, _, query = url.partition(b"?")
    offered = _offered(pairs)
    key = next((one[len(KEY_PROTOCOL) :] for one in offered if one.startswith(KEY_PROTOCOL)), None)
    return Offer(
        path=path,
        query=dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)),
        headers=headers,
        subprotocols=tuple(one for one in offered if not one.startswith(KEY_PROTOCOL)),
        presented=headers.get(b"authorization")
        or headers.get(b"x-api-key")
        or (None if key is None else key.encode("latin-1")),
    )


def choose(offered: Sequence[str], spoken: str) -> str | None:
    """Return the subprotocol to be answered; None if the client asks for none.

    Raises:
        InvalidRequest: What is spoken here is not among those offered.
    """
    if spoken in offered:
        return spoken
    if offered:
        raise InvalidRequest(f"this path speaks the subprotocol {spoken!r}; offer that, or none")
    return None


def answer(offer: Offer, subprotocol: str | None, common: bytes) -> bytes:
    """Return the answer that opens the socket; `common` are the header lines of every answer."""
    # What the RFC has a server prove that it speaks WebSocket by; nothing is kept secret by it.
    digest = sha1(offer.headers[b"sec-websocket-key"] + _GUID, usedforsecurity=False).digest()
    head = _ANSWER % base64.b64encode(digest)
    if subprotocol is not None:
        head += b"sec-websocket-protocol: %b\r\n" % subprotocol.encode()
    return b"%b%b\r\n" % (head, common)


def _is_key(value: bytes) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == 16
    except binascii.Error:
        return False


def _offered(pairs: Iterable[tuple[bytes, bytes]]) -> list[str]:
    lists = (value.decode("latin-1") for name, value in pairs if name == b"sec-websocket-protocol")
    return [one for value in lists for part in value.split(",") if (one := part.strip())]
