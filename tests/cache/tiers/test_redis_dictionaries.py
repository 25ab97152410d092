"""Dictionaries in a real Redis."""

from __future__ import annotations

import time
from pathlib import Path

from narthex.cache.entries import Entry
from narthex.compression.dictionaries import dictionary
from narthex.compression.zstandard import train
from tests.cache.kept import ENTRY, entry
from tests.cache.tiers.test_redis import Made, connected, redis
from tests.compression.samples import answers
from tests.stores.servers import RedisServer

__all__ = ["redis"]


async def test_processes_read_what_was_written_with_anothers_dictionary(redis: RedisServer, tmp_path: Path) -> None:
    """A dictionary lies there as well, once; where it is gone, the entry is as well."""
    one, other, third = (Made(tmp_path / name, "learn") for name in "abc")
    name, content = f"cache:{ENTRY.scope}", train(answers(200), 8_192, 3)
    one.store.put(dictionary(name, content))
    asked = entry(data=answers(201)[-1])
    async with connected(redis, one) as client:
        await one.put(asked)
        await one.kept(1)
        told = f"learn:cache:d:{dictionary(name, content).id.hex()}"
        assert await client.exists(told) == 1
        async with connected(redis, other):
            assert await other.get(ENTRY.key) == asked
        await client.delete(told)
        async with connected(redis, third):
            assert await third.get(ENTRY.key) is None
        assert await client.exists(f"learn:cache:e:{ENTRY.key.hex()}") == 0


async def test_a_server_that_has_lost_them_is_told_again(redis: RedisServer, tmp_path: Path) -> None:
    """At the latest when there is another connection to it."""
    one = Made(tmp_path, "lost")
    learned = dictionary(f"cache:{ENTRY.scope}", train(answers(200), 8_192, 3))
    one.store.put(learned)
    told = f"lost:cache:d:{learned.id.hex()}"
    for count in (1, 2):
        async with connected(redis, one) as client:
            await client.delete(told)
            await one.put(entry(data=answers(201)[-1]))
            await one.kept(count)
            assert await client.exists(told) == 1


async def test_what_was_told_before_somebody_was_erased_goes(redis: RedisServer, tmp_path: Path) -> None:
    """With all entries that it is needed for, and those of the person; once, whichever process does it."""
    one, other = Made(tmp_path / "a", "erased"), Made(tmp_path / "b", "erased")
    name = f"cache:{ENTRY.scope}"
    eves = entry(key=b"e" * 32, scope="workspace:other", data=b"eve", tags=("eve",))
    kept = entry(key=b"o" * 32, scope="workspace:other", data=b"bob")

    def is_eves(asked: Entry) -> bool:
        return "eve" in asked.tags

    async with connected(redis, one) as client, connected(redis, other):
        one.store.put(dictionary(name, train(answers(200), 8_192, 3)))
        for each in (entry(data=answers(201)[-1]), eves, kept):
            await one.put(each)
        await one.kept(3)
        assert await other.get(ENTRY.key) is not None
        until_ms = ENTRY.made_ms + 60_000
        for process in (one, other):
            await process.packing.forget_before(int(time.time() * 1_000) + 60_000)
            await process.erase(is_eves, until_ms)
        assert [one.store.newest(name), other.store.newest(name)] == [None, None]
        assert await client.keys("erased:cache:d:*") == []
        assert await client.keys("erased:cache:e:*") == [f"erased:cache:e:{kept.key.hex()}".encode()]
        await one.put(eves)
        await one.kept(4)
        await one.erase(is_eves, until_ms)
        assert await other.get(eves.key) == eves, "that was done"
