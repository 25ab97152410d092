"""Keys for a few minutes: made for clients that cannot be trusted with a real one, such as a page in a browser.

Such a key opens sockets, and nothing else. It rests on the key of whoever asked for it: it has that key's rights, as
they are at the time, and opens nothing any more once that key does not.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from narthex.errors import AuthenticationFailed, BodyTooLarge, Overloaded
from narthex.tenancy.keys import Caller, KeyMark, Keyring

PREFIX: Final = "ek_"
"""What every such key begins with, as OpenAI's do."""

MAX_SESSION_BYTES: Final = 1_048_576
"""Largest session that a key may stand for, in bytes of JSON."""
MAX_TOTAL_BYTES: Final = 67_108_864
"""Most that all sessions may take up, in bytes of JSON."""
_RANDOM_BYTES: Final = 24
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What an ephemeral key stands for."""

    rests_on: KeyMark
    """Mark of the key that it was made with."""
    expires_at: float
    """Unix time in seconds."""
    session: dict[str, object]
    """What every session that it opens begins with, in the words of the API that made it."""
    size_bytes: int
    """Of that, as JSON."""


class EphemeralKeys:
    """The ephemeral keys of this process, held as keyed hashes."""

    def __init__(self, keyring: Keyring, *, maximum: Callable[[], int], clock: Callable[[], float] = time.time) -> None:
        """Hold none yet.

        Args:
            keyring: The keys that these rest on.
            maximum: Tells the most that may be held at once.
            clock: Tells Unix time in seconds.
        """
        self._keyring = keyring
        self._clock = clock
        self._grants: dict[KeyMark, Grant] = {}
        self._size_bytes = 0
        self._maximum = maximum

    def __len__(self) -> int:
        return len(self._grants)

    def issue(self, rests_on: KeyMark, *, lifetime_s: float, session: dict[str, object]) -> tuple[str, Grant]:
        """Make a key and return it with what it stands for; the key itself is not kept.

        Raises:
            BodyTooLarge: Its session is.
            Overloaded: There are as many as may be, and none has expired.
        """
        now, maximum, size_bytes = self._clock(), self._maximum(), len(_encode(session))
        if size_bytes > MAX_SESSION_BYTES:
            raise BodyTooLarge(f"session: an ephemeral key stands for {MAX_SESSION_BYTES} bytes at most")
        if not self._has_room(size_bytes, maximum):
            self._forget(now)
        if not self._has_room(size_bytes, maximum):
            raise Overloaded(
                f"there are {maximum} ephemeral keys already, or their sessions take up {MAX_TOTAL_BYTES} bytes; try "
                "again when some have expired, or raise `sockets.max_ephemeral_keys`",
                retry_after_s=min((one.expires_at for one in self._grants.values()), default=now) - now,
            )
        key = PREFIX + secrets.token_hex(_RANDOM_BYTES)
        grant = Grant(rests_on=rests_on, expires_at=now + lifetime_s, session=session, size_bytes=size_bytes)
        self._grants[self._keyring.mark_of(key.encode())] = grant
        self._size_bytes += size_bytes
        return key, grant

    def redeem(self, key: bytes) -> tuple[Caller, Grant]:
        """Return on whose behalf a key opens a socket, and what it stands for.

        Raises:
            AuthenticationFailed: It is none of these, it has expired, or the key that it rests on is gone.
        """
        grant = self._grants.get(self._keyring.mark_of(key))
        if grant is None or grant.expires_at <= self._clock():
            raise AuthenticationFailed(
                "this ephemeral key is not valid, or not any more; make a new one with POST /v1/realtime/client_secrets"
            )
        caller = self._keyring.holder(grant.rests_on)
        if caller is None:
            raise AuthenticationFailed("the key that this ephemeral key was made with is not valid any more")
        return caller, grant

    def _has_room(self, size_bytes: int, maximum: int) -> bool:
        return len(self._grants) < maximum and self._size_bytes + size_bytes <= MAX_TOTAL_BYTES

    def _forget(self, now: float) -> None:
        holder = self._keyring.holder
        self._grants = {
            mark: grant
            for mark, grant in self._grants.items()
            if grant.expires_at > now and holder(grant.rests_on) is not None
        }
        self._size_bytes = sum(grant.size_bytes for grant in self._grants.values())
