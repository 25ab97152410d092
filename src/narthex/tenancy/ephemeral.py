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

from narthex.errors import AuthenticationFailed, Overloaded
from narthex.tenancy.keys import Caller, KeyMark, Keyring, mark_of

PREFIX: Final = "ek_"
"""What every such key begins with, as OpenAI's do."""

_RANDOM_BYTES: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What an ephemeral key stands for."""

    rests_on: KeyMark
    """Mark of the key that it was made with."""
    expires_at: float
    """Unix time in seconds."""
    session: dict[str, object]
    """What every session that it opens begins with, in the words of the API that made it."""


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
        self._maximum = maximum

    def __len__(self) -> int:
        return len(self._grants)

    def issue(self, rests_on: KeyMark, *, lifetime_s: float, session: dict[str, object]) -> tuple[str, Grant]:
        """Make a key and return it with what it stands for; the key itself is not kept.

        Raises:
            Overloaded: There are as many as may be, and none has expired.
        """
        now, maximum = self._clock(), self._maximum()
        if len(self._grants) >= maximum:
            self._forget(now)
        if len(self._grants) >= maximum:
            raise Overloaded(
                f"there are {maximum} ephemeral keys already; try again when some have expired, or raise "
                "`sockets.max_ephemeral_keys`",
                retry_after_s=min((one.expires_at for one in self._grants.values()), default=now) - now,
            )
        key = PREFIX + secrets.token_hex(_RANDOM_BYTES)
        grant = Grant(rests_on=rests_on, expires_at=now + lifetime_s, session=session)
        self._grants[mark_of(key.encode())] = grant
        return key, grant

    def redeem(self, key: bytes) -> tuple[Caller, Grant]:
        """Return on whose behalf a key opens a socket, and what it stands for.

        Raises:
            AuthenticationFailed: It is none of these, it has expired, or the key that it rests on is gone.
        """
        grant = self._grants.get(mark_of(key))
        if grant is None or grant.expires_at <= self._clock():
            raise AuthenticationFailed(
                "this ephemeral key is not valid, or not any more; make a new one with POST /v1/realtime/client_secrets"
            )
        caller = self._keyring.holder(grant.rests_on)
        if caller is None:
            raise AuthenticationFailed("the key that this ephemeral key was made with is not valid any more")
        return caller, grant

    def _forget(self, now: float) -> None:
        holder = self._keyring.holder
        self._grants = {
            mark: grant
            for mark, grant in self._grants.items()
            if grant.expires_at > now and holder(grant.rests_on) is not None
        }
