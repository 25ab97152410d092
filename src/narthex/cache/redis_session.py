"""What the cache has of Redis or Valkey: one connection that comes back by itself, for entries and declarations."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING

from narthex.cache.coherence import Coherence
from narthex.cache.redis_declarations import RedisDeclarations
from narthex.cache.tiers.redis import RedisTier
from narthex.stores.link import LinkSettings, RedisLink

if TYPE_CHECKING:
    from redis.asyncio import Redis


class RedisSession:
    """Keeps the caches of several processes as one.

    Attributes:
        link: The connection.
    """

    def __init__(self, settings: LinkSettings, coherence: Coherence, tier: RedisTier | None) -> None:
        """Prepare; nothing is opened before `run`.

        Args:
            settings: Where the server is.
            coherence: Knows what is void.
            tier: Entries there; None where only declarations are told.
        """
        self.link = RedisLink(settings, what="redis (cache)", as_text=False)
        self._declarations = RedisDeclarations(coherence, settings.prefix)
        self._coherence = coherence
        self._tier = tier

    async def run(self) -> None:
        """Do so until cancelled."""
        await self.link.run(self._session, ended=self._left)

    async def settle(self, timeout_s: float) -> bool:
        """Wait until what was declared here is told; False where that takes too long, or cannot be."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._coherence.waiting:
                    if not self.link.up:
                        return False
                    await asyncio.sleep(0.001)
        except TimeoutError:
            return False
        return True

    async def _session(self, client: Redis) -> None:
        # First what is void, then what lies there.
        await self._declarations.join(client)
        if self._tier is not None:
            self._tier.joined(client)
        self.link.connected()
        block_ms = max(1, int(self.link.settings.timeout_s * 500))
        works: list[Coroutine[object, object, None]] = [
            self._declarations.follow(client, block_ms=block_ms),
            self._declarations.tell(client),
        ]
        if self._tier is not None:
            works.append(self._tier.write(client))
        try:
            async with asyncio.TaskGroup() as group:
                for work in works:
                    group.create_task(work)
        except ExceptionGroup as failed:
            # One of them broke, and the others were ended for it.
            raise failed.exceptions[0] from failed

    def _left(self) -> None:
        if self._tier is not None:
            self._tier.left()
