"""Request heads: those that come again, as an SDK writes them for every call, and those that offer an upgrade."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from narthex.http.surfaces import SURFACES, Surface

_LENGTH: Final = re.compile(rb"\r\ncontent-length: ?([0-9]{1,9})(?=\r\n)", re.IGNORECASE)
_END: Final = b"\r\n\r\n"
_MAX_DIGITS: Final = 9
_LISTS: Final = (b"cache-control", b"accept-encoding", b"x-narthex-cache")
"""Whose lines mean what one line would with all of them: https://www.rfc-editor.org/rfc/rfc9110#section-5.3"""
_OFFER: Final = frozenset({b"upgrade", b"connection", b"http2-settings"})


class KnownHead:
    """The head of a request that the parser has read on this connection.

    The same bytes mean the same again, so a request that repeats them with nothing but other digits in its
    `Content-Length`, and brings just as many bytes of body in the same piece, need not be parsed. Everything else,
    and every request that differs in any other byte, goes through the parser.

    Attributes:
        surface: The model route that it asks for.
        headers: As the parser read them, names in lower case, without `content-length`.
    """

    __slots__ = ("_after", "_after_size", "_before", "_digits_at", "headers", "surface")

    def __init__(self, before: bytes, after: bytes, surface: Surface, headers: Mapping[bytes, bytes]) -> None:
        """Keep a head.

        Args:
            before: Its bytes before the digits of the length.
            after: Its bytes behind them, to the blank line.
            surface: The model route that it asks for.
            headers: As the parser read them.
        """
        self._before = before
        self._after = after
        self._digits_at = len(before)
        self._after_size = len(after)
        self.surface = surface
        self.headers = {name: value for name, value in headers.items() if name != b"content-length"}

    def body_of(self, data: bytes) -> bytes | None:
        """Return the body if `data` is one whole request with this head, and nothing more."""
        if data.startswith(self._before):
            start = self._digits_at
            end = data.find(b"\r", start, start + _MAX_DIGITS + 1)
            if end > start and data.startswith(self._after, end):
                digits = data[start:end]
                body = data[end + self._after_size :]
                if digits.isdigit() and int(digits) == len(body):
                    return body
        return None


def fields_of(pairs: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the headers of a request by their names; of several lines the last, but of lists all of them."""
    headers = dict(pairs)
    if len(headers) != len(pairs):
        for name in _LISTS:
            if name in headers:
                headers[name] = b", ".join(value for other, value in pairs if other == name)
    return headers


def known_head(data: bytes, url: bytes, headers: Mapping[bytes, bytes]) -> KnownHead | None:
    """Return the head of a request that was read as one whole, or None if it is not of the plain kind.

    Args:
        data: The request, from its first byte to the last of its body.
        url: That it asked for.
        headers: As the parser read them.
    """
    surface = SURFACES.get(url.partition(b"?")[0])
    if surface is None or b"transfer-encoding" in headers or b"expect" in headers:
        return None
    head = data[: data.find(_END) + len(_END)]
    lengths = list(_LENGTH.finditer(head))
    if len(lengths) != 1 or int(lengths[0][1]) != len(data) - len(head):
        return None
    return KnownHead(head[: lengths[0].start(1)], head[lengths[0].end(1) :], surface, headers)


def without_offer(method: bytes, url: bytes, headers: Iterable[tuple[bytes, bytes]], *, keep_alive: bool) -> bytes:
    """Write a head again without its offer to speak another protocol, of which nothing came but the offer."""
    kept = [pair for pair in headers if pair[0] not in _OFFER]
    if not keep_alive:
        kept.append((b"connection", b"close"))
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (method, url, b"".join(b"%b: %b\r\n" % pair for pair in kept))
