"""Answer a call from the cache, have it join the same call that is under way, or keep what comes.

It stands behind the permission to use a model and before the reservation: nobody is given what they may not ask for,
and what costs nothing is held against no limit.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable
from functools import partial
from random import Random
from time import perf_counter_ns
from typing import Final

from narthex.cache.figures import HitKind, MissReason
from narthex.cache.leases import Turn
from narthex.cache.store import MEMORY, Cache, Found
from narthex.errors import DeadlineExceeded, NotCached, ProviderError, ProviderRejected
from narthex.pipeline.cache_intake import Cost, Intake
from narthex.pipeline.cache_terms import CachePolicy, Terms, directives_of
from narthex.pipeline.cached_answers import Hit, said_by, text_of
from narthex.pipeline.contract import Next, Spawn
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.far_flights import FarFlights
from narthex.pipeline.flights import Flight, Flights
from narthex.pipeline.giving import Giving, Missed, against, pace_of, without_miss
from narthex.pipeline.prefetching import Prefetching
from narthex.pipeline.refreshing import Handle, Refreshing, again
from narthex.pipeline.refusals import Refusals
from narthex.pipeline.same_meaning import Alike, SameMeaning
from narthex.types.usage import Usage

_DISABLED: Final = (("x-narthex-cache", "DISABLED"), ("cache-status", "narthex; fwd=bypass"))


class Recall:
    """Answer calls from the cache.

    Attributes:
        cache: Where answers are.
        policy: Says which calls it is for.
        flights: The calls under way.
        refreshing: Fetches answers anew.
        intake: Keeps answers.
        meaning: Finds answers to questions that mean the same; None where that is off.
    """

    def __init__(
        self,
        cache: Cache,
        policy: CachePolicy,
        spawn: Spawn,
        *,
        cost: Cost,
        handle: Handle,
        random: Random | None = None,
    ) -> None:
        """Take what it works with.

        Args:
            cache: Where answers are.
            policy: Says which calls it is for.
            spawn: Keeps the tasks of calls that several wait for.
            cost: Tells what an answer cost.
            handle: Fetches an answer anew that nobody waits for.
            random: Decides when that is done early, and how long answers are kept.
        """
        self.cache = cache
        self._giving = Giving(cache)
        self._far = FarFlights(cache, self._giving)
        self._looks = cache.figures.latencies[MEMORY]
        self.flights = Flights()
        self._spawn = spawn
        self.refreshing = Refreshing(cache, self.flights, spawn, handle=handle, lead=self._lead)
        self.prefetching: Prefetching | None = None
        self._random = Random() if random is None else random  # noqa: S311 - nothing is secret about when
        self.intake = Intake(cache, spawn, cost=cost, random=self._random, jitter=0.0)
        self._refusals = Refusals(cache.invalidation)
        self.adopt(policy)

    def adopt(self, policy: CachePolicy, meaning: SameMeaning | None = None) -> None:
        """Go by these rules from now on."""
        self.policy, self.meaning = policy, meaning
        self.intake.jitter = policy.settings.jitter_percent / 100
        self.intake.when_kept = None if meaning is None else meaning.learn

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[None]:
        """Set `exchange.answer` from the cache, or call on and keep what comes."""
        if not self.policy.concerns(exchange):
            return call_next(exchange)
        return self._recall(exchange, call_next)

    async def _recall(self, exchange: Exchange, call_next: Next) -> None:
        terms = self.policy.terms(exchange)
        if terms is None:
            self._bypass(exchange)
            await call_next(exchange)
            return
        if self.prefetching is not None:
            self.prefetching.asked(exchange, terms)
        found, why, turn = await self._look(terms)
        alike, meaning = None, self.meaning
        try:
            if found is not None and why is None and self._given_again(exchange, call_next, found, terms):
                return
            if meaning is not None and terms.circle is not None and terms.directives.look:
                alike = await self._alike(meaning, exchange, call_next, terms)
                if alike is None:
                    return
            await self._missed(exchange, call_next, Missed(terms, why or "damaged", found, turn, alike))
        finally:
            if turn is not None:
                turn.give_up()

    def _given_again(self, exchange: Exchange, call_next: Next, found: Found, terms: Terms) -> bool:
        """Give the answer to the very same question, and have it fetched anew where due; False if it is gone."""
        if not self._giving.is_given(exchange, found, _kind(exchange, found)):
            return False
        if terms.directives.original_pace and exchange.streaming and exchange.pace is None:
            exchange.pace = pace_of(found.entry)
        if self.meaning is not None:
            self.meaning.met(exchange, terms, terms.key)
        if found.standing == "stale" or self._is_due(found):
            self.refreshing.begin(exchange, call_next, terms)
        return True

    def _bypass(self, exchange: Exchange) -> None:
        """Tell a caller who asked for the cache that it has nothing to do with this call."""
        directives = directives_of(exchange)
        if directives.only:
            raise NotCached(param="x-narthex-cache")
        if directives.said:
            exchange.told = (*exchange.told, *_DISABLED)

    # -- what there is ---------------------------------------------------------------------------------------------

    async def _look(self, terms: Terms) -> tuple[Found | None, MissReason | None, Turn | None]:
        """Return what there is, why it may not be given, and whose turn it is to ask, as far as that is known."""
        said, turn = terms.directives, None
        if not said.look:
            return None, "refresh", None
        cache = self.cache
        began = perf_counter_ns()
        found = cache.find(terms.key)
        self._looks.note(perf_counter_ns() - began)
        if isinstance(found, str) and cache.below:
            turn = cache.turn() if said.store else None
            found = await self._search(terms, found, turn)
        elif isinstance(found, str):
            self._refusals.raise_remembered(terms)
        if isinstance(found, str):
            return None, found, turn
        return found, against(found, said), turn

    async def _search(self, terms: Terms, why: MissReason, turn: Turn | None) -> Found | MissReason:
        """Look below memory; whoever does not come back from that has no turn either."""
        try:
            found = await self.cache.search(terms.key, why, turn)
            if isinstance(found, str):
                self._refusals.raise_remembered(terms)
        except BaseException:
            # A lease that nobody ends is renewed for as long as this process lives, and others wait for it.
            if turn is not None:
                turn.give_up()
            raise
        return found

    async def _alike(self, meaning: SameMeaning, exchange: Exchange, call_next: Next, terms: Terms) -> Alike | None:
        """Give the answer to a question that means the same, and return None; or return why there is none."""
        if self.flights.get(terms.key) is not None:
            return Alike("asked already")
        alike, said = await meaning.look(exchange, terms), terms.directives
        if alike.hit is None or alike.found is None:
            # The very same may have been answered while the vector was waited for.
            found = self.cache.memory.peek(terms.key) and self.cache.find(terms.key)
            if not isinstance(found, Found) or against(found, said) is not None:
                return alike
            return None if self._given_again(exchange, call_next, found, terms) else alike
        if against(alike.found, said) is not None:
            return Alike("too old", hit=alike.hit)
        if not self._giving.is_given(exchange, alike.found, "semantic", alike):
            return Alike("damaged", hit=alike.hit)
        if alike.hit.is_sampled and said.store:
            generate = partial(self._generated, again(exchange), call_next, terms)
            self._spawn(meaning.sampled(alike.hit.pair, text_of(said_by(alike.found.held)), generate))
        return None

    async def _generated(self, asked: Exchange, call_next: Next, terms: Terms) -> str | None:
        """Have an answer generated and kept, and return what it says; None if there is none that is kept."""
        await self.refreshing.fetch(asked, call_next, terms)
        held = self.cache.memory.peek(terms.key)
        return text_of(said_by(held)) if held is not None and held.entry.maker == asked.id else None

    # -- what there is not -----------------------------------------------------------------------------------------

    async def _missed(self, exchange: Exchange, call_next: Next, missed: Missed) -> None:
        terms, why, _, turn, _ = missed
        said = terms.directives
        if said.only:
            self._count_miss(exchange, missed)
            raise NotCached(param="x-narthex-cache")
        before, word = exchange.told, "REFRESH" if why == "refresh" else "MISS"
        forwarded = {"refresh": "request", "absent": "uri-miss"}.get(why, "stale")
        status = f"narthex; fwd={forwarded}; detail={why.replace(' ', '-')}"
        exchange.told = (*before, ("x-narthex-cache", word), ("cache-status", status))
        try:
            if said.store and await self._answered_by_another(exchange, terms):
                return
            if turn is None or turn.elsewhere_s is None:
                self._count_miss(exchange, missed)
            await (self._lead(exchange, call_next, missed) if said.store else call_next(exchange))
        except ProviderError as error:
            if not await self._giving.stands_in(exchange, missed, error, meaning=self.meaning, before=before):
                raise

    async def _in_turn(self, exchange: Exchange, *, call_next: Next, missed: Missed) -> None:
        """Give what another process is answered that asks the same, or ask as well."""
        assert missed.turn is not None
        within_s = self.policy.settings.redis_wait_s
        if await self._far.is_answered(exchange, missed.terms, missed.turn, within_s):
            return
        self._count_miss(exchange, missed)
        await call_next(exchange)

    def _count_miss(self, exchange: Exchange, missed: Missed) -> None:
        terms, _, found, _, alike = missed
        target = exchange.target
        assert target is not None
        self.cache.figures.miss(
            missed.why,
            request_id=exchange.id,
            model=target.name,
            scope=terms.scope,
            key=terms.key,
            tier="" if found is None else found.tier,
            semantic="" if alike is None else alike.why,
            similarity=None if alike is None else alike.similarity,
        )

    async def _answered_by_another(self, exchange: Exchange, terms: Terms) -> bool:
        """Tell whether the call was answered by the same one that is under way; if not, it goes out itself."""
        while terms.directives.look and (flight := self.flights.get(terms.key)) is not None:
            if self.cache.is_overtaken(terms.key, terms.tags, flight.number):
                # It was asked before something was declared void: whoever asks after that is not given its answer.
                break
            if await self._joined(exchange, flight, terms):
                return True
            if self.flights.get(terms.key) is flight:
                # Its beginning is held no more: others may join this call instead.
                break
        return False

    async def _joined(self, exchange: Exchange, flight: Flight, terms: Terms) -> bool:
        """Tell whether the call was answered by another one."""
        try:
            async with asyncio.timeout(exchange.left_s):
                outcome = await flight.join(exchange)
        except TimeoutError:
            raise DeadlineExceeded from None
        if outcome == "again":
            return False
        if outcome == "ended":
            # If its answer is not one to be kept, there may still be an older one.
            found = self.cache.find(terms.key)
            return not isinstance(found, str) and self._giving.is_given_too(exchange, found, terms.directives)
        exchange.told = (*without_miss(exchange.told), ("cache-status", "narthex; fwd=uri-miss; collapsed"))
        exchange.hit = Hit("joined", None)
        usage = flight.exchange.usage or Usage()
        read, written = usage.input_tokens, usage.output_tokens
        self.cache.figures.hit("joined", input_tokens=read, output_tokens=written, picousd=0, scope=terms.scope)
        return True

    async def _lead(self, exchange: Exchange, call_next: Next, missed: Missed) -> None:
        """Send the call; others may join it, and its answer is kept."""
        terms, number, turn = missed.terms, self.cache.invalidation.number, Turn()
        if missed.turn is not None:
            # It is the call's from now on, which may go on without whoever asked first.
            turn.take(missed.turn)
            if turn.elsewhere_s is not None:
                call_next = partial(self._in_turn, call_next=call_next, missed=missed._replace(turn=turn))

        def landed(flight: Flight) -> None:
            self.flights.remove(terms.key, flight)
            self.intake.take(flight, terms, number=number, lease=turn.hand_over())

        flight = Flight(exchange, room_bytes=self.cache.max_entry_bytes, landed=landed, number=number)
        flight.begun = partial(self._far.offer, terms=terms, turn=turn, number=number)
        self.flights.add(terms.key, flight)
        if exchange.carried is None:
            exchange.carried = flight.done
        flight.task = self._spawn(flight.run(call_next))
        try:
            await asyncio.shield(flight.done)
        except ProviderRejected as error:
            self._refusals.remember(terms, error, for_s=self.policy.settings.errors_s, number=number)
            raise
        except asyncio.CancelledError:
            flight.leave()
            raise

    # -- what is fetched anew -------------------------------------------------------------------------------------

    def _is_due(self, found: Found) -> bool:
        """Tell whether an entry is to be fetched anew before it ends.

        The likelier, the nearer its end (Vattani et al., "Optimal probabilistic cache stampede prevention", VLDB 2015),
        and no sooner than it takes: one call does it for all, so that it is done no more often than answers end.
        """
        entry, left_ms = found.entry, found.entry.fresh_ms - found.age_ms
        if left_ms > entry.took_ms or not self.policy.settings.early_refresh:
            return False
        return -entry.took_ms * math.log(1 - self._random.random()) >= left_ms


def _kind(exchange: Exchange, found: Found) -> HitKind:
    if found.standing != "fresh":
        return "stale"
    return "prefetched" if exchange.foreseen else "hit"
