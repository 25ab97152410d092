"""Boards of several processes, over a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from narthex.pipeline.gateway import TaskKeeper
from narthex.pipeline.shared_state import SharedState
from narthex.resilience.boards import BreakerBoard
from narthex.resilience.breakers import BreakerPolicy, BreakerState
from narthex.stores.link import LinkSettings
from tests.stores.servers import redis_server, running_redis

FRAIL = BreakerPolicy(consecutive_failures=1, open_s=60.0, open_cap_s=60.0)


@asynccontextmanager
async def sharing(url: str, *, timeout_s: float = 5.0) -> AsyncIterator[tuple[BreakerBoard, SharedState]]:
    """Give a board that is shared."""
    tasks, board = TaskKeeper(), BreakerBoard(FRAIL)
    shared = SharedState(LinkSettings(url=url, connect_timeout_s=timeout_s, timeout_s=timeout_s), board)
    try:
        await shared.start(tasks.spawn, ())
        yield board, shared
    finally:
        await tasks.aclose()


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def test_what_opened_here_is_open_there(tmp_path: Path) -> None:
    """A board that starts later knows it from the beginning, one that is there hears of it."""
    with running_redis(tmp_path) as server:
        async with sharing(server.url) as (one, shared), sharing(server.url) as (other, _):
            assert shared.status().state == "up"
            one.breaker("p/a").failed()
            await until(lambda: other.breaker("p/a").state is BreakerState.OPEN)
            async with sharing(server.url) as (newcomer, _):
                assert newcomer.breaker("p/a").state is BreakerState.OPEN


async def test_a_hand_waits_until_it_is_told(tmp_path: Path) -> None:
    """Once the change is settled, the process may die: whoever starts then knows it."""
    with running_redis(tmp_path) as server:
        async with sharing(server.url) as (one, shared):
            one.force("p", BreakerState.FORCED_OPEN)
            await shared.settle()
        async with sharing(server.url) as (newcomer, shared):
            assert newcomer.breaker("p").state is BreakerState.FORCED_OPEN
            text = "\n".join(shared.lines())
            assert 'narthex_shared_notes_total{way="heard"} 1' in text
            assert "narthex_redis_up 1" in text


async def test_without_a_server_a_process_goes_by_itself(tmp_path: Path) -> None:
    """Neither start nor change wait for one that is not there; once it is, what was learned is told."""
    server = redis_server(tmp_path)
    async with sharing(server.url) as (one, shared):
        assert shared.status().state == "down"
        one.force("p", BreakerState.FORCED_OPEN)
        await shared.settle()
        with server:
            await until(lambda: shared.status().state == "up")
            async with sharing(server.url) as (newcomer, _):
                await until(lambda: newcomer.breaker("p").state is BreakerState.FORCED_OPEN)


async def test_the_start_waits_no_longer_than_it_may() -> None:
    """A server that takes the connection and says nothing delays the start by its time, and no more."""

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    door = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with door:
        url = f"redis://127.0.0.1:{door.sockets[0].getsockname()[1]}/0"
        async with sharing(url, timeout_s=0.05) as (one, shared):
            one.breaker("p/a").failed()
            assert shared.status().state in {"connecting", "down"}
