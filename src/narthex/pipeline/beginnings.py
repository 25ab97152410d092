"""How a call begins: what whoever answered the last one that began so may still have read, in a provider's cache."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

import msgspec

from narthex.errors import NarthexError
from narthex.pipeline.context_caching import BYTES_PER_TOKEN, wanted
from narthex.pipeline.exchange import Exchange
from narthex.types.dialects import Operation

LEAST_BYTES: Final = 1_024 * BYTES_PER_TOKEN
"""Hardly any provider keeps less."""
MOST_BYTES: Final = 4_194_304
"""What is larger would hold up others while it is read."""
TOLD_APART_BY_BYTES: Final = 32_768
"""So much of each part tells it from others: where a call goes is no matter of right and wrong."""

_INSTRUCTIONS: Final = frozenset({"system", "developer"})
_NOTHING: Final = msgspec.Raw(b"")


class _Message(msgspec.Struct):
    role: str = ""


class _Request(msgspec.Struct):
    """A request of any dialect."""

    messages: list[msgspec.Raw] = []
    input: msgspec.Raw = _NOTHING
    tools: msgspec.Raw = _NOTHING
    system: msgspec.Raw = _NOTHING
    instructions: msgspec.Raw = _NOTHING


_request = msgspec.json.Decoder(_Request).decode
_message = msgspec.json.Decoder(_Message).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def prefix_of(exchange: Exchange, *, auto: bool) -> bytes:
    """Return a digest of how a call begins, within its workspace; empty where nothing is to be made of it.

    Args:
        exchange: The call.
        auto: Whether calls that are large enough for a provider to keep their beginning are meant without being asked.

    A single question is known by its tools and instructions, if these are large; a conversation also by what was said
    first, so that it stays where it is.

    Raises:
        InvalidRequest: The header says neither `on` nor `off`.
    """
    if exchange.operation is not Operation.CHAT:
        return b""
    asked = wanted(exchange)
    if asked is False or (asked is None and not auto):
        return b""
    if exchange.prefix is None:
        exchange.prefix = _digest(exchange, 0 if asked else LEAST_BYTES)
    return exchange.prefix


def _digest(exchange: Exchange, least_bytes: int) -> bytes:
    try:
        body = exchange.body or _encode(exchange.chat_request())
        if not least_bytes <= len(body) <= MOST_BYTES:
            return b""
        head, messages = _parts(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, NarthexError):
        # What cannot be read is nobody's business here.
        return b""
    caller = exchange.caller
    who = "" if caller is None else f"{caller.tenant}\0{caller.account.workspace_id}"
    found = blake2b(who.encode(), digest_size=16)
    is_single = len(messages) <= 1 and sum(map(len, head)) >= LEAST_BYTES
    for part in (*head, *(() if is_single else messages[:1])):
        found.update(b"%d:" % len(part))
        found.update(part[:TOLD_APART_BY_BYTES])
    return found.digest()


def _parts(body: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return tools and instructions, and then the messages behind them."""
    request = _request(body)
    said = list(map(bytes, request.messages or _given(bytes(request.input))))
    begin = len(list(_leading(said)))
    head = [bytes(part) for part in (request.tools, request.system, request.instructions)]
    return [*head, *said[:begin]], said[begin:]


def _given(given: bytes) -> list[msgspec.Raw]:
    return _items(given) if given.startswith(b"[") else [msgspec.Raw(given)] if given else []


def _leading(said: list[bytes]) -> Iterator[bytes]:
    for one in said:
        if not one.startswith(b"{") or _message(one).role not in _INSTRUCTIONS:
            return
        yield one
