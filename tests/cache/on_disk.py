"""A tier on disk, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from narthex.cache.coherence import Coherence
from narthex.cache.disk_session import DiskSession, Place
from narthex.cache.invalidation import Invalidation
from narthex.cache.tiers.disk import DiskTier
from narthex.cache.tiers.packing import Packing
from narthex.cache_places import place_of
from narthex.compression.compressor import Compressor
from narthex.compression.contract import Policy
from narthex.compression.dictionaries import MemoryDictionaries
from tests.cache.kept import ENTRY
from tests.gateways import settings_for
from tests.tenancy.waiting import until

SOON_S = 10.0


def noise(seed: int) -> bytes:
    """Return what cannot be compressed."""
    return Random(seed).randbytes(3_000)


class OnDisk:
    """A tier on disk, and its life."""

    def __init__(self, url: str, folder: Path, *, max_bytes: int = 1_000_000) -> None:
        database = {"url": url} if url.startswith("postgresql") else {}
        self.folder = folder
        self.place: Place = place_of(settings_for(folder, database=database))
        self.own = Invalidation()
        self.coherence = Coherence(self.own)
        self.store = MemoryDictionaries()
        self.packing = Packing(Compressor({"cache": Policy()}, self.store))
        shared = self.place.kind != "sqlite"
        self.now_ms = ENTRY.made_ms
        self.tier = DiskTier(
            self.packing,
            name=self.place.kind,
            max_bytes=max_bytes,
            budget_s=5,
            shared=shared,
            now_ms=lambda: self.now_ms,
        )
        self.session = DiskSession(
            self.place, self.tier, self.packing, self.coherence, now_ms=lambda: self.now_ms, group_s=0
        )

    @property
    def file(self) -> Path:
        """The file of SQLite."""
        return self.folder / "cache.db"

    async def written(self) -> None:
        """Wait until nothing waits."""
        await until(lambda: self.session.is_open and not self.tier.has_waiting, within_s=SOON_S)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[DiskTier]:
        """Have it open while the block lasts."""
        running = asyncio.ensure_future(self.session.run())
        try:
            await until(lambda: self.session.is_open and self.tier.is_open, within_s=SOON_S)
            yield self.tier
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
