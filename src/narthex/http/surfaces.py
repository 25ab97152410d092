"""The model routes: which path speaks which dialect, and how it says that something is wrong."""

from __future__ import annotations

import http
import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from narthex.errors import AnswerNotKept, IdempotencyConflict, LimitExceeded, NarthexError
from narthex.pipeline.writing import error_body, error_frames
from narthex.types.dialects import Dialect, Operation


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


def error_headers(error: NarthexError) -> list[tuple[bytes, bytes]]:
    """Return the headers that say what was tried, and whether and when trying again makes sense."""
    told = [] if error.attempts is None else [(b"x-narthex-attempts", error.attempts.encode())]
    if isinstance(error, IdempotencyConflict | AnswerNotKept):
        told.append(_NEVER_AGAIN)
    if isinstance(error, LimitExceeded) and error.retry_after_s is None:
        # No time brings what this call asks for.
        told.append(_NEVER_AGAIN)
    if error.retry_after_s is None:
        return told
    seconds = min(max(0.0, error.retry_after_s), LONGEST_WAIT_S)
    return [*told, (b"retry-after", b"%d" % math.ceil(seconds)), (b"retry-after-ms", b"%d" % (seconds * 1000))]


__all__ = [
    "LONGEST_WAIT_S",
    "STATUS_LINES",
    "SURFACES",
    "Surface",
    "dialect_of",
    "error_body",
    "error_frames",
    "error_headers",
]
