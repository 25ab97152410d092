"""The model routes: which path speaks which dialect, and how it says that something is wrong."""

from __future__ import annotations

import http
import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from narthex.errors import AnswerNotKept, IdempotencyConflict, NarthexError
from narthex.types.dialects import Dialect, Operation
from narthex.wire.contract import ChatWire
from narthex.wire.registry import CHAT_WIRES
from narthex.wire.sse import encode_event


class Surface(NamedTuple):
    """A model route."""

    operation: Operation
    dialect: Dialect


SURFACES: Mapping[bytes, Surface] = {
    b"/v1/chat/completions": Surface(Operation.CHAT, Dialect.OPENAI_CHAT),
    b"/v1/responses": Surface(Operation.CHAT, Dialect.OPENAI_RESPONSES),
    b"/v1/embeddings": Surface(Operation.EMBED, Dialect.OPENAI_EMBEDDINGS),
    b"/v1/messages": Surface(Operation.CHAT, Dialect.ANTHROPIC_MESSAGES),
    b"/v1/messages/count_tokens": Surface(Operation.COUNT_TOKENS, Dialect.ANTHROPIC_COUNT_TOKENS),
}

STATUS_LINES: Mapping[int, bytes] = {
    status: f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else ''}\r\n".encode()
    for status in range(200, 600)
}

LONGEST_WAIT_S: Final = 2_592_000
"""The longest wait that is passed on: thirty days. What a provider asks for may be any number."""

_NEVER_AGAIN: Final = (b"x-should-retry", b"false")
"""What keeps the official SDKs from asking again: they take a conflict for a lock that will be free in a moment."""


def dialect_of(path: str, headers: Mapping[bytes, bytes]) -> Dialect:
    """Return the dialect in which errors on this path are told; the list of models speaks the caller's."""
    if path.startswith("/v1/messages") or (path.startswith("/v1/models") and b"anthropic-version" in headers):
        return Dialect.ANTHROPIC_MESSAGES
    return Dialect.OPENAI_CHAT


def error_body(dialect: Dialect, error: NarthexError, request_id: str) -> bytes:
    """Return the body that tells an error in the caller's dialect."""
    return _wire(dialect).encode_error(error, request_id)


def error_frames(dialect: Dialect, error: NarthexError, request_id: str) -> bytes:
    """Return the frames that end a stream with an error instead of an end."""
    event = "error" if dialect is Dialect.ANTHROPIC_MESSAGES else None
    return encode_event(_wire(dialect).encode_error(error, request_id), event=event)


def _wire(dialect: Dialect) -> ChatWire:
    if dialect is Dialect.ANTHROPIC_COUNT_TOKENS:
        dialect = Dialect.ANTHROPIC_MESSAGES
    return CHAT_WIRES.get(dialect) or CHAT_WIRES[Dialect.OPENAI_CHAT]


def error_headers(error: NarthexError) -> list[tuple[bytes, bytes]]:
    """Return the headers that say what was tried, and whether and when trying again makes sense."""
    told = [] if error.attempts is None else [(b"x-narthex-attempts", error.attempts.encode())]
    if isinstance(error, IdempotencyConflict | AnswerNotKept):
        told.append(_NEVER_AGAIN)
    if error.retry_after_s is None:
        return told
    seconds = min(max(0.0, error.retry_after_s), LONGEST_WAIT_S)
    return [*told, (b"retry-after", b"%d" % math.ceil(seconds)), (b"retry-after-ms", b"%d" % (seconds * 1000))]
