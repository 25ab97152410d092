"""What the fast lane writes: the heads of its answers, and its errors whole."""

from __future__ import annotations

from typing import Final

from narthex.errors import NarthexError
from narthex.http.surfaces import STATUS_LINES, error_body, error_headers
from narthex.pipeline.exchange import Exchange
from narthex.types.dialects import Dialect

_JSON: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%bx-request-id: %b\r\n%bcontent-length: %d\r\n\r\n%b"
)
_STREAM: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-store, no-transform\r\n"
    b"x-accel-buffering: no\r\n%bx-request-id: %b\r\n%btransfer-encoding: chunked\r\n\r\n"
)
_ANTHROPIC: Final = Dialect.ANTHROPIC_MESSAGES
_ANTHROPIC_ID: Final = b"request-id: %b\r\n"
"""Where Anthropic's SDK looks for the request ID: https://docs.anthropic.com/en/api/errors#request-id"""


class CommonLines:
    """The header lines of every answer, which uvicorn makes anew every second for the date in them."""

    def __init__(self) -> None:
        self._headers: list[tuple[bytes, bytes]] | None = None
        self._lines = b""

    def of(self, headers: list[tuple[bytes, bytes]], *, keep_alive: bool) -> bytes:
        """Return `headers` as lines, and one more if the answer ends its connection."""
        if headers is not self._headers:
            self._headers = headers
            self._lines = b"".join(b"%b: %b\r\n" % pair for pair in headers)
        return self._lines if keep_alive else self._lines + b"connection: close\r\n"


def whole_answer(exchange: Exchange, common: bytes, body: bytes, lines: bytes = b"") -> bytes:
    """Return a whole answer; `common` are the header lines of every answer, and `lines` those of this one."""
    return _JSON % (common, exchange.id.encode(), _told(exchange) + lines, len(body), body)


def stream_head(exchange: Exchange, common: bytes, lines: bytes = b"") -> bytes:
    """Return the head of a streamed answer; as above."""
    return _STREAM % (common, exchange.id.encode(), _told(exchange) + lines)


def error_answer(dialect: Dialect, error: NarthexError, request_id: str, common: bytes) -> bytes:
    """Return an answer that tells an error in the caller's dialect."""
    body = error_body(dialect, error, request_id)
    extra = b"".join(b"%b: %b\r\n" % pair for pair in error_headers(error))
    if dialect is _ANTHROPIC:
        extra += _ANTHROPIC_ID % request_id.encode()
    return b"%bcontent-type: application/json\r\n%bx-request-id: %b\r\n%bcontent-length: %d\r\n\r\n%b" % (
        STATUS_LINES[error.status],
        common,
        request_id.encode(),
        extra,
        len(body),
        body,
    )


def _told(exchange: Exchange) -> bytes:
    """Return the header lines that tell what became of the call."""
    target = exchange.target
    lines = b"" if target is None else target.header
    usage = exchange.usage
    if exchange.replays is not None:
        name, value = exchange.replays.header
        lines += b"%b: %b\r\n" % (name.encode(), value.encode())
        usage = exchange.replays.usage
    if usage is not None and usage.estimated and not exchange.streaming:
        lines += b"x-narthex-usage: estimated\r\n"
    if exchange.dropped:
        lines += b"x-narthex-dropped: %b\r\n" % ", ".join(exchange.dropped).encode()
    if exchange.plan is not None:
        lines += b"x-narthex-route: %b\r\n" % exchange.plan.header().encode()
    if exchange.attempts:
        lines += b"x-narthex-attempts: %b\r\n" % exchange.story.encode()
    if exchange.simulated:
        lines += b"x-narthex-stream: simulated\r\n"
    if exchange.told:
        lines += "".join([f"{name}: {value}\r\n" for name, value in exchange.told]).encode()
    if exchange.dialect is _ANTHROPIC:
        lines += _ANTHROPIC_ID % exchange.id.encode()
    return lines
