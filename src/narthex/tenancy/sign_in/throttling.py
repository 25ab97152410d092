"""Pauses after failures: longer with each one, for the user that is meant and for the address that it comes from.

A pause of a user holds for addresses from which that user has not signed in lately: who guesses at somebody's password
slows themselves down, and does not lock that person out of the place they always work from.

Failures are counted in the database, so that all processes and nodes that share it count as one.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

from narthex.errors import SignInThrottled
from narthex.tenancy.sign_in.contract import MS

if TYPE_CHECKING:
    from narthex.stores.database import Database


class Names(NamedTuple):
    """Under which names the tries of somebody are counted: keyed hashes, which tell nobody who that is."""

    user: bytes | None
    """Of the user, wherever from; None if none is meant."""
    user_there: bytes
    """Of the user, from this address alone."""
    home: bytes
    """That the user has signed in from this address."""
    address: bytes


class Throttle:
    """Remembers failures."""

    def __init__(
        self,
        database: Callable[[], Awaitable[Database]],
        key: Callable[[], Awaitable[bytes]],
        now: Callable[[], int],
    ) -> None:
        """Take where they are kept.

        Args:
            database: Returns the database once it is open.
            key: Returns what names are hashed with, the same in all processes.
            now: Unix time in milliseconds.
        """
        self._database, self._key, self._now = database, key, now

    async def attempt(self, user: str, address: str) -> None:
        """Let somebody try, and hold it for a failure until it is told to be none: tries side by side count, too.

        Args:
            user: Whom they say they are; empty where only the address counts.
            address: Where they come from.

        Raises:
            SignInThrottled: It is too early; `retry_after_s` says when it is not.
            StoreUnavailable: The database cannot be used: nobody gets in uncounted.
        """
        from narthex.tenancy.sign_in.tries import count_try, paused_until  # noqa: PLC0415 - loads SQLAlchemy

        database, names, now = await self._database(), await self._names(user, address), self._now()
        # Who is to wait is told so without holding up those who write.
        until = await database.read(lambda connection: paused_until(connection, names, now))
        if until <= now:
            until = await database.write(lambda connection: count_try(connection, names, now))
        if until > now:
            raise SignInThrottled(retry_after_s=(until - now) / MS)

    async def succeeded(self, user: str, address: str) -> None:
        """Take note that somebody is who they say; other failures of their address still count."""
        from narthex.tenancy.sign_in.tries import forgive  # noqa: PLC0415 - as above

        database, names, now = await self._database(), await self._names(user, address), self._now()
        await database.write(lambda connection: forgive(connection, names, now))

    async def _names(self, user: str, address: str) -> Names:
        key, network = await self._key(), network_of(address)

        def hashed(*words: str) -> bytes:
            return hmac.digest(key, "\0".join(words).encode("utf-8", "replace"), hashlib.sha256)

        return Names(
            user=hashed("user", user) if user else None,
            user_there=hashed("user", user, network),
            home=hashed("home", user, network),
            address=hashed("address", network),
        )


def network_of(address: str) -> str:
    """Return to whom an address belongs: of IPv6 everybody has a whole network."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv6Address) and known.ipv4_mapped is None:
        return str(ipaddress.ip_network((known, 64), strict=False))
    return str(getattr(known, "ipv4_mapped", None) or known)
