"""What is stored for whom, as a server sums it up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from narthex.pipeline.gateway import TaskKeeper
from narthex.stores import redis_storage
from narthex.stores.link import LinkSettings
from narthex.stores.redis_shelf import RedisShelf
from narthex.stores.redis_storage import FORGOTTEN_MS, LIFE_MS, PAGE, SIGN_MS, StorageTable, Total, counting_keys
from narthex.stores.shelves import ENTRY_BYTES, ShelfLimits
from tests.stores.servers import RedisServer, running_redis

if TYPE_CHECKING:
    from redis.asyncio import Redis

SCOPES = ("organisation:o", "workspace:w")
LIMITS = ShelfLimits(max_bytes=100_000, owner_bytes=2_000, keep_s=3_600)
SIZE = ENTRY_BYTES + 2
"""Of an owner and a name of one letter each, with nothing in it."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real server."""
    with running_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@asynccontextmanager
async def connected(server: RedisServer) -> AsyncIterator[Redis]:
    """Give a client of an empty server."""
    from redis.asyncio import Redis as Client  # noqa: PLC0415 - skipped without a server

    client: Redis = Client.from_url(server.url, decode_responses=True)
    async with client:
        await client.flushall()
        yield client


@asynccontextmanager
async def shelf_at(server: RedisServer, scopes: tuple[str, str] = SCOPES) -> AsyncIterator[RedisShelf]:
    """Give a shelf whose things are counted."""
    tasks, shelf = TaskKeeper(), RedisShelf(LinkSettings(url=server.url, prefix="t"), LIMITS)
    shelf.count_for(lambda owner: scopes if owner != "nobody" else ("", ""))
    tasks.spawn(shelf.run())
    try:
        await shelf.ready(5)
        yield shelf
    finally:
        await tasks.aclose()


async def sums(client: Redis) -> dict[str, int]:
    """Return what is stored for each scope, as whoever comes new hears it."""
    table, version, found = StorageTable(client, "t", "new"), "0", dict[str, int]()
    while True:
        heard = await table.exchange(version, {})
        found |= {total.scope: total.used for total in heard.totals}
        version = heard.version
        if not heard.has_more:
            return {scope: used for scope, used in found.items() if used}


async def test_what_is_told_here_is_heard_there(server: RedisServer) -> None:
    """Only what has changed, each time; a folder that several use counts once, and what is told again as well."""
    async with connected(server) as client:
        one, other = (StorageTable(client, "t", name) for name in ("a", "b"))
        first = await one.exchange("0", {"workspace:w": 10, "workspace:v": 5})
        assert (first.is_known, first.has_more) == (False, False)
        assert first.totals == [Total("workspace:w", 10, 10), Total("workspace:v", 5, 5)]
        heard = await other.exchange("0", {"workspace:w": 7})
        assert heard.totals == [Total("workspace:v", 5, 0), Total("workspace:w", 17, 7)]
        again = await StorageTable(client, "t", "a").exchange(first.version, {"workspace:w": 10})
        assert (again.is_known, again.totals) == (True, [Total("workspace:w", 17, 10)])
        assert (await one.exchange(again.version, {})).totals == []
        await one.exchange(again.version, {"workspace:w": 0, "workspace:v": 6})
        assert (await other.exchange(heard.version, {})).totals == [
            Total("workspace:w", 7, 7),
            Total("workspace:v", 6, 0),
        ]
        assert await one.told() == {"workspace:v"}


async def test_more_than_a_page_comes_in_several(server: RedisServer) -> None:
    """None is left out, and none is told twice."""
    async with connected(server) as client:
        told = {f"workspace:{index}": index + 1 for index in range(PAGE + 3)}
        await StorageTable(client, "t", "a").exchange("0", told)
        assert await sums(client) == told


async def test_a_folder_of_which_nothing_is_heard_counts_no_more(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a day; one that is told of from time to time stays, and one that comes back is to tell all."""
    monkeypatch.setitem(redis_storage._CONSTANTS, "SIGN_MS", 0)
    monkeypatch.setitem(redis_storage._CONSTANTS, "PAGE", 2)
    async with connected(server) as client:
        gone, here = (StorageTable(client, "t", name) for name in ("gone", "here"))
        await gone.exchange("0", {f"workspace:{index}": 1 for index in range(3)})
        heard = await here.exchange("0", {"workspace:0": 4})
        for name in ("gone", "here"):
            await client.zincrby("t:storage:folders", -FORGOTTEN_MS + (name == "here") * 60_000, name)
        for _ in range(3):
            heard = await here.exchange(heard.version, {})
        assert await sums(client) == {"workspace:0": 4}
        assert await client.zrange("t:storage:folders", 0, -1) == ["here", "new"]
        assert not (await gone.exchange("0", {})).is_known


async def test_what_is_nothing_any_more_is_forgotten(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a day, however much there is that has not changed for as long; and all is when nobody comes any more."""
    monkeypatch.setitem(redis_storage._CONSTANTS, "SIGN_MS", 0)
    monkeypatch.setitem(redis_storage._CONSTANTS, "ROTATED", 1)
    async with connected(server) as client:
        table = StorageTable(client, "t", "a")
        await table.exchange("0", {"workspace:old": 1, "workspace:gone": 1})
        await table.exchange("0", {"workspace:gone": 0})
        for scope in ("workspace:old", "workspace:gone"):
            await client.zincrby("t:storage:changes", -(FORGOTTEN_MS + 1) * 1_000, scope)
        await table.exchange("0", {})
        heard = await table.exchange("0", {})
        assert heard.totals == [Total("workspace:old", 1, 1)]
        for key in await client.keys("*"):
            assert LIFE_MS - 60_000 < await client.pttl(key) <= LIFE_MS


async def test_responses_count_whose_they_are(server: RedisServer) -> None:
    """Whoever puts and takes them; also what makes room, and no longer when its process is dead."""
    async with connected(server) as client:
        async with shelf_at(server) as shelf:
            await shelf.put("x", "a", bytes(100))
            await shelf.put("nobody", "a", bytes(100))
            await shelf.flush()
            assert await sums(client) == dict.fromkeys(SCOPES, SIZE + 100)
            await shelf.put("x", "a", bytes(50))
            await shelf.put("x", "b", b"")
            await shelf.flush()
        assert await sums(client) == dict.fromkeys(SCOPES, 2 * SIZE + 50)
        async with shelf_at(server) as shelf:
            assert await shelf.delete("x", "a")
            assert await sums(client) == dict.fromkeys(SCOPES, SIZE)
            await shelf.put("x", "c", bytes(900))
            await shelf.flush()
            assert await shelf.get("x", "b") is not None
            await shelf.put("x", "d", bytes(400))
            await shelf.flush()
            assert await sums(client) == dict.fromkeys(SCOPES, SIZE + 400), "the oldest made room"
            await shelf.put("x", "d", bytes(5_000))
            await shelf.flush()
            assert await sums(client) == {}, "too large to be kept, it takes away what it was to replace"


async def test_what_goes_by_itself_is_counted_out(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """In rounds, by whoever comes; what was renewed meanwhile stays, and each key lives as long as what it tells of."""
    monkeypatch.setitem(redis_storage._CONSTANTS, "PAGE", 2)
    ends, kept = counting_keys("t")[2:]
    async with connected(server) as client:
        async with shelf_at(server) as shelf:
            shelf.keep_for("y", 0.001)
            for index in range(3):
                await shelf.put("y", str(index), b"")
            for name in ("a", "b"):
                await shelf.put("x", name, b"")
            await shelf.flush()
            things = [str(thing) for thing in await client.zrange(ends, 0, -1)]
            [a], [b] = ([thing for thing in things if thing.endswith(end)] for end in (":a", ":b"))
            # As if nearly an hour had passed, and as if it had for what was not renewed.
            await client.zadd(ends, {a: 1, b: 1})
            await shelf.renew("x", ["a"])
            assert 3_590_000 < await client.pttl(kept) <= 3_600_000
        assert await sums(client) == dict.fromkeys(SCOPES, SIZE)
        assert await client.zcard(ends) == await client.hlen(kept) == 1


def test_a_sign_of_life_comes_long_before_it_is_forgotten() -> None:
    """However long a process is busy."""
    assert 10 * SIGN_MS < FORGOTTEN_MS < LIFE_MS
