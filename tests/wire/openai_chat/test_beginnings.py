"""How requests begin: what they share, and what tells them apart."""

from __future__ import annotations

import json

import pytest

from narthex.wire.openai_chat.beginnings import beginning

SYSTEM = {"role": "system", "content": "S" * 100}
USER = {"role": "user", "content": "hello"}


def of(*messages: object, least_bytes: int = 50, **more: object) -> bytes | None:
    """Return how a request begins."""
    return beginning(json.dumps({"model": "m", "messages": messages, **more}).encode(), least_bytes=least_bytes)


def test_large_instructions_are_the_beginning() -> None:
    """Calls with the same tools and instructions begin alike, whoever says what in them."""
    assert of(SYSTEM, USER) == of(SYSTEM, {"role": "user", "content": "other"}, USER)
    assert of(SYSTEM, USER) != of(SYSTEM, USER, tools=[{"type": "function"}])
    assert of(SYSTEM, {"role": "developer", "content": "d"}, USER) != of(SYSTEM, USER)


def test_small_instructions_are_followed_by_what_was_said_first() -> None:
    """Where the instructions alone are too small to be kept, a conversation is told by its first message as well."""
    assert of(SYSTEM, USER, least_bytes=500) == of(SYSTEM, USER, SYSTEM, least_bytes=500)
    assert of(SYSTEM, USER, least_bytes=500) != of(SYSTEM, {"role": "user", "content": "x"}, least_bytes=500)


@pytest.mark.parametrize("body", [b"[", b"[]", b'{"messages":1}', b'{"messages":[1]}', b'{"messages":[{"role":1}]}'])
def test_what_cannot_be_read_has_no_beginning(body: bytes) -> None:
    """What is no request is left to its provider."""
    assert beginning(body, least_bytes=1) is None
