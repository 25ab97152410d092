"""Tickets: what is told to a browser between two steps of signing in, signed and valid for minutes."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TypeVar

import msgspec

from narthex.errors import SignInExpired

T = TypeVar("T")
_MARK_BYTES = 32


class Tickets:
    """Signs tickets, and takes them back. A ticket is signed, not secret."""

    def __init__(self, key: bytes) -> None:
        """Take the key, the same for all processes."""
        self._key = key

    def write(self, purpose: str, content: object, *, expires_at: int) -> str:
        """Return a ticket for one purpose, good until then in milliseconds of Unix time."""
        body = msgspec.json.encode((purpose, expires_at, content))
        return base64.urlsafe_b64encode(self._mark(body) + body).decode().rstrip("=")

    def read(self, purpose: str, ticket: str, kind: type[T], *, now: int) -> T:
        """Return what a ticket holds.

        Raises:
            SignInExpired: It is none of ours for this purpose, or it is too old.
        """
        try:
            whole = base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))
        except ValueError as error:
            raise SignInExpired from error
        mark, body = whole[:_MARK_BYTES], whole[_MARK_BYTES:]
        if not hmac.compare_digest(mark, self._mark(body)):
            raise SignInExpired
        said, expires_at, content = msgspec.json.decode(body, type=tuple[str, int, msgspec.Raw])
        if said != purpose or expires_at <= now:
            raise SignInExpired
        return msgspec.json.decode(content, type=kind)

    def _mark(self, body: bytes) -> bytes:
        return hmac.new(self._key, body, hashlib.sha256).digest()
