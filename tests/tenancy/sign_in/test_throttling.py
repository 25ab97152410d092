"""Pauses after failures, counted for all processes that share a database."""

from __future__ import annotations

import asyncio

from sqlalchemy import select

from narthex.errors import SignInThrottled
from narthex.stores.database import Database
from narthex.stores.database.schema import sign_in_tries
from narthex.tenancy.sign_in.throttling import Throttle, network_of

HERE, THERE = "192.0.2.1", "198.51.100.1"


class Clock:
    """Unix time in milliseconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000

    def __call__(self) -> int:
        """Tell the time."""
        return self.now


def throttle(database: Database, clock: Clock) -> Throttle:
    """Return what one process has."""

    async def opened() -> Database:
        return database

    async def key() -> bytes:
        return b"k" * 32

    return Throttle(opened, key, clock)


async def pause_s(one: Throttle, user: str, address: str) -> float:
    """Try, and return how long one has to wait first."""
    try:
        await one.attempt(user, address)
    except SignInThrottled as error:
        return error.retry_after_s or 0.0
    return 0.0


async def test_pauses_grow_with_each_failure(database: Database) -> None:
    """After some that are free: twice as long each time, up to a quarter of an hour."""
    clock = Clock()
    one, waited = throttle(database, clock), []
    for _ in range(20):
        pause = await pause_s(one, "ada", HERE)
        if pause:
            waited.append(pause)
            clock.now += round(pause * 1_000)
            await one.attempt("ada", HERE)
    assert waited[:4] == [2.0, 4.0, 8.0, 16.0]
    assert max(waited) == 900.0


async def test_processes_count_as_one(database: Database) -> None:
    """Of a hundred tries at once, spread over several, so many pass as of one."""
    clock = Clock()
    several = [throttle(database, clock) for _ in range(4)]
    waits = await asyncio.gather(*(pause_s(several[number % 4], "ada", HERE) for number in range(100)))
    assert sum(wait == 0 for wait in waits) == 5


async def test_who_guesses_locks_nobody_out(database: Database) -> None:
    """Somebody who signs in from where they always do is not held up by guesses from elsewhere, and hides none."""
    one = throttle(database, Clock())
    await one.attempt("ada", HERE)
    await one.succeeded("ada", HERE)
    for number in range(6):
        await pause_s(one, "ada", f"198.51.100.{number}")
    assert await pause_s(one, "ada", "198.51.100.77") > 0
    assert await pause_s(one, "ada", HERE) == 0
    await one.succeeded("ada", HERE)
    assert await pause_s(one, "ada", "198.51.100.77") > 0
    assert await pause_s(one, "grace", HERE) == 0


async def test_an_address_that_tries_many_users_is_held_up(database: Database) -> None:
    """Whoever they are; a network of IPv6 is one address."""
    one = throttle(database, Clock())
    for number in range(21):
        await one.attempt(f"user{number}" if number % 2 else "", f"2001:db8::{number:x}")
    assert await pause_s(one, "another", "2001:db8::ffff") > 0
    assert await pause_s(one, "", "2001:db8::ffff") > 0
    assert await pause_s(one, "another", "2001:db8:1::1") == 0


async def test_success_forgives(database: Database) -> None:
    """Tries side by side count while they are under way; those that succeed do not stay."""
    one = throttle(database, Clock())
    for _ in range(25):
        await one.attempt("ada", HERE)
        await one.succeeded("ada", HERE)
    waits = [await pause_s(one, "ada", HERE) for _ in range(6)]
    assert waits == [0.0, 0.0, 0.0, 0.0, 0.0, 2.0]


async def test_failures_are_forgotten(database: Database) -> None:
    """After an hour; nothing stays of them, and nothing of it ever told who was meant."""
    clock = Clock()
    one = throttle(database, clock)
    for _ in range(5):
        await one.attempt("ada", HERE)
    assert b"ada" not in b"".join(await database.read(lambda c: c.scalars(select(sign_in_tries.c.name)).all()))
    clock.now += 3_700_000
    assert await pause_s(one, "grace", THERE) == 0
    assert len(await database.read(lambda c: c.execute(select(sign_in_tries)).all())) == 2
    assert [await pause_s(one, "ada", HERE) for _ in range(4)] == [0.0] * 4


async def test_a_clock_that_is_set_back_locks_nobody_out(database: Database) -> None:
    """A pause is never longer than the longest."""
    clock = Clock()
    one = throttle(database, clock)
    for _ in range(5):
        await one.attempt("ada", HERE)
    clock.now -= 86_400_000
    assert await pause_s(one, "ada", HERE) == 900.0


def test_an_address_belongs_to_a_network() -> None:
    """Of IPv4 to itself, however it is written."""
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("2001:db8::1%eth0") == "2001:db8::/64"
    assert network_of("unknown") == "unknown"
