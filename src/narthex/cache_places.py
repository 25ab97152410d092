"""Where answers lie outside of this process's memory: in Redis, on disk, and who says there what is void."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from narthex.cache.coherence import Coherence
from narthex.cache.disk_session import DiskSession, Place
from narthex.cache.entries import Entry
from narthex.cache.redis_session import RedisSession
from narthex.cache.tiers.contract import Tier
from narthex.cache.tiers.disk import DiskTier
from narthex.cache.tiers.packing import Packing
from narthex.cache.tiers.postgresql_driver import PostgresqlDriver
from narthex.cache.tiers.redis import RedisTier
from narthex.cache.tiers.sqlite_driver import SqliteDriver, is_damaged, set_aside
from narthex.compression.compressor import Compressor
from narthex.config.cache_settings import CacheSettings
from narthex.config.database_settings import is_postgresql
from narthex.config.settings import Settings
from narthex.pipeline.contract import Spawn
from narthex.stores.link import LinkSettings

FILE_NAME: Final = "cache.db"
SETTLE_S: Final = 1.0
"""How long whoever declares something void waits until that is written down."""
BUSY_S: Final = 1.0
"""How long a connection waits for others that write."""


class CachePlaces:
    """The tiers below memory, and their connections.

    Attributes:
        redis: Entries that several processes share; None where there are none.
        disk: Entries that are there again after a start; None where there are none.
        session: With the server that several processes share; None where there is none.
        disk_session: With the database; None where there is none.
    """

    def __init__(
        self, settings: CacheSettings, compressor: Compressor | None, link: LinkSettings | None, place: Place | None
    ) -> None:
        """Make the tiers; nothing is opened before `open`.

        Args:
            settings: The configuration.
            compressor: Makes smaller what lies there; without it nothing does.
            link: Where the server is that several processes share.
            place: Where the database is.
        """
        self._link, self._place = link, place
        self._alone_s = settings.redis_alone_s
        self._packing = None if compressor is None else Packing(compressor)
        self.redis = self._redis_tier(settings)
        self.disk = self._disk_tier(settings)
        self.session: RedisSession | None = None
        self.disk_session: DiskSession | None = None

    def _redis_tier(self, settings: CacheSettings) -> RedisTier | None:
        if self._link is None or self._packing is None or not (settings.enabled and settings.redis):
            return None
        return RedisTier(
            self._packing,
            prefix=self._link.prefix,
            budget_s=settings.redis_budget_ms / 1_000,
            lease_s=settings.redis_lease_s if settings.redis_wait_s else None,
        )

    def _disk_tier(self, settings: CacheSettings) -> DiskTier | None:
        is_off = not settings.enabled or (settings.mode == "off" and not settings.rules)
        if self._place is None or self._packing is None or is_off or not settings.disk:
            return None
        return DiskTier(
            self._packing,
            name=self._place.kind,
            max_bytes=settings.disk_max_bytes,
            budget_s=settings.disk_budget_ms / 1_000,
            shared=self._place.kind != "sqlite",
        )

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers, the nearest first."""
        return tuple(tier for tier in (self.redis, self.disk) if tier is not None)

    @property
    def leasing(self) -> RedisTier | None:
        """The tier that says whose turn it is to ask."""
        return None if self.redis is None or self.redis.leases is None else self.redis

    @property
    def are_shared(self) -> bool:
        """Whether what is declared void is numbered by others than this process."""
        return self._link is not None or self.disk is not None

    def open(self, coherence: Coherence | None, spawn: Spawn, when_alone: Callable[[bool], None]) -> None:
        """Look there from now on, as soon as each is there.

        Args:
            coherence: Knows what is void.
            spawn: Keeps tasks.
            when_alone: Told when nothing was heard for too long of what others declare void, and when that is over.
        """
        if coherence is not None and self._link is not None:
            self.session = RedisSession(self._link, coherence, self.redis, alone_s=self._alone_s)
            self.session.when_alone = when_alone
            spawn(self.session.run())
        if self.disk is not None and self._place is not None and self._packing is not None:
            own = coherence if self._link is None else None
            self.disk_session = DiskSession(self._place, self.disk, self._packing, own)
            spawn(self.disk_session.run())

    def adopt(self, settings: CacheSettings) -> None:
        """Go by other settings from now on."""
        if self.session is not None:
            self.session.alone_s = settings.redis_alone_s
        if self.redis is not None:
            self.redis.budget_s = settings.redis_budget_ms / 1_000
            if self.redis.leases is not None:
                self.redis.leases.lease_s = settings.redis_lease_s
        if self.disk is not None:
            self.disk.budget_s = settings.disk_budget_ms / 1_000
            self.disk.max_bytes = self.disk.figures.max_bytes = settings.disk_max_bytes

    async def settle(self, coherence: Coherence | None) -> bool:
        """Wait until what was declared void is written down where others find it; False if that cannot be for now."""
        if coherence is None:
            return True
        try:
            async with asyncio.timeout(SETTLE_S):
                while coherence.waiting:
                    if not self._is_up:
                        return False
                    await asyncio.sleep(0.001)
        except TimeoutError:
            return False
        return True

    @property
    def _is_up(self) -> bool:
        if self.session is not None:
            return self.session.link.up
        return self.disk_session is not None and self.disk_session.is_open

    async def erase(self, concerns: Callable[[Entry], bool], before_ms: int) -> None:
        """Take away what is somebody's, and leave nothing of it behind.

        Args:
            concerns: Tells whether an entry is theirs.
            before_ms: Dictionaries of the compression that were learned before may hold pieces of what they said, and
                go with all that was written with them; in milliseconds of Unix time.
        """
        if self._packing is not None:
            await self._packing.forget_before(before_ms)
        if self.redis is not None:
            await self.redis.erase(concerns, before_ms)
        if self.disk_session is not None:
            await self.disk_session.erase(concerns, before_ms)


def place_of(settings: Settings) -> Place:
    """Return where the database is, as the settings have it."""
    address = settings.database.url
    url = "" if address is None else address.get_secret_value()
    line = "own" if settings.redis.url is None else f"redis:{settings.redis.prefix}"
    if is_postgresql(address):
        return Place("postgresql", lambda _writes: PostgresqlDriver(url, timeout_s=BUSY_S), _not_ours, line)
    path = settings.data_dir.expanduser() / FILE_NAME
    return Place(
        "sqlite", lambda writes: SqliteDriver(path, timeout_s=BUSY_S, writes=writes), partial(_mended, path), line
    )


def _mended(path: Path, error: Exception) -> bool:
    if not is_damaged(error):
        return False
    set_aside(path)
    return True


def _not_ours(_: Exception) -> bool:
    return False
