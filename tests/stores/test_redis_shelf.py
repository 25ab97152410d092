"""A shelf in Redis: what it holds until it is written, and what lies on the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from narthex.errors import Overloaded
from narthex.pipeline.gateway import TaskKeeper
from narthex.stores.link import LinkSettings
from narthex.stores.redis_shelf import RedisShelf
from narthex.stores.shelves import ENTRY_BYTES, ShelfLimits
from tests.stores.servers import redis_server, running_redis

if TYPE_CHECKING:
    from redis.asyncio import Redis

LIMITS = ShelfLimits(max_bytes=1_000_000, owner_bytes=1_000_000, keep_s=60)


@asynccontextmanager
async def opened(url: str, limits: ShelfLimits = LIMITS) -> AsyncIterator[RedisShelf]:
    """Give a shelf at a server."""
    tasks, shelf = TaskKeeper(), RedisShelf(LinkSettings(url=url, prefix="test"), limits)
    tasks.spawn(shelf.run())
    try:
        await shelf.ready(5)
        yield shelf
    finally:
        await tasks.aclose()


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[Redis]:
    """Give a client of a server."""
    from redis.asyncio import Redis as Client  # noqa: PLC0415 - skipped without a server

    client: Redis = Client.from_url(url)
    async with client:
        yield client


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def test_what_is_put_here_is_got_there(tmp_path: Path) -> None:
    """Written in a moment, renewed and taken away by either; nothing is held here any longer."""
    with running_redis(tmp_path) as server:
        async with opened(server.url) as one, opened(server.url) as other:
            await one.put("o", "a", b"1")
            assert await one.get("o", "a") == b"1"
            await one.flush()
            assert "narthex_kept_responses 0" in list(one.lines())
            assert await other.get("o", "a") == b"1"
            assert await other.get("p", "a") is None
            await other.put("o", "a", b"2")
            assert await other.delete("o", "a")
            assert await one.get("o", "a") is None


async def test_what_is_on_its_way_is_waited_for(tmp_path: Path) -> None:
    """Who asks elsewhere in the same moment gets it."""
    with running_redis(tmp_path) as server:
        async with opened(server.url) as one, opened(server.url) as other:
            for index in range(50):
                asking = asyncio.ensure_future(other.get("o", str(index)))
                await asyncio.sleep(0)
                await one.put("o", str(index), b"x")
                assert await asking == b"x"


async def test_without_redis_nobody_knows(tmp_path: Path) -> None:
    """What was put meanwhile is there and goes to Redis afterwards; of all else it is said that nobody can say."""
    server = redis_server(tmp_path)
    async with opened(server.url) as shelf:
        await shelf.put("o", "a", b"1")
        await shelf.renew("o", ["a"])
        await shelf.flush()
        assert await shelf.get("o", "a") == b"1"
        for question in (shelf.get("o", "b"), shelf.renew("o", ["b"]), shelf.delete("o", "b"), shelf.delete("o", "a")):
            with pytest.raises(Overloaded) as raised:
                await question
            assert raised.value.retry_after_s
        with server:
            async with opened(server.url) as other:
                await until(lambda: "narthex_kept_responses 0" in list(shelf.lines()))
                assert await other.get("o", "a") == b"1"


async def test_what_lies_there_has_its_time_and_room(tmp_path: Path) -> None:
    """Nothing stays without an end, nobody can read whose it is, and what went by itself takes up no room."""
    size = ENTRY_BYTES + 12
    limits = ShelfLimits(max_bytes=9 * size, owner_bytes=2 * size, keep_s=60)
    with running_redis(tmp_path) as server:
        async with opened(server.url, limits) as shelf, client_of(server.url) as client:
            for name in "ab":
                await shelf.put("o", name, b"0123456789")
                await shelf.flush()
            keys = cast("list[bytes]", await client.keys("*"))
            assert len(keys) == 4
            for key in keys:
                assert 0 < await client.pttl(key) <= 60_000
                assert key.startswith(b"test:response")
            [gone] = [key for key in keys if key.endswith(b":a")]
            await client.delete(gone)
            await shelf.put("o", "c", b"0123456789")
            await shelf.flush()
            assert [await shelf.get("o", name) for name in "abc"] == [None, b"0123456789", b"0123456789"]
            [sizes] = [key for key in keys if key.endswith(b":sizes")]
            assert await client.hget(sizes, "") == str(2 * size).encode()


async def test_what_there_is_no_room_for_leaves_nothing_old(tmp_path: Path) -> None:
    """Too large to be kept, it takes away what it was to replace."""
    limits = ShelfLimits(max_bytes=10_000, owner_bytes=2_000, keep_s=60)
    with running_redis(tmp_path) as server:
        async with opened(server.url, limits) as shelf:
            await shelf.put("o", "a", b"old")
            await shelf.flush()
            await shelf.put("o", "a", b"x" * 5_000)
            await shelf.flush()
            assert await shelf.get("o", "a") is None


async def test_a_redis_without_memory_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What it refuses is given up, and told in the log; what comes afterwards is written."""
    with running_redis(tmp_path) as server:
        async with opened(server.url) as shelf, client_of(server.url) as client:
            await client.config_set("maxmemory", "1")
            await shelf.put("o", "a", b"1")
            await shelf.flush()
            assert "a is not kept" in caplog.text
            await client.config_set("maxmemory", "0")
            await shelf.put("o", "b", b"2")
            await shelf.flush()
            assert [await shelf.get("o", name) for name in "ab"] == [None, b"2"]
