"""API keys: presented by clients, held as keyed hashes."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, NewType

from narthex.errors import AuthenticationFailed
from narthex.types.priorities import Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The most that each stream of a key may ask for."""

    tokens_per_s: float | None = None
    """Tokens a second, estimated; None for any number."""
    bytes_per_s: int | None = None
    """Bytes a second; None for any number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """On whose behalf a request is served."""

    name: str
    """Name of the key, or `local` for the local user where there are no keys."""
    tenant: str = ""
    """To whom the key belongs; empty if nobody said."""
    priority: Priority = Priority.NORMAL
    """How urgent its calls are, unless they say otherwise."""
    ceiling: Priority = Priority.NORMAL
    """The most urgent that they may say they are."""
    stream_ceiling: Ceiling | None = None
    """How fast its streams may be; None for as fast as they come."""

    @property
    def owner(self) -> str:
        """To whom belongs what is kept for this caller: all keys of a tenant share it."""
        return f"tenant:{self.tenant}" if self.tenant else f"key:{self.name}"


LOCAL = Caller(name="local", ceiling=Priority.HIGH)
"""The local user, who needs no key while none is configured."""

KeyMark = NewType("KeyMark", bytes)
"""Which key somebody presented, without the key: its keyed hash, the same for the life of the process."""

NO_KEY: Final = KeyMark(b"")
"""The mark of the local user, who presents none."""

_PEPPER: Final = secrets.token_bytes(32)
"""Made anew in each process, and kept over reloads: a mark then stays that of its key."""


class Keyring:
    """The keys that open this server.

    Only keyed hashes (BLAKE2b, https://www.rfc-editor.org/rfc/rfc7693) are held, under a pepper that is made anew in
    each process: a dump of the memory shows no key, and the time of a look-up tells nothing about one.
    """

    def __init__(
        self,
        keys: Iterable[tuple[str, str]],
        tenants: Mapping[str, str] = MappingProxyType({}),
        *,
        priorities: Mapping[str, Priority] = MappingProxyType({}),
        ceilings: Mapping[str, Ceiling] = MappingProxyType({}),
    ) -> None:
        """Take the keys in.

        Args:
            keys: Pairs of name and key; none at all leaves the server open to the local user.
            tenants: To whom keys belong, by name.
            priorities: How urgent calls are, and may say they are, by the name of their key.
            ceilings: How fast their streams may be, by the name of their key.
        """
        self._callers = {mark_of(key.encode()): _caller(name, tenants, priorities, ceilings) for name, key in keys}

    def adopt(self, other: Keyring) -> None:
        """Hold the other ring's keys instead, at once."""
        self._callers = other._callers

    @property
    def required(self) -> bool:
        """Whether a key is needed."""
        return bool(self._callers)

    def caller(self, name: str) -> Caller | None:
        """Return who calls with the key of this name; None if there is none."""
        known = self._callers.values() or (LOCAL,)
        return next((caller for caller in known if caller.name == name), None)

    def identify(self, presented: bytes | None) -> Caller:
        """Return the caller who presents this `Authorization` or `x-api-key` value.

        Raises:
            AuthenticationFailed: A key is needed, and this is none of ours.
        """
        if not self._callers:
            return LOCAL
        if presented:
            key = bare(presented)
            caller = self._callers.get(mark_of(key))
            if caller is not None:
                return caller
            raise AuthenticationFailed("this API key is not valid here; check it, or ask who runs this server for one")
        raise AuthenticationFailed

    def mark(self, presented: bytes | None) -> KeyMark:
        """Return the mark of the key that is presented; raises as `identify` does."""
        self.identify(presented)
        return mark_of(bare(presented)) if self._callers and presented else NO_KEY

    def holder(self, mark: KeyMark) -> Caller | None:
        """Return who calls with the key of this mark; None once that key opens nothing any more."""
        if not self._callers:
            return LOCAL if mark == NO_KEY else None
        return self._callers.get(mark)


def bare(presented: bytes) -> bytes:
    """Return the key in the value of an `Authorization` or `x-api-key` header."""
    return presented[7:] if presented[:7].lower() == b"bearer " else presented


def mark_of(key: bytes) -> KeyMark:
    """Return the mark of a key."""
    return KeyMark(blake2b(key, key=_PEPPER, digest_size=32).digest())


def _caller(
    name: str, tenants: Mapping[str, str], priorities: Mapping[str, Priority], ceilings: Mapping[str, Ceiling]
) -> Caller:
    priority = priorities.get(name, Priority.NORMAL)
    return Caller(
        name=name,
        tenant=tenants.get(name, ""),
        priority=priority,
        ceiling=priority,
        stream_ceiling=ceilings.get(name),
    )
