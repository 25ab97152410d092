"""Puts the cache together: where answers lie, which calls it is for, and the stage that answers from it."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Self

from narthex.cache.disk_session import Place
from narthex.cache.entries import Entry
from narthex.cache.erasing import OrganisationOf, is_erased
from narthex.cache.semantic.embedding import Embedding
from narthex.cache.semantic.engine import Rules, Semantic
from narthex.cache.semantic.shared import SharedIndex
from narthex.cache.semantic.shared_session import SharedSession
from narthex.cache.store import Cache
from narthex.cache.tier_figures import lines as tier_lines
from narthex.cache_places import CachePlaces, place_of
from narthex.compression.compressor import Compressor
from narthex.config.cache_settings import CacheSettings, SemanticSettings
from narthex.config.settings import Settings
from narthex.pipeline.billing import Billing, Ledger
from narthex.pipeline.cache_desk import CacheDesk
from narthex.pipeline.cache_terms import CachePolicy
from narthex.pipeline.contract import Next, Spawn
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.handling import Handling
from narthex.pipeline.house_calls import HouseCalls, Resolve
from narthex.pipeline.prefetching import Prefetching
from narthex.pipeline.same_meaning import Means, SameMeaning
from narthex.pipeline.saving import Saving
from narthex.pipeline.semantic_judging import ClearCases, SemanticJudge
from narthex.pipeline.settle import Settlement
from narthex.pipeline.stages.recall import Recall
from narthex.pipeline.warming import MAX_REQUESTS, Asked, Warming
from narthex.policies import link_settings
from narthex.stores.database.erasures import ErasedNames
from narthex.stores.link import LinkSettings
from narthex.streams.stream import Stream
from narthex.tenancy.keys import Keyring, standing

logger = logging.getLogger(__name__)


class Caching:
    """Everything that gives answers again.

    Attributes:
        cache: Where they are.
        policy: Says which calls it is for.
        desk: Looks into it and changes what is kept, on behalf of callers.
        handle: Takes a call through the whole chain; the engine's.
        meaning: Finds answers to questions that mean the same; None where that is off.
        places: Where they lie outside of memory.
    """

    handle: Callable[[Exchange], Awaitable[Stream]]
    meaning: SameMeaning | None = None
    _recall: Recall | None = None
    _house: HouseCalls | None = None
    _questions: SharedSession | None = None
    _erased: tuple[Callable[[Entry], bool], int] | None = None

    def __init__(
        self,
        settings: CacheSettings,
        spawn: Spawn,
        keyring: Keyring | None = None,
        *,
        compressor: Compressor | None = None,
        link: LinkSettings | None = None,
        place: Place | None = None,
    ) -> None:
        """Begin with nothing.

        Args:
            settings: The configuration.
            spawn: Keeps the tasks of what is done beside calls.
            keyring: Knows in whose name it is warmed.
            compressor: Makes smaller what lies outside of memory; without it nothing does.
            link: Where the server is that several processes share; None where there is none.
            place: Where the database is in which answers are there again after a start; None where there is none.
        """
        self._keyring = keyring
        self._spawn = spawn
        self.policy = CachePolicy(settings)
        self.places = CachePlaces(settings, compressor, link, place)
        self.cache = Cache(
            policy=settings.policy,
            max_bytes=settings.max_bytes,
            max_entry_bytes=settings.max_entry_bytes,
            below=self.places.tiers,
            leasing=self.places.leasing,
            shared=self.places.are_shared,
            spawn=spawn,
        )
        self.cache.alone_s = _alone_s(settings)
        warming = Warming(self.cache, lambda: self.policy, lambda exchange: self.handle(exchange))  # noqa: PLW0108 - comes later
        self.desk = CacheDesk(self.cache, self.policy, warming)
        self.desk.settle = self._settle
        self.places.open(self.cache.coherence, spawn, self.cache.be_alone)
        self._place = place
        self._watching: list[asyncio.Task[None]] = []
        self.prefetching = self.desk.prefetching = Prefetching(settings.predictive, self.cache, spawn)
        self.prefetching.calls.handle = lambda exchange: self.handle(exchange)  # noqa: PLW0108 - comes later

    @classmethod
    def of(
        cls,
        settings: Settings,
        spawn: Spawn,
        keyring: Keyring,
        compressor: Compressor,
        available: Callable[[str], bool] = lambda _name: True,
    ) -> Self:
        """Return the cache of a server with these settings; `available` tells whether a model has room to spare."""
        link, place = link_settings(settings.redis), place_of(settings)
        made = cls(settings.cache, spawn, keyring, compressor=compressor, link=link, place=place)
        made.prefetching.calls.available = available
        made.prefetching.warmth.standing = partial(standing, keyring)
        return made

    async def _settle(self) -> None:
        await self.places.settle(self.cache.coherence)

    def stage(self, settlement: Settlement, billing: Billing, ledger: Ledger, resolve: Resolve) -> Recall:
        """Return the stage that answers from it.

        Args:
            settlement: Settles all calls, and those that fetch an answer anew.
            billing: Tells what answers cost.
            ledger: Is told what was saved.
            resolve: Knows the models that tell whether two questions mean the same.

        Raises:
            ConfigError: Something is not installed that it needs.
        """

        async def handle(exchange: Exchange, rest: Next) -> None:
            answer = await Handling(rest, settlement).handle(exchange)
            reader = answer.reader()
            while await reader.wait():
                reader.take()

        if self.policy.settings.warm is not None:
            self._spawn(self._warm_up(self.policy.settings.warm, billing))
        settlement.saving = saving = Saving(billing, ledger)
        self.prefetching.warmth.cost = saving.cost_of
        self._recall = Recall(self.cache, self.policy, self._spawn, cost=saving.cost_of, handle=handle)
        self._house = HouseCalls(resolve, self._spawn, billing)
        self._go_by_meaning()
        self._predict(self.policy.settings)
        return self._recall

    def _predict(self, settings: CacheSettings) -> None:
        """Learn from calls what is asked next, if the settings say so; what is off is not asked."""
        self.prefetching.adopt(settings.predictive)
        on = settings.enabled and settings.predictive.enabled
        self.cache.when_kept = self.prefetching.kept if on else None
        if self._recall is not None:
            self._recall.prefetching = self.prefetching if on else None
            self._recall.intake.when_landed = self.prefetching.landed if on else None

    def _go_by_meaning(self) -> None:
        """Hold questions against each other by their meaning, as the settings say; what was known of them is gone."""
        for task in self._watching:
            task.cancel()
        self._watching.clear()
        settings, cache = self.policy.settings.semantic, self.cache
        meaning = self._questions = cache.when_gone = None
        if settings.enabled and self.policy.settings.enabled and self._house is not None:
            self._questions = questions = shared_questions(settings, self._place)
            meaning = same_meaning(settings, self._house, cache, self._spawn, questions)
            cache.when_gone = meaning.let_go
            works = [meaning.keep_watch()]
            if questions is not None:
                works += [questions.run(), questions.keep_growing()]
                if self._erased is not None:
                    questions.erase(*self._erased)
            self._watching = [self._spawn(work) for work in works]
        self.meaning = self.desk.meaning = meaning
        if self._recall is not None:
            self._recall.adopt(self.policy, meaning)

    def forget_erased(self, names: ErasedNames, organisation_of: OrganisationOf) -> None:
        """Let go of what was asked for by who was erased, and take in nothing of it that was on its way."""

        def refuses(entry: Entry) -> bool:
            return is_erased(entry, names, organisation_of)

        if names.until:
            self.prefetching.forget()
            self.cache.refuses = refuses
            self._erased = refuses, names.until
            if self._questions is not None:
                self._questions.erase(refuses, names.until)
            self._spawn(self._forget(refuses, names.until))

    async def _forget(self, refuses: Callable[[Entry], bool], until_ms: int) -> None:
        held = [one.entry for one in self.cache.memory]
        keys = await asyncio.to_thread(lambda: [entry.key for entry in held if refuses(entry)])
        if keys:
            self.cache.forget(keys)
        if self.meaning is not None:
            # Of what is not in memory nobody knows whose question it was.
            self.meaning.tidy()
        await self.places.erase(refuses, until_ms)

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
        before = self.policy.settings
        self.policy = self.desk.policy = CachePolicy(settings)
        self.cache.memory.adopt(policy=settings.policy, max_bytes=settings.max_bytes)
        self.cache.max_entry_bytes = settings.max_entry_bytes
        self.cache.alone_s = _alone_s(settings)
        self.places.adopt(settings)
        if self._recall is not None:
            self._recall.adopt(self.policy, self.meaning)
        if (settings.enabled, settings.semantic) != (before.enabled, before.semantic):
            self._go_by_meaning()
        self._predict(settings)

    def lines(self) -> Iterator[str]:
        """Yield the state in Prometheus's text format."""
        yield from self.cache.figures.lines()
        yield from self.prefetching.lines()
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
        if self.meaning is not None:
            yield from self.meaning.lines()


def shared_questions(settings: SemanticSettings, place: Place | None) -> SharedSession | None:
    """Return the questions that all nodes know, in the PostgreSQL that they share; None where there is none."""
    if place is None or place.kind != "postgresql" or settings.index == "memory":
        return None
    index = SharedIndex(budget_s=settings.index_budget_ms / 1_000)
    return SharedSession(
        lambda: place.connect(True), index, name=settings.embedding_model, most=settings.index_max_entries
    )


def same_meaning(
    settings: SemanticSettings,
    house: HouseCalls,
    cache: Cache,
    spawn: Spawn,
    questions: SharedSession | None = None,
) -> SameMeaning:
    """Return what finds answers to questions that mean the same, with those that all nodes know.

    Raises:
        ConfigError: Something is not installed that it needs.
    """
    model, judge_model = settings.embedding_model, settings.judge_model
    embed = partial(house.embed, model)
    judge = None if judge_model is None else SemanticJudge(judge_model, house.ask)
    means = Means(
        engine=Semantic(Rules.of(settings)),
        embedding=Embedding(embed, name=model, budget_ms=settings.budget_ms),
        compare=(ClearCases(embed) if judge is None else judge).answers,
        judge=None if judge is None else judge.questions,
        safe_tools=settings.safe_tools,
        least_similarity=settings.least_similarity if settings.similar_on_failure else None,
        shared=None if questions is None else questions.index,
        recognise=None if questions is None else questions.recognise,
    )
    if questions is not None:
        means.engine.when_vouched = questions.index.vouched
    return SameMeaning(means, cache, spawn)


def _alone_s(settings: CacheSettings) -> float:
    return math.inf if settings.redis_alone_gives == "all" else settings.redis_alone_s


def _read(file: Path) -> bytes:
    return file.expanduser().read_bytes()
