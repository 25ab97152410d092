"""Bodies of requests, as they come."""

from __future__ import annotations

from fastapi import Request

from narthex.errors import RequestTimeout


async def read_body(request: Request) -> bytes:
    """Return the body of a request, to its end.

    Raises:
        RequestTimeout: The client left before it was complete.
        BodyTooLarge: It is over the limit.
    """
    parts: list[bytes] = []
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise RequestTimeout
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
