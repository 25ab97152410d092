"""A shelf in Redis: what it holds until it is written, and what lies on the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from narthex.errors import Overloaded
from narthex.pipeline.gateway import TaskKeeper
from narthex.stores import link, redis_shelf
from narthex.stores.link import LinkSettings
from narthex.stores.redis_shelf import TRIES, RedisShelf, _Table
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


async def test_refused_for_want_of_memory_it_leaves_nothing_old(tmp_path: Path) -> None:
    """What it was to replace is no longer true."""
    with running_redis(tmp_path) as server:
        async with opened(server.url) as shelf, client_of(server.url) as client:
            await shelf.put("o", "a", b"begun")
            await shelf.flush()
            await client.config_set("maxmemory", "1")
            await shelf.put("o", "a", b"ended")
            await shelf.flush()
            await client.config_set("maxmemory", "0")
            assert await shelf.get("o", "a") is None


_Thing = tuple[tuple[str, str], bytes]


class Narrow:
    """A connection through which nothing large gets."""

    def __init__(self) -> None:
        self.alone = 0
        self._put = _Table.put

    def method(self) -> Callable[..., Awaitable[list[object]]]:
        """Return what stands for `_Table.put`."""

        def put(
            table: _Table, things: Iterable[_Thing], limits: ShelfLimits, keeps_s: Callable[[str], float]
        ) -> Awaitable[list[object]]:
            return self.put(table, things, limits, keeps_s)

        return put

    async def put(
        self,
        table: _Table,
        things: Iterable[_Thing],
        limits: ShelfLimits,
        keeps_s: Callable[[str], float],
    ) -> list[object]:
        """See `_Table`."""
        things = list(things)
        if any(len(value) > 1_000 for _, value in things):
            self.alone += len(things) == 1
            raise TimeoutError
        return await self._put(table, things, limits, keeps_s)


async def test_what_does_not_get_through_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After some tries by itself; what waits with it gets there, and nothing old is left in its place."""
    narrow = Narrow()
    monkeypatch.setattr(link, "LONGEST_PAUSE_S", 0.01)
    with running_redis(tmp_path) as server:
        async with opened(server.url) as shelf:
            await shelf.put("o", "b", b"old")
            await shelf.flush()
            monkeypatch.setattr(_Table, "put", narrow.method())
            for name, value in {"a": b"1", "b": b"x" * 2_000, "c": b"3"}.items():
                await shelf.put("o", name, value)
            await until(lambda: not shelf._owed and shelf._table is not None)
            assert [await shelf.get("o", name) for name in "abc"] == [b"1", None, b"3"]
    assert narrow.alone == TRIES
    assert "the response b is not kept: Redis: TimeoutError" in caplog.text


async def test_what_is_given_up_while_redis_is_away_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is put; what there is room for is still written when it is back."""
    monkeypatch.setattr(redis_shelf, "MAX_GIVEN_UP", 5)
    size = ENTRY_BYTES + 1 + 2 + 10
    server = redis_server(tmp_path)
    async with opened(server.url, ShelfLimits(max_bytes=3 * size, owner_bytes=3 * size, keep_s=60)) as shelf:
        for index in range(10, 60):
            await shelf.put("o", str(index), b"0123456789")
        assert len(shelf._owed) <= 8
        with server:
            await until(lambda: not shelf._owed)
            async with opened(server.url) as other:
                assert await other.get("o", "59") == b"0123456789"


async def test_whoever_waited_while_redis_went_away_is_told(tmp_path: Path) -> None:
    """As all others are."""
    with running_redis(tmp_path) as server:
        async with opened(server.url) as shelf:
            for _ in range(32):
                await shelf._gate.acquire()
            asking = asyncio.ensure_future(shelf.get("o", "a"))
            await asyncio.sleep(0)
            shelf._left()
            shelf._gate.release()
            with pytest.raises(Overloaded):
                await asking
