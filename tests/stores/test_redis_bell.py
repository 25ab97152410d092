"""A bell that rings in all processes at one Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from narthex.stores.link import LinkSettings
from narthex.stores.redis_bell import RedisBell
from tests.stores.servers import RedisServer, running_redis
from tests.tenancy.waiting import until


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A real Redis."""
    with running_redis(tmp_path) as server:
        yield server


def bell(server: RedisServer) -> tuple[RedisBell, list[bool]]:
    """Return a bell, and what was heard of it."""
    one, heard = RedisBell(LinkSettings(url=server.url, connect_timeout_s=20, timeout_s=20)), list[bool]()
    one.heard = lambda: heard.append(True)
    return one, heard


async def test_all_hear_it_also_after_the_server_was_away(redis: RedisServer) -> None:
    """Whoever joins looks once; each ring is heard by the others; and so it is again once the server is back."""
    (one, _), (other, heard) = bell(redis), bell(redis)
    running = [asyncio.ensure_future(each.run()) for each in (one, other)]
    try:
        await until(lambda: len(heard) == 1, within_s=10)
        one.ring()
        await until(lambda: len(heard) == 2, within_s=10)
        redis.kill()
        one.ring()
        redis.start()
        await until(lambda: len(heard) >= 3, within_s=10)
        before = len(heard)
        one.ring()
        await until(lambda: len(heard) > before, within_s=10)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
