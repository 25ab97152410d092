"""Puts the cache together: where answers lie, which calls it is for, and the stage that answers from it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Self

from narthex.cache.entries import Entry
from narthex.cache.erasing import OrganisationOf, is_erased
from narthex.cache.redis_session import RedisSession
from narthex.cache.store import Cache
from narthex.cache.tier_figures import lines as tier_lines
from narthex.cache.tiers.packing import Packing
from narthex.cache.tiers.redis import RedisTier
from narthex.compression.compressor import Compressor
from narthex.config.cache_settings import CacheSettings
from narthex.config.settings import Settings
from narthex.pipeline.billing import Billing, Ledger
from narthex.pipeline.cache_desk import CacheDesk
from narthex.pipeline.cache_terms import CachePolicy
from narthex.pipeline.contract import Next, Spawn
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.handling import Handling
from narthex.pipeline.saving import Saving
from narthex.pipeline.settle import Settlement
from narthex.pipeline.stages.recall import Recall
from narthex.pipeline.warming import MAX_REQUESTS, Asked, Warming
from narthex.policies import link_settings
from narthex.stores.database.erasures import ErasedNames
from narthex.stores.link import LinkSettings
from narthex.streams.stream import Stream
from narthex.tenancy.keys import Keyring

logger = logging.getLogger(__name__)


class Caching:
    """Everything that gives answers again.

    Attributes:
        cache: Where they are.
        policy: Says which calls it is for.
        desk: Looks into it and changes what is kept, on behalf of callers.
        handle: Takes a call through the whole chain; the engine's.
        session: With the server that several processes share; None where there is none.
    """

    handle: Callable[[Exchange], Awaitable[Stream]]

    def __init__(
        self,
        settings: CacheSettings,
        spawn: Spawn,
        keyring: Keyring | None = None,
        *,
        compressor: Compressor | None = None,
        link: LinkSettings | None = None,
    ) -> None:
        """Begin with nothing.

        Args:
            settings: The configuration.
            spawn: Keeps the tasks of what is done beside calls.
            keyring: Knows in whose name it is warmed.
            compressor: Makes smaller what lies outside of memory; without it nothing does.
            link: Where the server is that several processes share; None where there is none.
        """
        self._keyring = keyring
        self._spawn = spawn
        self.policy = CachePolicy(settings)
        self._redis = _redis_tier(settings, compressor, link)
        self.cache = Cache(
            policy=settings.policy,
            max_bytes=settings.max_bytes,
            max_entry_bytes=settings.max_entry_bytes,
            below=() if self._redis is None else (self._redis,),
            leasing=None if self._redis is None or self._redis.leases is None else self._redis,
            shared=link is not None,
            spawn=spawn,
        )
        warming = Warming(self.cache, lambda: self.policy, lambda exchange: self.handle(exchange))  # noqa: PLW0108 - comes later
        self.desk = CacheDesk(self.cache, self.policy, warming)
        self.session = self._shared(link)
        self._recall: Recall | None = None

    @classmethod
    def of(cls, settings: Settings, spawn: Spawn, keyring: Keyring, compressor: Compressor) -> Self:
        """Return the cache of a server with these settings."""
        return cls(settings.cache, spawn, keyring, compressor=compressor, link=link_settings(settings.redis))

    def _shared(self, link: LinkSettings | None) -> RedisSession | None:
        """Tell others what is void, and hear it from them, from now on."""
        coherence = self.cache.coherence
        if link is None or coherence is None:
            return None
        session = RedisSession(link, coherence, self._redis)
        self._spawn(session.run())
        return session

    def stage(self, settlement: Settlement, billing: Billing, ledger: Ledger) -> Recall:
        """Return the stage that answers from it.

        Args:
            settlement: Settles all calls, and those that fetch an answer anew.
            billing: Tells what answers cost.
            ledger: Is told what was saved.
        """

        async def handle(exchange: Exchange, rest: Next) -> None:
            answer = await Handling(rest, settlement).handle(exchange)
            reader = answer.reader()
            while await reader.wait():
                reader.take()

        if self.policy.settings.warm is not None:
            self._spawn(self._warm_up(self.policy.settings.warm, billing))
        settlement.saving = saving = Saving(billing, ledger)
        self._recall = Recall(self.cache, self.policy, self._spawn, cost=saving.cost_of, handle=handle)
        return self._recall

    def forget_erased(self, names: ErasedNames, organisation_of: OrganisationOf) -> None:
        """Let go of what was asked for by who was erased, and take in nothing of it that was on its way."""

        def refuses(entry: Entry) -> bool:
            return is_erased(entry, names, organisation_of)

        if names.until:
            self.cache.refuses = refuses
            self._spawn(self._forget(refuses))

    async def _forget(self, refuses: Callable[[Entry], bool]) -> None:
        held = [one.entry for one in self.cache.memory]
        keys = await asyncio.to_thread(lambda: [entry.key for entry in held if refuses(entry)])
        if keys:
            self.cache.forget(keys)

    async def _warm_up(self, file: Path, billing: Billing) -> None:
        """Have the questions of a file answered, once calls can be paid."""
        await billing.ready.wait()
        name = self.policy.settings.warm_as
        caller = None if self._keyring is None else self._keyring.caller(name)
        if caller is None:
            logger.error("the cache is not warmed: there is no key of the name %r; set `cache.warm_as`", name)
            return
        try:
            lines = (await asyncio.to_thread(_read, file)).splitlines()
        except OSError as error:
            logger.error("the cache is not warmed: %s cannot be read: %s", file, error.strerror)  # noqa: TRY400 - it says it all
            return
        requests = [line for line in lines if line.strip()][:MAX_REQUESTS]
        done = await self.desk.warming.warm(caller, Asked(requests=requests))
        for one in done:
            if one.status == "failed":
                logger.warning("the cache is not warmed with request %d of %s: %s", one.index + 1, file, one.message)
        logger.info("the cache is warmed: %d of %d", sum(one.status == "kept" for one in done), len(done))

    def adopt(self, settings: CacheSettings) -> None:
        """Go by other settings from now on; what there is no room for is forgotten."""
        self.policy = self.desk.policy = CachePolicy(settings)
        self.cache.memory.adopt(policy=settings.policy, max_bytes=settings.max_bytes)
        self.cache.max_entry_bytes = settings.max_entry_bytes
        if self._redis is not None:
            self._redis.budget_s = settings.redis_budget_ms / 1_000
            if self._redis.leases is not None:
                self._redis.leases.lease_s = settings.redis_lease_s
        if self._recall is not None:
            self._recall.policy = self.policy
            self._recall.intake.jitter = settings.jitter_percent / 100

    def lines(self) -> Iterator[str]:
        """Yield the state in Prometheus's text format."""
        yield from self.cache.figures.lines()
        yield from tier_lines({tier.name: tier.figures for tier in self.cache.below})
        memory = self.cache.memory
        yield "# HELP narthex_cache_bytes Bytes of answers in memory."
        yield "# TYPE narthex_cache_bytes gauge"
        yield f"narthex_cache_bytes {memory.bytes_used}"
        yield "# HELP narthex_cache_entries Answers in memory."
        yield "# TYPE narthex_cache_entries gauge"
        yield f"narthex_cache_entries {len(memory)}"
        yield "# HELP narthex_cache_evicted_total Answers that had to go as there was no room."
        yield "# TYPE narthex_cache_evicted_total counter"
        yield f"narthex_cache_evicted_total {memory.evicted}"


def _read(file: Path) -> bytes:
    return file.expanduser().read_bytes()


def _redis_tier(settings: CacheSettings, compressor: Compressor | None, link: LinkSettings | None) -> RedisTier | None:
    if link is None or compressor is None or not (settings.enabled and settings.redis):
        return None
    return RedisTier(
        Packing(compressor),
        prefix=link.prefix,
        budget_s=settings.redis_budget_ms / 1_000,
        lease_s=settings.redis_lease_s if settings.redis_wait_s else None,
    )
