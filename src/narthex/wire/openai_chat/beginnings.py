"""How a request begins, byte by byte: what a provider that keeps prefixes by itself may have read before."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

_INSTRUCTIONS = frozenset({"system", "developer"})


class _Message(msgspec.Struct):
    role: str = ""


class _Request(msgspec.Struct):
    messages: list[msgspec.Raw] = []
    tools: msgspec.Raw = msgspec.Raw(b"")


_request = msgspec.json.Decoder(_Request).decode
_message = msgspec.json.Decoder(_Message).decode


def beginning(body: bytes, *, least_bytes: int) -> bytes | None:
    """Return how a request begins: its tools and instructions, which many share; with what was said first, if need be.

    Args:
        body: The request.
        least_bytes: Below that, tools and instructions alone are not kept by any provider.

    Returns None where it is no request that can be read.
    """
    try:
        request = _request(body)
        head = b"".join((bytes(request.tools), *_instructions(request.messages)))
        if len(head) >= least_bytes:
            return head
        first = len(list(_instructions(request.messages)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return head + b"".join(bytes(one) for one in request.messages[first : first + 1])


def _instructions(messages: list[msgspec.Raw]) -> Iterator[bytes]:
    for message in messages:
        if _message(message).role not in _INSTRUCTIONS:
            return
        yield bytes(message)
