"""Caches of several processes at one Redis, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

from narthex.cache.coherence import Coherence
from narthex.cache.redis_session import RedisSession
from narthex.cache.store import Cache
from narthex.cache.tiers.packing import Packing
from narthex.cache.tiers.redis import RedisTier
from narthex.compression.compressor import Compressor
from narthex.compression.contract import Policy
from narthex.compression.dictionaries import FolderDictionaries
from narthex.stores.link import LinkSettings
from tests.cache.kept import ENTRY
from tests.stores.servers import RedisServer
from tests.tenancy.waiting import until

SOON_S = 10.0


class Process:
    """The cache of one process."""

    def __init__(
        self, server: RedisServer, folder: Path, prefix: str, budget_s: float = 5.0, lease_s: float | None = None
    ) -> None:
        self.tasks: list[asyncio.Task[None]] = []
        self.now_ms = ENTRY.made_ms
        # A folder of its own: what another one has learned is not here.
        self.compressor = Compressor({"cache": Policy()}, FolderDictionaries(folder))
        self.tier = RedisTier(
            Packing(self.compressor), prefix=prefix, budget_s=budget_s, lease_s=lease_s, now_ms=self.clock_ms
        )
        self.cache = Cache(
            policy="lru",
            max_bytes=10_000_000,
            max_entry_bytes=1_000_000,
            below=(self.tier,),
            leasing=None if lease_s is None else self.tier,
            shared=True,
            spawn=self._spawn,
            clock_ms=self.clock_ms,
        )
        settings = LinkSettings(url=server.url, prefix=prefix, connect_timeout_s=20, timeout_s=20)
        self.session = RedisSession(settings, self.coherence, self.tier)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    def clock_ms(self) -> int:
        """Return the time."""
        return self.now_ms

    @property
    def coherence(self) -> Coherence:
        """What it knows of the others."""
        assert self.cache.coherence is not None
        return self.cache.coherence

    def standing(self, key: bytes) -> str:
        """Return what the entry in memory is good for, or why there is none."""
        found = self.cache.find(key)
        return found if isinstance(found, str) else found.standing

    async def written(self, count: int = 1) -> None:
        """Wait until so many entries are in Redis."""
        await until(lambda: self.tier.figures.written >= count, within_s=SOON_S)


Start = Callable[[], Process]


@asynccontextmanager
async def processes(server: RedisServer, folder: Path, prefix: str) -> AsyncIterator[Callable[..., Process]]:
    """Give what starts processes, which end with the block."""
    running: list[asyncio.Future[None]] = []

    def start(budget_s: float = 5.0, lease_s: float | None = None) -> Process:
        process = Process(server, folder / str(len(running)), prefix, budget_s, lease_s)
        running.append(asyncio.ensure_future(process.session.run()))
        return process

    try:
        yield start
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def joined(*them: Process) -> None:
    """Wait until processes are connected."""
    for one in them:
        await until(lambda one=one: one.session.link.up, within_s=SOON_S)  # type: ignore[misc]
