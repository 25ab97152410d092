"""Dictionaries of the compression in Redis or Valkey, for processes that have not learned them themselves.

narthex:cache:d:ID      a dictionary
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final, cast

from narthex.cache.entries import Entry
from narthex.cache.tiers.packing import Packing, dictionary_from, dictionary_written
from narthex.errors import DictionaryMissing

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

LIFE_MS: Final = 100 * 86_400_000
"""How long a dictionary lies there after it was told last: longer than any entry."""
TOLD_AGAIN_S: Final = 864_000.0
_PAGE: Final = 512


class RedisDictionaries:
    """Tells others of dictionaries of this process, and learns theirs."""

    def __init__(self, packing: Packing, prefix: str, clock: Callable[[], float]) -> None:
        """Begin without having told any.

        Args:
            packing: Knows those of this process.
            prefix: Begins every name on the server.
            clock: Says the seconds.
        """
        self._packing = packing
        self._stem = f"{prefix}:cache:d:"
        self._clock = clock
        self._told: dict[bytes, float] = {}

    def joined(self) -> None:
        """Tell all of them once more: what was told last may not have come there, or may be lost."""
        self._told.clear()

    def publish(self, pipe: Pipeline, value: bytes) -> None:
        """Have others read what is written with a dictionary of ours."""
        made = self._packing.dictionary_of(value)
        if made is None or self._clock() - self._told.get(made.id, -TOLD_AGAIN_S) < TOLD_AGAIN_S:
            return
        self._told[made.id] = self._clock()
        pipe.set(self._stem + made.id.hex(), dictionary_written(made), px=LIFE_MS)

    async def forget_before(self, client: Redis, at_ms: int, now_ms: int) -> None:
        """Take away those that were told before a time, whoever did: they may hold what is erased."""
        self._told.clear()
        async for names in pages(client, self._stem):
            for name in names:
                # How long it is still there says when it was told.
                told_ms = now_ms - LIFE_MS + await client.pttl(name)
                if told_ms < at_ms:
                    await client.unlink(name)

    async def read(self, client: Redis, value: bytes, key: bytes) -> Entry:
        """Return the entry that lies under a key; raises as `Packing.read` does."""
        try:
            return await self._packing.read(value, key)
        except DictionaryMissing:
            name = self._packing.dictionary_name(value)
            told = cast("bytes | None", await client.get(self._stem + name.hex()))
            if told is None:
                raise
            await self._packing.learn(dictionary_from(told, name))
            return await self._packing.read(value, key)


async def pages(client: Redis, stem: str) -> AsyncIterator[list[bytes]]:
    """Yield all names that begin so, some at a time; some of them maybe twice."""
    cursor = 0
    while True:
        cursor, page = await client.scan(cursor, match=f"{stem}*", count=_PAGE)
        yield cast("list[bytes]", page)
        if not cursor:
            return
