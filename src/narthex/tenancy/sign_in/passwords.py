"""Passwords: hashed with Argon2id, in threads of their own, a few at a time."""

from __future__ import annotations

import asyncio
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from narthex.errors import InvalidRequest, Overloaded
from narthex.tenancy.sign_in.common_passwords import is_common

if TYPE_CHECKING:
    from argon2 import PasswordHasher

LEAST_CHARACTERS: Final = 12
MOST_CHARACTERS: Final = 512
"""More is no password: what is hashed has a bound."""
_AT_ONCE: Final = max(1, min((os.cpu_count() or 1) // 2, 4))
"""Each takes a core, and as much memory as its cost says: calls are to have the others."""
_WAITING: Final = 32
"""More is an attack, not a morning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one hash costs.

    By default 100 ms of one slow core, and more than the least that is recommended, which is two passes over 19 MiB:
    https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id
    The second recommendation of RFC 9106, three passes over 64 MiB in four lanes, takes 300 ms there, and all cores.
    """

    time: int = 2
    memory_kib: int = 32_768
    lanes: int = 1
    """Threads that one hash takes."""


DEFAULT_COST: Final = Cost()


class Passwords:
    """Hashes passwords, and checks them against hashes."""

    def __init__(self, cost: Cost = DEFAULT_COST) -> None:
        """Take the cost of new hashes; those made at another cost are still checked."""
        self._cost = cost
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="passwords")
        self._hasher: PasswordHasher | None = None
        self._nobody = ""
        self._waiting = 0

    def close(self) -> None:
        """Take no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hashed(self, password: str) -> str:
        """Return the hash of a password, with its salt and cost.

        Raises:
            Overloaded: Too many others wait.
        """
        self._enter()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self.hashed_now, password)
        finally:
            self._waiting -= 1

    async def fits(self, password: str, known: str | None) -> bool:
        """Tell whether a hash is that of a password; without a hash, as late as with one, that it is not.

        Raises:
            Overloaded: Too many others wait.
        """
        self._enter()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self.fits_now, password, known)
        finally:
            self._waiting -= 1

    def hashed_now(self, password: str) -> str:
        """Do what `hashed` does, in this thread."""
        return self._ready().hash(password)

    def fits_now(self, password: str, known: str | None) -> bool:
        """Do what `fits` does, in this thread."""
        from argon2.exceptions import Argon2Error, InvalidHashError  # noqa: PLC0415 - as below

        hasher = self._ready()
        if not self._nobody:
            # Whoever comes first waits for it, known or not.
            self._nobody = hasher.hash(secrets.token_hex(16))
        try:
            hasher.verify(known or self._nobody, password[:MOST_CHARACTERS])
        except (Argon2Error, InvalidHashError):
            return False
        return known is not None

    def is_outdated(self, known: str) -> bool:
        """Tell whether a hash was made at another cost than new ones are."""
        return self._ready().check_needs_rehash(known)

    def _ready(self) -> PasswordHasher:
        if self._hasher is None:
            # Loaded when somebody signs in: no start waits for it.
            from argon2 import PasswordHasher, Type  # noqa: PLC0415

            cost = self._cost
            self._hasher = PasswordHasher(
                time_cost=cost.time, memory_cost=cost.memory_kib, parallelism=cost.lanes, type=Type.ID
            )
        return self._hasher

    def _enter(self) -> None:
        if self._waiting >= _AT_ONCE + _WAITING:
            raise Overloaded("too many people sign in at this moment; try again in a few seconds", retry_after_s=5)
        self._waiting += 1


def checked_password(password: str, *, about: tuple[str, ...] = (), param: str = "password") -> str:
    """Return a password that may be set.

    Args:
        password: As it was chosen.
        about: What others know of the person, such as the e-mail address: no password is made of that alone.
        param: Where it stood in the request.

    Raises:
        InvalidRequest: It is too short, too long, or too easily guessed.
    """
    if len(password) < LEAST_CHARACTERS:
        message = f"a password has at least {LEAST_CHARACTERS} characters; a few words in a row make a good one"
        raise InvalidRequest(message, param=param)
    if len(password) > MOST_CHARACTERS:
        raise InvalidRequest(f"a password has at most {MOST_CHARACTERS} characters", param=param)
    if is_common(password) or _tells(password, about):
        raise InvalidRequest(
            "this password is among the first that are guessed; choose one that nobody would think of", param=param
        )
    return password


def _tells(password: str, about: tuple[str, ...]) -> bool:
    """Tell whether a password is hardly more than what is known of the person."""
    rest = password.casefold()
    for one in sorted((part for each in about for part in _parts(each)), key=len, reverse=True):
        rest = rest.replace(one, "")
    return len([one for one in rest if one.isalpha()]) < 4 and rest != password.casefold()


def _parts(text: str) -> list[str]:
    whole = text.casefold()
    words = "".join(one if one.isalnum() else " " for one in whole).split()
    return [one for one in (whole, *words) if len(one) > 2]
