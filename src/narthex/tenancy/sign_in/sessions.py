"""Who is signed in. A session is a token of 256 random bits in a cookie; of it only the hash is kept.

All sessions are held in memory, and follow the list of changes like everything that a request asks: one that is ended
in any process is ended in this one at once, in others as soon as they read of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

CHANGE: Final = "session"
"""Kind of the changes of sessions."""
SEEN_EVERY_MS: Final = 60_000
"""How exactly it is kept when a session was last used."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is signed in at one browser."""

    id: str
    digest: bytes
    user_id: str
    created_at: int
    seen_at: int
    expires_at: int
    address: str
    agent: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """For how long sessions hold, in milliseconds."""

    idle_ms: int
    longest_ms: int


def digest_of(token: str) -> bytes:
    """Return what is kept of a token: it is random enough for a hash that is fast."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


class Sessions:
    """The sessions there are. Read and told on the event loop."""

    def __init__(self, lifetimes: Lifetimes) -> None:
        """Hold nothing yet."""
        self.lifetimes = lifetimes
        self._by_digest: dict[bytes, Session] = {}
        self._digests: dict[str, bytes] = {}

    def find(self, token: str, now: int) -> Session | None:
        """Return the session of a token; None if there is none, or it is over."""
        return self.held(digest_of(token), now)

    def held(self, digest: bytes, now: int) -> Session | None:
        """Return the session of this digest; None if there is none, or it is over."""
        session = self._by_digest.get(digest)
        return session if session is not None and self.is_open(session, now) else None

    def is_open(self, session: Session, now: int) -> bool:
        """Tell whether a session is neither too old nor unused for too long."""
        return now < min(session.expires_at, session.seen_at + self.lifetimes.idle_ms)

    def of(self, user_id: str, now: int) -> list[Session]:
        """Return the open sessions of a user, the one that was used last first."""
        own = (one for one in self._by_digest.values() if one.user_id == user_id and self.is_open(one, now))
        return sorted(own, key=lambda one: (one.seen_at, one.created_at, one.id), reverse=True)

    def load(self, everything: Sequence[Session]) -> None:
        """Hold these, and no others."""
        self._by_digest, self._digests = {}, {}
        self.take([], everything)

    def take(self, subjects: Sequence[str], found: Sequence[Session]) -> bool:
        """Take over what has changed: one that is named and was not found is no more; return whether one was ended."""
        there = {one.id for one in found}
        ended = any(subject in self._digests and subject not in there for subject in subjects)
        for subject in subjects:
            digest = self._digests.pop(subject, None)
            if digest is not None:
                self._by_digest.pop(digest, None)
        for one in found:
            self._by_digest[one.digest], self._digests[one.id] = one, one.digest
        return ended
