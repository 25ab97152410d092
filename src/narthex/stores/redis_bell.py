"""A bell in Redis or Valkey: who has changed something in the database rings, and all others look there at once.

Nothing is told but that. A ring that is lost costs the moment until they would have looked by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from narthex.stores.link import LinkSettings, RedisLink, raise_if_cancelled
from narthex.stores.listening import hear, subscribed

if TYPE_CHECKING:
    from redis.asyncio import Redis


class RedisBell:
    """Rings in all processes that share a server.

    Attributes:
        heard: Called when somebody has rung.
    """

    def __init__(self, settings: LinkSettings) -> None:
        """Prepare; nothing is opened before `run`."""
        self.heard: Callable[[], None] = lambda: None
        self._link = RedisLink(settings, what="redis (bell)")
        self._channel = f"{settings.prefix}:changed"
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Have all others look, in a moment."""
        self._rung.set()

    async def run(self) -> None:
        """Listen and ring until cancelled."""
        await self._link.run(self._session, ended=lambda: None)

    async def _session(self, client: Redis) -> None:
        async with client.pubsub() as readings:
            await readings.subscribe(self._channel)
            timeout_s = self._link.settings.timeout_s
            await subscribed(readings, timeout_s=timeout_s)
            self._link.connected()
            self.heard()
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(hear(readings, lambda _: self.heard(), timeout_s=timeout_s))
                    group.create_task(self._tell(client))
            except ExceptionGroup as failed:
                # One of the two broke, and the other was ended for it.
                raise failed.exceptions[0] from failed

    async def _tell(self, client: Redis) -> None:
        while True:
            raise_if_cancelled()
            await self._rung.wait()
            self._rung.clear()
            await client.publish(self._channel, "")
