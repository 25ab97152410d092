"""One connection for all looks: in order, together, and nobody waits for one that is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis import RedisError
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

from narthex.cache.tiers import redis_line
from narthex.cache.tiers.redis_line import RedisLine
from tests.stores.servers import RedisServer, running_redis


@asynccontextmanager
async def line_to(server: RedisServer) -> AsyncIterator[tuple[RedisLine, asyncio.Future[None]]]:
    """Give a line, and what carries over it."""
    line = RedisLine()
    async with Redis.from_url(server.url, socket_timeout=5) as client:
        running = asyncio.ensure_future(line.run(client))
        try:
            yield line, running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_each_is_answered_what_it_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In strokes, whatever is refused among them, whoever has gone, and whatever bytes there are."""
    strokes: list[int] = []
    send = AbstractConnection.send_packed_command

    async def counted(self: AbstractConnection, packed: bytes, check_health: bool = True) -> None:
        strokes.append(packed.count(b"\r\nSET\r\n") + packed.count(b"\r\nGET\r\n") + packed.count(b"\r\nINCR\r\n"))
        await send(self, packed, check_health)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)
    monkeypatch.setattr(redis_line, "_GROUP", 100)
    odd = bytes(range(256)) * 300
    with running_redis(tmp_path) as server:
        async with line_to(server) as (line, _):
            asked = [line.ask("SET", f"ü{number}", odd[number:]) for number in range(50)]
            asked += [line.ask("INCR", "ü1"), line.ask("GET", "ü7"), line.ask("GET", b"nothing")]
            gone = line.ask("SET", "gone", 1)
            gone.cancel()
            told = await asyncio.gather(*asked, line.ask("GET", "gone"), return_exceptions=True)
            assert told[:50] == [b"OK"] * 50
            assert isinstance(told[50], ResponseError)
            assert told[51:] == [odd[7:], None, None]
            assert [count for count in strokes if count] == [54]
            assert await line.ask("SET", "n", 7) == b"OK"
            assert await line.ask("GET", "n") == b"7"


async def test_nobody_waits_for_a_server_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is under way fails with the connection, which is known to be lost also where nobody asks."""
    monkeypatch.setattr(redis_line, "PING_S", 0.01)
    with running_redis(tmp_path) as server:
        async with line_to(server) as (line, running):
            assert await line.ask("PING") == b"PONG"
            server.pause()
            asked = [line.ask("PING") for _ in range(3)]
            await asyncio.sleep(0)
            server.kill()
            told = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(one, ConnectionError) for one in told)
            with pytest.raises(RedisError):
                await running
        server.start()
        async with line_to(server) as (line, running):
            assert await line.ask("PING") == b"PONG"
            server.kill()
            with pytest.raises(RedisError):
                await running


async def test_who_ends_it_leaves_nobody_waiting(tmp_path: Path) -> None:
    """What waits for its stroke fails as well."""
    line = RedisLine()
    asked = line.ask("PING")
    line.left()
    with pytest.raises(ConnectionError):
        await asked
    with running_redis(tmp_path) as server:
        async with line_to(server) as (line, running):
            assert await line.ask("PING") == b"PONG"
            server.pause()
            asked = line.ask("PING")
            await asyncio.sleep(0.01)
            running.cancel()
            with pytest.raises(ConnectionError):
                await asked
            server.resume()
