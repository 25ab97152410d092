"""The connection comes back by itself, says what is wrong once, and keeps no secret in what it says."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from narthex.stores.link import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    LinkSettings,
    RedisLink,
    StoreUnavailable,
    raise_if_cancelled,
)
from narthex.testing.clock import FakeClock

SECRET_URL = "redis://user:hunter2@127.0.0.1:1/0"


class Bench:
    """A link whose sessions and pauses are the test's."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.pauses: list[float] = []
        self.ended = 0
        self.enough = 10**6
        self.link = RedisLink(
            LinkSettings(url=SECRET_URL), clock=self.clock, chance=random.Random(1), sleep=self._sleep
        )

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if len(self.pauses) >= self.enough:
            raise asyncio.CancelledError

    def _end(self) -> None:
        self.ended += 1

    async def run(self, session: Callable[[Redis], Awaitable[None]], *, sessions: int) -> None:
        """Hold so many sessions."""
        self.enough = len(self.pauses) + sessions
        with pytest.raises(asyncio.CancelledError):
            await self.link.run(session, ended=self._end)


async def broken(_: Redis) -> None:
    """Fail at once."""
    raise ConnectionRefusedError("Connection refused.")


async def test_a_server_that_is_not_there_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """However often it is tried, one line says so, and one when it is back; the status says it all the time."""
    caplog.set_level(logging.INFO)
    bench = Bench()
    assert (bench.link.status().state, bench.link.up, bench.link.tried.is_set()) == ("connecting", False, False)
    await bench.run(broken, sessions=20)
    status = bench.link.status()
    assert (status.state, status.detail, status.losses) == ("down", "Connection refused.", 0)
    assert bench.link.tried.is_set()
    assert len(caplog.records) == 1
    assert bench.ended == 20

    async def good(_: Redis) -> None:
        bench.link.connected()
        assert bench.link.up
        bench.clock.set(bench.clock() + 3)
        assert bench.link.status().for_s == 3
        raise StoreUnavailable("cut")

    await bench.run(good, sessions=1)
    assert (bench.link.status().state, bench.link.status().losses) == ("down", 1)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "WARNING"]
    assert "is back after" in caplog.text


async def test_a_silent_error_is_named_by_its_kind() -> None:
    """An error without words is told by what it is."""
    bench = Bench()

    async def silent(_: Redis) -> None:
        raise TimeoutError

    await bench.run(silent, sessions=1)
    assert bench.link.status().detail == "TimeoutError"


async def test_a_fault_of_ours_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    """A session that breaks by a mistake is logged with its traceback, and the next one begins."""
    bench = Bench()

    async def faulty(_: Redis) -> None:
        raise ZeroDivisionError

    await bench.run(faulty, sessions=2)
    assert bench.ended == 2
    assert "ZeroDivisionError" in caplog.text


async def test_it_comes_back_quickly_and_then_less_so() -> None:
    """Pauses grow to a bound, with jitter, and begin anew after a good connection."""
    bench = Bench()
    await bench.run(broken, sessions=12)
    longest = [min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**tries) for tries in range(12)]
    assert all(most / 2 <= pause <= most for pause, most in zip(bench.pauses, longest, strict=True))

    async def brief(_: Redis) -> None:
        bench.link.connected()
        raise ConnectionResetError

    await bench.run(brief, sessions=3)
    assert min(bench.pauses[-3:]) >= LONGEST_PAUSE_S / 2

    async def good(_: Redis) -> None:
        bench.link.connected()
        await bench.clock.advance(LONGEST_PAUSE_S)
        raise ConnectionResetError

    await bench.run(good, sessions=1)
    assert bench.pauses[-1] <= FIRST_PAUSE_S


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (SECRET_URL, "redis://127.0.0.1:1"),
        ("rediss://:hunter2@cache.example:6380/2?ssl_ca_certs=/x", "rediss://cache.example:6380"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock"),
    ],
)
async def test_no_secret_is_told(url: str, address: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither log, status, metrics nor representation hold the password."""
    link = RedisLink(LinkSettings(url=url))
    assert link.status().address == address

    async def sleep(_: float) -> None:
        raise asyncio.CancelledError

    link = RedisLink(LinkSettings(url=url), sleep=sleep)
    with pytest.raises(asyncio.CancelledError):
        await link.run(broken, ended=lambda: None)
    told = (caplog.text, repr(link.status()), repr(link.settings), *link.lines())
    assert "hunter2" not in " ".join(told)


async def test_it_is_in_the_metrics() -> None:
    """Whether it is connected, and how often it was lost."""
    bench = Bench()
    assert "narthex_redis_up 0" in list(bench.link.lines())

    async def good(_: Redis) -> None:
        bench.link.connected()
        assert "narthex_redis_up 1" in list(bench.link.lines())
        raise ConnectionResetError

    await bench.run(good, sessions=2)
    assert {"narthex_redis_up 0", "narthex_redis_losses_total 2"} <= set(bench.link.lines())


async def test_a_cancellation_that_was_kept_back_holds() -> None:
    """Whoever was cancelled ends, although what it called said nothing of it."""

    async def deaf() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        raise_if_cancelled()
        raise AssertionError("it went on")

    raise_if_cancelled()
    task = asyncio.ensure_future(deaf())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
