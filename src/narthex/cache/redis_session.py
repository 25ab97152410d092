"""What the cache has of Redis or Valkey: one connection that comes back by itself, for entries and declarations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from narthex.cache.coherence import Coherence
from narthex.cache.redis_declarations import RedisDeclarations
from narthex.cache.tiers.redis import RedisTier
from narthex.stores.link import LinkSettings, RedisLink
from narthex.stores.listening import hear, subscribed

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub


class RedisSession:
    """Keeps the caches of several processes as one.

    Attributes:
        link: The connection.
        alone_s: After how long without it this process is alone.
        when_alone: Told when it is, and when it is no more.
    """

    def __init__(
        self, settings: LinkSettings, coherence: Coherence, tier: RedisTier | None, *, alone_s: float = 60.0
    ) -> None:
        """Prepare; nothing is opened before `run`.

        Args:
            settings: Where the server is.
            coherence: Knows what is void.
            tier: Entries there; None where only declarations are told.
            alone_s: After how long without it this process is alone: others may have declared void what it has.
        """
        self.alone_s = alone_s
        self.when_alone: Callable[[bool], None] = lambda _is_alone: None
        self._alone: asyncio.TimerHandle | None = None
        self.link = RedisLink(settings, what="redis (cache)", as_text=False)
        self._declarations = RedisDeclarations(coherence, settings.prefix)
        self._coherence = coherence
        self._tier = tier

    async def run(self) -> None:
        """Do so until cancelled."""
        self._left()
        try:
            await self.link.run(self._session, ended=self._left)
        finally:
            self._is_joined()

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
        timeout_s, tier = self.link.settings.timeout_s, self._tier
        async with AsyncExitStack() as stack:
            readings = await self._subscribed(client, stack)
            # First what is void, then what lies there.
            await self._declarations.join(client)
            if tier is not None:
                tier.joined(client)
            self._is_joined()
            self.link.connected()
            declarations = self._declarations
            works: list[Coroutine[object, object, None]] = [
                declarations.follow(client, block_ms=max(1, int(timeout_s * 500))),
                declarations.tell(client),
            ]
            if tier is not None:
                works += [tier.write(client), tier.carry(client)]
            if readings is not None and tier is not None and tier.leases is not None:
                leases = tier.leases
                works += [hear(readings, leases.heard, timeout_s=timeout_s), leases.renew(client)]
                works += [leases.live.tell(client), leases.live.listen(client)]
            await _all(works)

    async def _subscribed(self, client: Redis, stack: AsyncExitStack) -> PubSub | None:
        """Subscribe to what is told of leases."""
        if self._tier is None or self._tier.leases is None:
            return None
        readings: PubSub = await stack.enter_async_context(client.pubsub())
        await readings.subscribe(self._tier.leases.channel)
        await subscribed(readings, timeout_s=self.link.settings.timeout_s)
        return readings

    def _left(self) -> None:
        if self._tier is not None:
            self._tier.left()
        if self._alone is None:
            self._alone = asyncio.get_running_loop().call_later(self.alone_s, self.when_alone, True)

    def _is_joined(self) -> None:
        if self._alone is not None:
            self._alone.cancel()
            self._alone = None
        self.when_alone(False)


async def _all(works: Sequence[Coroutine[object, object, None]]) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except ExceptionGroup as failed:
        # One of them broke, and the others were ended for it.
        raise failed.exceptions[0] from failed
