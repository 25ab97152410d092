"""Dictionaries in a real Redis."""

from __future__ import annotations

from pathlib import Path

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
        await one.kept(2)
        told = f"learn:cache:d:{dictionary(name, content).id.hex()}"
        assert await client.exists(told) == 1
        async with connected(redis, other):
            assert await other.get(ENTRY.key) == asked
        await client.delete(told)
        async with connected(redis, third):
            assert await third.get(ENTRY.key) is None
        assert await client.exists(f"learn:cache:e:{ENTRY.key.hex()}") == 0
