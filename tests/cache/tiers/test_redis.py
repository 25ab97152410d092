"""The tier in a real Redis: nobody waits for it, and nothing damaged comes out of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from narthex.cache.tiers import redis as tiers
from narthex.cache.tiers.packing import Packing
from narthex.cache.tiers.redis import RedisTier
from narthex.compression.compressor import Compressor
from narthex.compression.contract import Policy
from narthex.compression.dictionaries import FolderDictionaries
from tests.cache.kept import ENTRY, entry
from tests.cache.tiers.test_contract import promises_of_a_tier
from tests.stores.servers import RedisServer, running_redis
from tests.tenancy.waiting import until

SOON_S = 10.0


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis, for all tests here; each has names of its own in it."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now_s


class Made(RedisTier):
    """A tier whose clock is set by hand, and what it has learned."""

    def __init__(self, folder: Path, prefix: str, budget_s: float = 5.0) -> None:
        self.store = FolderDictionaries(folder)
        self.clock = Clock()
        self.packing = Packing(Compressor({"cache": Policy()}, self.store))
        super().__init__(self.packing, prefix=prefix, budget_s=budget_s, clock=self.clock, now_ms=lambda: ENTRY.made_ms)

    async def kept(self, count: int) -> None:
        """Wait until so many were written."""
        await until(lambda: self.figures.written >= count, within_s=SOON_S)


@asynccontextmanager
async def connected(server: RedisServer, tier: RedisTier) -> AsyncIterator[Redis]:
    """Have a tier write while the block lasts."""
    async with Redis.from_url(server.url) as client:
        tier.joined(client)
        works = asyncio.gather(tier.write(client), tier.carry(client))
        try:
            yield client
        finally:
            tier.left()
            works.cancel()
            await asyncio.gather(works, return_exceptions=True)


async def test_it_is_a_tier(redis: RedisServer, tmp_path: Path) -> None:
    """It keeps what every tier promises, and lets go of what is of no use any more by itself."""
    tier = Made(tmp_path, "tier")

    async def written() -> None:
        await until(lambda: not tier._waiting, within_s=SOON_S)

    async with connected(redis, tier) as client:
        await promises_of_a_tier(tier, written)
        await tier.put(ENTRY)
        assert await tier.get(ENTRY.key) == ENTRY
        await written()
        left_ms = await client.pttl(f"tier:cache:e:{ENTRY.key.hex()}")
        assert 0 < left_ms <= ENTRY.kept_ms
        await tier.put(entry(key=b"p" * 32, made_ms=ENTRY.made_ms - ENTRY.kept_ms))
        await written()
        assert await tier.get(b"p" * 32) is None


async def test_what_is_damaged_is_gone(redis: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever else lies under its name is a miss, told in the log, and taken away."""
    tier, name = Made(tmp_path, "broken"), f"broken:cache:e:{ENTRY.key.hex()}"
    async with connected(redis, tier) as client:
        for value in (b"", b"\xff\xff", b"\x00\x01x", b"\x80\x04cos\nsystem\n."):
            caplog.clear()
            await client.set(name, value)
            assert await tier.get(ENTRY.key) is None
            assert await client.exists(name) == 0
            assert "is given up" in caplog.text
        await client.hset(name, "a", "b")
        assert await tier.get(ENTRY.key) is None
        await until(lambda: "look into redis failed: WRONGTYPE" in caplog.text, within_s=SOON_S)
        assert tier.figures.failures == 5


async def test_a_server_that_is_slow_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After a few answers that came too late nobody asks it for a while; then it is tried again."""
    with running_redis(tmp_path) as server:
        tier = Made(tmp_path, "slow", budget_s=0.02)
        async with connected(server, tier):
            assert await tier.get(ENTRY.key) is None
            server.pause()
            with caplog.at_level(logging.WARNING):
                for _ in range(tiers.SLOW_TIMES):
                    assert await tier.get(ENTRY.key) is None
            assert caplog.text.count("left alone for 1 s") == 1
            asked = len(tier._asked)
            assert await tier.get(ENTRY.key) is None
            assert len(tier._asked) == asked == tier.figures.failures == tiers.SLOW_TIMES
            server.resume()
            await until(lambda: not tier._asked, within_s=SOON_S)
            tier.clock.now_s += tiers.FIRST_REST_S
            tier.budget_s = 5
            assert tier.is_quick
            await tier.get(ENTRY.key)
            assert tier._rests.slow == 0


async def test_looks_that_are_too_many_are_told(
    redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many are under way as can be answered in their time; one more is in vain, and counted."""
    monkeypatch.setattr(tiers, "_LEAST_ASKED", 3)
    monkeypatch.setattr(tiers, "_LOOK_S", SOON_S / 5)
    tier = Made(tmp_path, "crowd", budget_s=SOON_S)
    async with connected(redis, tier):
        for most, unasked in ((5, 3), (3, 8)):
            looks = [asyncio.ensure_future(tier.get(bytes([number]) * 32)) for number in range(8)]
            await asyncio.sleep(0)
            assert (len(tier._asked), tier.figures.unasked) == (most, unasked)
            await asyncio.gather(*looks)
            await until(lambda: not tier._asked, within_s=SOON_S)
            tier.budget_s = SOON_S / 10


async def test_nothing_is_written_without_bounds(
    tmp_path: Path, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits has a bound in number and in bytes; without a connection nothing waits at all."""
    monkeypatch.setattr(tiers, "MAX_WAITING", 2)
    tier = Made(tmp_path, "full")
    await tier.put(ENTRY)
    assert (len(tier._waiting), tier.figures.dropped) == (0, 1)
    async with Redis.from_url(redis.url) as client:
        tier.joined(client)
        for number in range(3):
            await tier.put(entry(key=bytes([number]) * 32))
        await tier.put(entry(key=bytes(32), data=b"new"))
        assert (len(tier._waiting), tier.figures.dropped) == (2, 2)
        monkeypatch.setattr(tiers, "MAX_WAITING_BYTES", 3_000)
        monkeypatch.setattr(tiers, "MAX_WAITING", 100)
        await tier.put(entry(key=b"l" * 32, data=b"x" * 4_000))
        assert (len(tier._waiting), tier.figures.dropped) == (2, 3)


async def test_a_server_without_memory_is_no_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is written then, the log says so once in a while, and what lies there is found."""
    with running_redis(tmp_path) as server:
        tier = Made(tmp_path, "oom")
        async with connected(server, tier) as client:
            await tier.put(ENTRY)
            await tier.kept(1)
            await client.config_set("maxmemory", 1)
            for number in range(2):
                await tier.put(entry(key=bytes([number]) * 32))
                await until(lambda number=number: tier.figures.dropped == number + 1, within_s=SOON_S)  # type: ignore[misc]
            assert caplog.text.count("redis takes no entries") == 1
            assert await tier.get(ENTRY.key) == ENTRY
