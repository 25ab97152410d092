"""Passwords are hashed with Argon2id, off the event loop, a few at a time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from narthex.errors import InvalidRequest, Overloaded
from narthex.tenancy.sign_in.passwords import _AT_ONCE, _WAITING, Cost, Passwords, checked_password
from tests.tenancy.sign_in.receptions import CHEAP, PASSWORD


async def test_a_password_fits_its_hash_alone() -> None:
    """The hash is Argon2id with its own salt, and never the password."""
    passwords = Passwords(CHEAP)
    one, other = await passwords.hashed(PASSWORD), await passwords.hashed(PASSWORD)
    assert one.startswith("$argon2id$")
    assert one != other
    assert PASSWORD not in one
    assert await passwords.fits(PASSWORD, one)
    assert not await passwords.fits(PASSWORD + " ", one)
    assert not await passwords.fits(PASSWORD, "no hash")
    passwords.close()


async def test_nobody_costs_as_much_as_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a hash one is checked all the same, and nothing fits."""
    passwords = Passwords(CHEAP)
    checked: list[str] = []
    hasher = passwords._ready()

    class Seen:
        def verify(self, known: str, password: str) -> bool:
            checked.append(known)
            return hasher.verify(known, password)

        def hash(self, password: str) -> str:
            return hasher.hash(password)

    monkeypatch.setattr(passwords, "_hasher", Seen())
    assert not await passwords.fits(PASSWORD, None)
    assert not await passwords.fits(PASSWORD, None)
    assert len(checked) == 2
    assert checked[0].startswith("$argon2id$")
    assert f"m={CHEAP.memory_kib},t={CHEAP.time},p={CHEAP.lanes}" in checked[0]
    passwords.close()


def test_the_cost_is_not_below_what_is_recommended() -> None:
    """OWASP's least for Argon2id: two passes over 19 MiB; and one thread, so that no check takes more than a core."""
    cost = Cost()
    assert (cost.time, cost.lanes) == (2, 1)
    assert cost.memory_kib >= 19 * 1_024


async def test_a_check_holds_nothing_up() -> None:
    """While a password is checked at the real cost, the event loop turns."""
    passwords = Passwords()
    known = passwords.hashed_now(PASSWORD)
    checking = asyncio.ensure_future(passwords.fits(PASSWORD, known))
    turns = 0
    while not checking.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert await checking
    assert turns > 3
    passwords.close()


def test_a_hash_of_another_cost_is_outdated() -> None:
    """It still fits."""
    before, after = Passwords(CHEAP), Passwords(Cost(time=2, memory_kib=64, lanes=1))
    known = before.hashed_now(PASSWORD)
    assert not before.is_outdated(known)
    assert after.is_outdated(known)
    assert after.fits_now(PASSWORD, known)


async def test_only_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of sign-ins is refused, before it takes memory; afterwards all is as before."""
    passwords, gate = Passwords(CHEAP), threading.Event()

    def slow(password: str, known: str | None) -> bool:
        return gate.wait(10) and password == known

    monkeypatch.setattr(passwords, "fits_now", slow)
    tasks = [asyncio.ensure_future(passwords.fits("x", None)) for _ in range(_AT_ONCE + _WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await passwords.fits("x", None)
    gate.set()
    await asyncio.gather(*tasks)
    assert await passwords.fits("x", "x")
    passwords.close()


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "at least 12"),
        ("x" * 513, "at most 512"),
        ("password1234", "first that are guessed"),
        ("ada.lovelace1", "first that are guessed"),
        ("lovelace-ada-1815", "first that are guessed"),
    ],
)
def test_a_poor_password_is_refused(password: str, why: str) -> None:
    """Too short, too long, common, or hardly more than the person's own name."""
    with pytest.raises(InvalidRequest, match=why):
        checked_password(password, about=("Ada Lovelace", "ada.lovelace@example.org"))


def test_a_good_password_is_taken() -> None:
    """Even where a name is a part of it."""
    assert checked_password("ada rides herons at noon", about=("Ada Lovelace",))
