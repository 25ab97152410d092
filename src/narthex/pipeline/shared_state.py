"""What this process shares with others, and the connection over which it does."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Iterator
from typing import Final, Self

from narthex.ledger.limits.quotas import Quotas
from narthex.pipeline.contract import Spawn
from narthex.pipeline.gateway import TaskKeeper
from narthex.pipeline.registry import Registry
from narthex.pipeline.shared_storage import SharedStorage
from narthex.pipeline.shared_streams import SharedStreams
from narthex.pipeline.sharing import Sharing
from narthex.pipeline.storage import ShelfRoom
from narthex.providers.contract import Provider
from narthex.resilience.boards import BreakerBoard
from narthex.stores.link import LinkSettings, LinkStatus, RedisLink
from narthex.stores.redis_bell import RedisBell
from narthex.stores.redis_notes import RedisNotes
from narthex.stores.redis_shelf import RedisShelf
from narthex.stores.shelves import ShelfLimits
from narthex.streams.recordings import Recordings

SETTLE_S: Final = 0.5
"""How long a change by hand waits at most to be told to others."""


class SharedState:
    """The breakers and provider keys of several processes, as one.

    Attributes:
        streams: Their kept answers; None before they are shared.
        bell: Rings in all of them when one has changed something in the database.
    """

    streams: SharedStreams | None = None
    _shelf: RedisShelf | None = None
    _storage: SharedStorage | None = None

    def __init__(self, settings: LinkSettings, board: BreakerBoard) -> None:
        self.bell = RedisBell(settings)
        self._link = RedisLink(settings)
        self._sharing = Sharing(board, writer=secrets.token_hex(8), pepper=settings.prefix)
        self._notes = RedisNotes(self._link, self._sharing.replica)
        self._tasks = TaskKeeper()
        self._longest_s = settings.connect_timeout_s + settings.timeout_s

    async def start(self, spawn: Spawn, providers: Iterable[Provider]) -> None:
        """Begin to share; returns when all that is known was taken over, or nobody is there to ask."""
        self.follow(providers)
        spawn(self._notes.run())
        spawn(self.bell.run())
        try:
            async with asyncio.timeout(self._longest_s):
                await self._link.tried.wait()
        except TimeoutError:
            return

    async def share(self, registry: Registry) -> Self:
        """Share kept answers as well, until `aclose`."""
        self.streams = registry.elsewhere = streams = SharedStreams(self._link.settings, registry)
        # Where Redis is not there, that is known by now.
        longest_s = self._longest_s if self._link.up else 0
        await streams.start(wait_s=longest_s)
        if self._shelf is not None:
            self._tasks.spawn(self._shelf.run())
            await self._shelf.ready(longest_s)
        if self._storage is not None:
            self._tasks.spawn(self._storage.run())
            await self._storage.ready(longest_s)
        return self

    def shelf(self, limits: ShelfLimits) -> RedisShelf:
        """Return where responses lie for all; what is put there is written once `share` was called."""
        self._shelf = RedisShelf(self._link.settings, limits)
        return self._shelf

    def count(self, quotas: Quotas, recordings: Recordings) -> ShelfRoom:
        """Count what all have stored, once `share` is called; return what counts responses until they are in Redis.

        Args:
            quotas: Count what this process has.
            recordings: Those on its disk.
        """
        assert self._shelf is not None
        self._storage = storage = SharedStorage(self._link.settings, quotas, recordings, self._shelf)
        return storage.room

    async def aclose(self) -> None:
        """Write what is left for the others, and say farewell."""
        if self._shelf is not None:
            # Before this process is known to be gone: then what it carried on is held for lost.
            await self._shelf.flush()
        if self.streams is not None:
            await self.streams.aclose()
        await self._tasks.aclose()

    def follow(self, providers: Iterable[Provider]) -> None:
        """Share the keys of these providers from now on, and of no others."""
        self._sharing.follow(providers)

    async def settle(self) -> None:
        """Wait a moment until the others were told of what was changed here."""
        await self._notes.settle(SETTLE_S)

    def status(self) -> LinkStatus:
        """Return how the connection stands."""
        return self._link.status()

    def lines(self) -> Iterator[str]:
        """Yield what is to be known of it in Prometheus's text format."""
        yield from self._link.lines()
        yield from self._sharing.lines()
        if self.streams is not None:
            yield from self.streams.lines()
