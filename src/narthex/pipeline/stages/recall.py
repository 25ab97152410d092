"""Answer a call from the cache, have it join the same call that is under way, or keep what comes.

It stands behind the permission to use a model and before the reservation: nobody is given what they may not ask for,
and what costs nothing is held against no limit.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from time import perf_counter_ns
from typing import Final, NamedTuple

from narthex.cache.entries import Entry
from narthex.cache.figures import HitKind, MissReason
from narthex.cache.leases import Turn
from narthex.cache.store import MEMORY, Cache, Found
from narthex.errors import DeadlineExceeded, NarthexError, NotCached, ProviderError, ProviderRejected
from narthex.pipeline.cache_intake import Cost, Intake
from narthex.pipeline.cache_terms import CachePolicy, Terms, directives_of
from narthex.pipeline.cached_answers import Hit, Unfit, give
from narthex.pipeline.contract import Next, Spawn
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.flights import Flight, Flights
from narthex.pipeline.refusals import Refusals
from narthex.streams.throttle import Pace
from narthex.types.usage import Usage

logger = logging.getLogger(__name__)

_DISABLED: Final = (("x-narthex-cache", "DISABLED"), ("cache-status", "narthex; fwd=bypass"))
_OF_A_MISS: Final = frozenset({"x-narthex-cache", "cache-status"})

Handle = Callable[[Exchange, Next], Awaitable[None]]
"""Takes a call of our own through the rest of the chain, to its end, and settles it."""


class _Missed(NamedTuple):
    """A call for which nothing was found that may be given."""

    terms: Terms
    why: MissReason
    found: Found | None
    """May be given in place of an error."""
    turn: Turn | None
    """Whose turn it is to ask; None where everybody does."""


class Recall:
    """Answer calls from the cache.

    Attributes:
        cache: Where answers are.
        policy: Says which calls it is for.
        flights: The calls under way.
        intake: Keeps answers.
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
        self.policy = policy
        self._looks = cache.figures.latencies[MEMORY]
        self.flights = Flights()
        self._spawn = spawn
        self._handle = handle
        self._random = Random() if random is None else random  # noqa: S311 - nothing is secret about when
        jitter = policy.settings.jitter_percent / 100
        self.intake = Intake(cache, spawn, cost=cost, random=self._random, jitter=jitter)
        self._refusals = Refusals()

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
        found, why, turn = await self._look(exchange, terms)
        if (
            found is not None
            and why is None
            and self._given(exchange, found, "hit" if found.standing == "fresh" else "stale")
        ):
            if terms.directives.original_pace and exchange.streaming and exchange.pace is None:
                exchange.pace = _pace_of(found.entry)
            if found.standing == "stale" or self._is_due(found.entry):
                self._refresh(exchange, call_next, terms)
            return
        try:
            await self._missed(exchange, call_next, _Missed(terms, why or "damaged", found, turn))
        finally:
            if turn is not None:
                turn.give_up()

    def _given(self, exchange: Exchange, found: Found, kind: HitKind) -> bool:
        """Give an entry; False, and it is gone, if it cannot be read or written in the form that is asked for."""
        try:
            self._give(exchange, found, kind)
        except (Unfit, NarthexError) as error:
            logger.warning("an entry of the cache is given up: %s", error)
            exchange.hit = None
            self.cache.forget([found.entry.key])
            return False
        return True

    def _bypass(self, exchange: Exchange) -> None:
        """Tell a caller who asked for the cache that it has nothing to do with this call."""
        directives = directives_of(exchange)
        if directives.only:
            raise NotCached(param="x-narthex-cache")
        if directives.said:
            exchange.told = (*exchange.told, *_DISABLED)

    # -- what there is ---------------------------------------------------------------------------------------------

    async def _look(self, exchange: Exchange, terms: Terms) -> tuple[Found | None, MissReason | None, Turn | None]:
        """Return what there is, why it may not be given, and whose turn it is to ask, as far as that is known."""
        said, turn = terms.directives, None
        if not said.look:
            return None, "refresh", None
        cache = self.cache
        began = perf_counter_ns()
        found = cache.find(terms.key)
        self._looks.note(perf_counter_ns() - began)
        if isinstance(found, str) and cache.below:
            turn = self._turn(said.store)
            found = await cache.search(terms.key, found, turn)
        if isinstance(found, str):
            self._refusals.raise_remembered(terms.key)
            return None, found, turn
        return found, self._against(found, terms), turn

    def _turn(self, stores: bool) -> Turn | None:
        """Return what is told whose turn it is; None where nobody has to wait for others."""
        leasing = self.cache.leasing
        return Turn() if stores and leasing is not None and leasing.is_leasing() else None

    def _against(self, found: Found, terms: Terms) -> MissReason | None:
        said, entry = terms.directives, found.entry
        age_ms = entry.age_ms(self.cache.now_ms())
        if said.max_age_s is not None and age_ms > said.max_age_s * 1_000:
            return "too old"
        if said.min_fresh_s is not None and entry.fresh_ms - age_ms < said.min_fresh_s * 1_000:
            return "too old"
        if found.standing == "fresh" or (found.standing == "stale" and said.max_age_s is None):
            return None
        stale_s = (age_ms - entry.fresh_ms) / 1_000
        return None if said.max_stale_s is not None and stale_s <= said.max_stale_s else "expired"

    def _give(self, exchange: Exchange, found: Found, kind: HitKind) -> None:
        entry = found.entry
        found.held.uses += 1
        give(exchange, found.held, kind)
        exchange.told = (*exchange.told, *_told(entry, kind, self.cache.now_ms(), found.tier))
        self.cache.figures.hit(
            kind,
            input_tokens=entry.input_tokens,
            output_tokens=entry.output_tokens,
            picousd=entry.cost_picousd,
            scope=entry.scope,
            tier=found.tier,
        )

    # -- what there is not -----------------------------------------------------------------------------------------

    async def _missed(self, exchange: Exchange, call_next: Next, missed: _Missed) -> None:
        terms, why, found, turn = missed
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
            if found is None or found.standing == "gone" or not found.entry.error_ms:
                raise
            exchange.told, exchange.instead_of = before, error
            self._give(exchange, found, "error")

    async def _in_turn(self, exchange: Exchange, *, call_next: Next, missed: _Missed) -> None:
        """Give what another process is answered that asks the same, or ask as well."""
        terms, _, _, turn = missed
        assert turn is not None
        left_s, within_s = exchange.left_s, self.policy.settings.redis_wait_s
        # Half of the time is left for a call of one's own.
        found = await self.cache.follow(terms.key, turn, within_s if left_s is None else min(left_s / 2, within_s))
        if found is not None and self._against(found, terms) is None:
            told = exchange.told
            exchange.told = tuple(one for one in told if one[0] not in _OF_A_MISS)
            if self._given(exchange, found, "joined"):
                return
            exchange.told = told
        self._count_miss(exchange, missed)
        await call_next(exchange)

    def _count_miss(self, exchange: Exchange, missed: _Missed) -> None:
        terms, why, found, _ = missed
        target = exchange.target
        assert target is not None
        self.cache.figures.miss(
            why,
            request_id=exchange.id,
            model=target.name,
            scope=terms.scope,
            key=terms.key,
            tier="" if found is None else found.tier,
        )

    async def _answered_by_another(self, exchange: Exchange, terms: Terms) -> bool:
        """Tell whether the call was answered by the same one that is under way; if not, it goes out itself."""
        while terms.directives.look and (flight := self.flights.get(terms.key)) is not None:
            if await self._joined(exchange, flight, terms):
                return True
            if self.flights.get(terms.key) is flight:
                # Its beginning is held no more: others may join this call instead.
                break
        return False

    async def _joined(self, exchange: Exchange, flight: Flight, terms: Terms) -> bool:
        """Tell whether the call was answered by another one."""
        before = tuple(one for one in exchange.told if one[0] not in _OF_A_MISS)
        try:
            async with asyncio.timeout(exchange.left_s):
                outcome = await flight.join(exchange)
        except TimeoutError:
            raise DeadlineExceeded from None
        if outcome == "again":
            return False
        if outcome == "ended":
            found = self.cache.find(terms.key)
            if isinstance(found, str):
                return False
            exchange.told = before
            self._give(exchange, found, "joined")
            return True
        exchange.told = (*before, ("cache-status", "narthex; fwd=uri-miss; collapsed"))
        exchange.hit = Hit("joined", None)
        usage = flight.exchange.usage or Usage()
        read, written = usage.input_tokens, usage.output_tokens
        self.cache.figures.hit("joined", input_tokens=read, output_tokens=written, picousd=0, scope=terms.scope)
        return True

    async def _lead(self, exchange: Exchange, call_next: Next, missed: _Missed) -> None:
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

        flight = Flight(exchange, room_bytes=self.cache.max_entry_bytes, landed=landed)
        self.flights.add(terms.key, flight)
        if exchange.carried is None:
            exchange.carried = flight.done
        flight.task = self._spawn(flight.run(call_next))
        try:
            await asyncio.shield(flight.done)
        except ProviderRejected as error:
            self._refusals.remember(terms.key, error, self.policy.settings.errors_s)
            raise
        except asyncio.CancelledError:
            flight.leave()
            raise

    # -- what is fetched anew -------------------------------------------------------------------------------------

    def _is_due(self, entry: Entry) -> bool:
        """Tell whether an entry is to be fetched anew before it ends.

        The likelier, the nearer its end and the longer it took: of those that are asked for often, one does it in time
        (Vattani et al., "Optimal probabilistic cache stampede prevention", VLDB 2015).
        """
        left_ms = entry.fresh_ms - entry.age_ms(self.cache.now_ms())
        if not self.policy.settings.early_refresh or left_ms > 10 * entry.took_ms:
            return False
        return -entry.took_ms * math.log(1 - self._random.random()) >= left_ms

    def _refresh(self, exchange: Exchange, call_next: Next, terms: Terms) -> None:
        """Fetch an answer anew, in a call of its own."""
        if self.flights.get(terms.key) is not None:
            return
        again = exchange.copied()
        again.shadow_of, again.head = None, exchange.head
        again.target, again.plan = exchange.target, exchange.plan
        self._spawn(self._fetch(again, call_next, terms))

    async def _fetch(self, exchange: Exchange, call_next: Next, terms: Terms) -> None:
        turn = self._turn(stores=True)
        if turn is not None and (await self.cache.renewed(terms.key, turn) or turn.elsewhere_s is not None):
            # Another process has fetched it, or does.
            return
        missed = _Missed(terms, "refresh", None, turn)
        try:
            await self._handle(exchange, lambda call: self._lead(call, call_next, missed))
        except NarthexError as error:
            logger.info("an answer in the cache could not be fetched anew: %s", error)
        finally:
            if turn is not None:
                turn.give_up()


def _told(entry: Entry, kind: HitKind, now_ms: int, tier: str) -> tuple[tuple[str, str], ...]:
    """Return the headers of an answer from the cache (https://www.rfc-editor.org/rfc/rfc9211)."""
    age_s = max(0, entry.age_ms(now_ms)) // 1_000
    left_s = (entry.fresh_ms - entry.age_ms(now_ms)) // 1_000
    where = "" if tier == MEMORY else f"; detail={tier}"
    forwarded = "; fwd=stale" if kind == "error" else ""
    word = "JOINED" if kind == "joined" else "HIT"
    return (
        ("x-narthex-cache", word),
        ("cache-status", f"narthex; hit; ttl={left_s}{forwarded}{where}"),
        ("age", str(age_s)),
    )


def _pace_of(entry: Entry) -> Pace | None:
    """Return how fast an answer was written, on average; None if that is not known."""
    return (
        Pace(tokens_per_s=entry.output_tokens * 1_000 / entry.took_ms)
        if entry.took_ms and entry.output_tokens
        else None
    )
