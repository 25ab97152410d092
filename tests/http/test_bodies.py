"""Bodies of requests are read to their end."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.types import Message

from narthex.errors import RequestTimeout
from narthex.http.bodies import read_body


def asking(*messages: Message) -> Request:
    """Return a request whose body comes in these messages."""
    coming = iter(messages)

    async def receive() -> Message:
        return next(coming)

    return Request({"type": "http"}, receive)


async def test_pieces_make_the_body() -> None:
    """However it was cut, empty pieces among them."""
    pieces: list[Message] = [
        {"type": "http.request", "body": b"one ", "more_body": True},
        {"type": "http.request", "more_body": True},
        {"type": "http.request", "body": b"two"},
    ]
    assert await read_body(asking(*pieces)) == b"one two"


async def test_a_body_that_does_not_end_is_no_body() -> None:
    """Whoever leaves in the middle has asked for nothing."""
    with pytest.raises(RequestTimeout):
        await read_body(asking({"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}))
