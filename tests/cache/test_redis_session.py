"""Caches of several processes at one real Redis: what one keeps all have, what one declares void none has."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from narthex.cache.store import Cache, Found
from tests.cache.kept import ENTRY, entry
from tests.cache.shared import SOON_S, Process, joined, processes
from tests.stores.servers import RedisServer, running_redis
from tests.tenancy.waiting import until

OTHER = b"o" * 32


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis, for all tests here; each has names of its own in it."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


def now(cache: Cache, **changes: object) -> None:
    """Keep an entry that was asked for just now."""
    assert cache.keep(entry(number=cache.invalidation.number, **changes))


async def seen(process: Process, key: bytes = ENTRY.key) -> str:
    """Return where a process finds an entry, or why it does not."""
    found = process.cache.find(key)
    found = await process.cache.search(key, found) if isinstance(found, str) else found
    return found.tier if isinstance(found, Found) else found


async def test_what_one_keeps_all_have(redis: RedisServer, tmp_path: Path) -> None:
    """It comes up into memory where it is asked for; and what one declares void is void for all, below as well."""
    async with processes(redis, tmp_path, "all") as start:
        one, other = start(), start()
        await joined(one, other)
        now(one.cache)
        now(one.cache, key=OTHER, tags=("u",))
        await one.written(2)
        assert [await seen(other), await seen(other), await seen(other, OTHER)] == ["redis", "memory", "redis"]
        one.cache.declare_void(tags=["model:up/m"])
        assert await seen(one) == "void"
        await until(lambda: other.cache.find(ENTRY.key) == "void", within_s=SOON_S)
        assert await seen(other) == "void"
        assert await seen(other, OTHER) == "memory"
        newcomer = start()
        await joined(newcomer)
        assert [await seen(newcomer), await seen(newcomer, OTHER)] == ["void", "redis"]


async def test_what_was_asked_before_and_comes_after_is_void_for_others(redis: RedisServer, tmp_path: Path) -> None:
    """An answer under way while its tag is declared void elsewhere is given by nobody."""
    async with processes(redis, tmp_path, "late") as start:
        one, other = start(), start()
        await joined(one, other)
        asked = one.cache.invalidation.number
        other.cache.declare_void(patterns=["model:*"])
        # Not heard of yet: it is kept here, and written for the others.
        assert one.cache.keep(entry(number=asked))
        await one.written()
        assert await seen(other) == "void"
        await until(lambda: isinstance(one.cache.find(ENTRY.key), str), within_s=SOON_S)
        assert await one.session.settle(5)
        now(one.cache)
        await one.written(2)
        assert await seen(other) == "redis"


async def test_single_entries_and_everything_go_everywhere(redis: RedisServer, tmp_path: Path) -> None:
    """What is forgotten or cleared in one process is in no other one's memory, nor below."""
    async with processes(redis, tmp_path, "gone") as start:
        one, other = start(), start()
        await joined(one, other)
        for key in (ENTRY.key, OTHER):
            now(one.cache, key=key)
        await one.written(2)
        assert [await seen(other), await seen(other, OTHER)] == ["redis", "redis"]
        one.cache.forget([ENTRY.key])
        await until(lambda: other.cache.memory.peek(ENTRY.key) is None, within_s=SOON_S)
        assert await seen(other) in {"absent", "void"}
        assert await seen(other, OTHER) == "memory"
        one.cache.clear()
        await until(lambda: isinstance(other.cache.find(OTHER), str), within_s=SOON_S)
        assert await seen(other, OTHER) in {"absent", "void"}
        await asyncio.gather(*one.tasks)
        assert await seen(other, OTHER) == "absent"


async def test_an_outage_costs_no_call_and_hides_no_declaration(tmp_path: Path) -> None:
    """While the server is away everybody has their own; what was declared meanwhile holds for all once it is back."""
    with running_redis(tmp_path) as server:
        async with processes(server, tmp_path, "away") as start:
            one, other = start(), start()
            for each in (one, other):
                # That it hangs is noticed soon.
                each.session.link.settings = replace(each.session.link.settings, timeout_s=2)
            await joined(one, other)
            now(one.cache)
            await one.written()
            assert await seen(other) == "redis"
            server.pause()
            one.cache.declare_void(tags=["model:up/m"])
            await until(lambda: not (one.session.link.up or other.session.link.up), within_s=SOON_S)
            assert await seen(one) == "void"
            assert not await one.session.settle(0.1)
            now(one.cache)
            assert await seen(one) == "memory"
            server.resume()
            await joined(one, other)
            assert await one.session.settle(5)
            await until(lambda: other.cache.find(ENTRY.key) == "void", within_s=SOON_S)
            assert await seen(other) == "void"
            assert one.coherence.lost == other.coherence.lost == 0


async def test_a_server_that_lost_everything_makes_everything_void(tmp_path: Path) -> None:
    """Nobody knows then what was declared: nothing that was kept before is given, and what comes after is."""
    with running_redis(tmp_path) as server:
        async with processes(server, tmp_path, "lost") as start:
            one = start()
            await joined(one)
            one.cache.declare_void(tags=["u"])
            assert await one.session.settle(5)
            now(one.cache)
            server.kill()
            await until(lambda: not one.session.link.up, within_s=SOON_S)
            assert await seen(one) == "memory"
            server.start()
            await joined(one)
            assert await seen(one) in {"void", "absent"}
            assert one.coherence.lost == 1
            now(one.cache)
            await one.written()
            other = start()
            await joined(other)
            assert await seen(other) == "redis"


async def test_who_hears_nothing_gives_what_is_recent(tmp_path: Path) -> None:
    """Once alone a process gives what it has asked for itself for a while, and the rest in place of errors; or all."""
    with running_redis(tmp_path) as server:
        async with processes(server, tmp_path, "alone") as start:
            one, other = start(), start()
            await joined(one, other)
            one.session.when_alone, one.session.alone_s, one.cache.alone_s = one.cache.be_alone, 0.01, 3_600.0
            now(other.cache, key=OTHER)
            await other.written()
            assert await seen(one, OTHER) == "redis"
            # What was asked an hour ago, and answered just now: others may have declared it void since then.
            now(one.cache, key=b"l" * 32, took_ms=3_600_000)
            now(one.cache)
            server.kill()
            standing = one.standing
            await until(lambda: standing(OTHER) == "for errors", within_s=SOON_S)
            assert (standing(ENTRY.key), standing(b"l" * 32)) == ("fresh", "for errors")
            assert await one.cache.search(b"n" * 32, "absent") == "absent"
            one.cache.alone_s, asked = 0.0, one.tier.figures.misses
            assert standing(ENTRY.key) == "for errors"
            one.cache.alone_s = math.inf
            assert {standing(key) for key in (ENTRY.key, OTHER, b"l" * 32)} == {"fresh"}
            assert await one.cache.search(b"n" * 32, "absent") == "absent"
            assert one.tier.figures.misses == asked + 1
            one.cache.alone_s = 0.0
            server.start()
            await until(lambda: standing(OTHER) != "for errors", within_s=SOON_S)
