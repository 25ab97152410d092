"""HTTP/1.1 as a client speaks it, without I/O: requests to bytes, bytes to answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import httptools

from narthex.client.endpoint import Endpoint
from narthex.errors import BrokenAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request, before it is written for one gateway."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Beside those of every request; names in lower case."""

    def encode(self, endpoint: Endpoint) -> bytes:
        """Write it for this gateway."""
        fields = {"host": endpoint.authority, **endpoint.headers, **self.headers}
        if self.body is not None:
            fields["content-type"] = "application/json"
            fields["content-length"] = str(len(self.body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"{self.method} {endpoint.prefix}{self.path} HTTP/1.1\r\n{lines}\r\n".encode("ascii") + (
            self.body or b""
        )


@dataclass(slots=True)
class Head:
    """Status and headers of an answer."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case; the last of several with one name."""


class ResponseReader:
    """Reads one answer from the pieces it arrives in."""

    def __init__(self) -> None:
        self.head: Head | None = None
        """Status and headers, once they are there."""
        self.complete = False
        """Whether the answer has come to its end."""
        self.reusable = False
        """Whether the connection may carry another request, once complete."""
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._until_closed = False
        self._overrun = False

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came; return what they add to the body.

        Raises:
            BrokenAnswer: They are not HTTP.

        What follows the end of the answer is dropped, and the connection with it.
        """
        if self.complete:
            self.reusable = self.reusable and not data
            return b""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise BrokenAnswer(f"what answered does not speak HTTP: {error}") from error
        if self._overrun:
            self.reusable = False
        body = b"".join(self._body)
        self._body.clear()
        return body

    def close(self) -> None:
        """Take note that the connection has ended.

        Raises:
            BrokenAnswer: The answer is not complete.
        """
        if self._until_closed:
            self.complete = True
        if not self.complete:
            when = "in the middle of its answer" if self.head is not None else "before it answered"
            raise BrokenAnswer(f"the gateway closed the connection {when}")

    def on_message_begin(self) -> None:
        """Take note of bytes behind the end."""
        self._overrun = self.complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        if not self._overrun:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Take the head; informational answers are passed over."""
        status = self._parser.get_status_code()
        if status >= 200 and not self._overrun:
            self.head = Head(status, self._headers)
            framed = "content-length" in self._headers or "chunked" in self._headers.get("transfer-encoding", "")
            self._until_closed = not framed and status not in (204, 304)
        self._headers = {}

    def on_body(self, body: bytes) -> None:
        """Take more of the body."""
        if not self._overrun:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Take note of the end."""
        if self._overrun:
            self.reusable = False
        elif self.head is not None:
            self.complete = True
            self.reusable = self._parser.should_keep_alive() and not self._until_closed
