"""Has done what is needed for what is likely to be asked next, before it is asked: the cheapest rung first.

    retrieval   what lies in the tiers below memory is brought up, for nothing but a look
    embeddings  vectors are made
    prefix      a prompt that a provider keeps is kept there longer (`keeping_warm`)
    generation  answers are made

An answer that is made so is an ordinary entry of the cache, under the key that its question has, in the name and on the
account of whoever is likely to ask it: the call goes the way of every call, with the lowest priority, and is written
down in the ledger as `prefetch`. Nothing is made of calls with tools, or of what lies elsewhere and may change.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

import msgspec

from narthex.cache.entries import Entry
from narthex.cache.predictive.mind import Mind, Prospect, Sample
from narthex.cache.predictive.mind import Terms as Worth
from narthex.cache.predictive.minds import Minds
from narthex.cache.store import Cache
from narthex.config.cache_settings import PredictiveSettings, Rung
from narthex.errors import Cancelled
from narthex.pipeline.cache_terms import Terms
from narthex.pipeline.contract import Spawn
from narthex.pipeline.early_calls import EarlyCalls, NotSent
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.keeping_warm import KeepingWarm
from narthex.pipeline.predicted_calls import Again, again, is_of, may_be_made, principal, session_of
from narthex.pipeline.retrieving import Retriever, TiersBelow
from narthex.tenancy.keys import LOCAL, Caller
from narthex.types.dialects import Operation

_MOST_ASKERS: Final = 16_384
_PICO_PER_USD: Final = 1_000_000_000_000

Outcome = Literal["made", "held", "absent", "busy", "refused", "changed"]
"""What became of one: it was done; an answer is there already; there was nothing to be brought up; there was no room to
spare; it was not let pass, or failed; it would be another question now, as the configuration has changed."""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a question that is likely to be asked next."""

    key: str
    rung: Rung
    """What was done last for it."""
    outcome: Outcome


class Prefetching:
    """Learns from calls, and has done what follows from it.

    Attributes:
        settings: The configuration.
        minds: What is known of each principal.
        outcomes: What became of what was to be done, counted.
        calls: Sends calls that nobody has made yet.
        warmth: Keeps prompts in their providers' caches.
        retrievers: Fetch what answers need; rooms add theirs.
    """

    def __init__(
        self,
        settings: PredictiveSettings,
        cache: Cache,
        spawn: Spawn,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Know nothing yet.

        Args:
            settings: The configuration.
            cache: Where answers are.
            spawn: Keeps tasks.
            clock: Tells seconds.
        """
        self.settings = settings
        self.minds: Minds[Again] = Minds()
        self.outcomes: Counter[tuple[Rung, str]] = Counter()
        self.calls = EarlyCalls(parallel=settings.parallel, clock=clock)
        self.warmth = KeepingWarm(self.calls, spawn, is_held=self.is_held, clock=clock)
        self.warmth.noted = lambda outcome: self.outcomes.update([("prefix", outcome)])
        self.retrievers: list[Retriever] = [TiersBelow(cache)] if cache.below else []
        self._cache = cache
        self._spawn = spawn
        self._clock = clock
        self._under_way: set[bytes] = set()
        self._askers: dict[bytes, str] = {}
        """Who asked what last: what its answer costs is theirs to know."""

    @property
    def worth(self) -> Worth:
        """When it pays."""
        given = self.settings
        return Worth(least=given.least_probability, picousd_per_s=given.usd_per_s * _PICO_PER_USD)

    def adopt(self, settings: PredictiveSettings) -> None:
        """Go by other settings from now on."""
        self.settings, self.calls.parallel = settings, settings.parallel
        if not settings.enabled:
            self.forget()
        elif "prefix" not in settings.rungs:
            self.warmth.forget()

    # -- what comes by ---------------------------------------------------------------------------------------------

    def asked(self, exchange: Exchange, terms: Terms) -> None:
        """Learn from a call, and have done what is likely to pay; say on it whether its answer was made early.

        Raises:
            Cancelled: It is one of those that are made early, and its question would be another one by now.
        """
        if exchange.prefetches:
            if exchange.prefetches != terms.key:
                raise Cancelled("what was likely to be asked would be another question by now")
            return
        caller = exchange.caller or LOCAL
        workspaces = self.settings.workspaces
        if not self.settings.enabled or not ("*" in workspaces or caller.account.workspace_id in workspaces):
            return
        who, now, session = principal(caller, terms.scope), self._clock(), session_of(exchange)
        mind = self.minds.of(who)
        exchange.foreseen = mind.asked(session, terms.key, now)
        self._askers[terms.key] = who
        if len(self._askers) > _MOST_ASKERS:
            del self._askers[next(iter(self._askers))]
        # Of a request that is known byte for byte nothing was parsed: how it is asked is known as well, mostly.
        is_new = exchange.given_request is not None or mind.sample(terms.key) is None
        if is_new and may_be_made(exchange, terms):
            call = again(exchange)
            size = len(call.body) + 512
            mind.remember(terms.key, Sample(call=call, size_bytes=size, fresh_s=terms.fresh_ms / 1_000))
        for prospect in sorted(mind.prospects(session, self.worth, most=self.settings.most), key=_price):
            if rungs := self._proved(mind, prospect, now):
                self._spawn(self._climb_quietly(mind, prospect, rungs, caller, exchange.peer))

    def _proved(self, mind: Mind[Again], prospect: Prospect[Again], now: float) -> list[Rung]:
        """Bet on a question by each rung, and return those that are proved to pay."""
        found = list[Rung]()
        for rung in self.rungs(prospect):
            if mind.bet(prospect, now=now, is_held=self.is_held, rung=rung):
                found.append(rung)
        return found

    def kept(self, entry: Entry) -> None:
        """Take note of what an answer cost that is kept, and how long it took."""
        mind = self.minds.known(self._askers.get(entry.key, ""))
        sample = None if mind is None else mind.sample(entry.key)
        if sample is not None:
            sample.picousd, sample.took_s = entry.cost_picousd, max(entry.took_ms, 1) / 1_000

    def landed(self, exchange: Exchange, terms: Terms) -> None:
        """Take note of a call that has come back from its provider."""
        if exchange.kept_prefix and "prefix" in self.settings.rungs:
            mind = self.minds.known(principal(exchange.caller or LOCAL, terms.scope))
            if mind is not None:
                self.warmth.landed(exchange, terms, mind)

    # -- what is done early ----------------------------------------------------------------------------------------

    def is_held(self, key: bytes) -> bool:
        """Tell whether there is an answer, or it is being made."""
        held = self._cache.memory.peek(key)
        if key in self._under_way:
            return True
        return held is not None and self._cache.is_alive(held.entry)

    def prospects(self, caller: Caller, session: str) -> list[tuple[Mind[Again], Prospect[Again]]]:
        """Return what a caller is likely to ask next, by that caller's own past alone; the likeliest first."""
        found = [
            (mind, prospect)
            for name, mind in self.minds.all()
            if is_of(name, caller)
            for prospect in mind.prospects(session, self.worth, most=self.settings.most)
        ]
        return sorted(found, key=lambda one: -one[1].probability)

    def rungs(self, prospect: Prospect[Again]) -> list[Rung]:
        """Return what may be done for a question, the cheapest first; nothing without knowing what it costs."""
        found, sample = list[Rung](), prospect.sample
        if sample is None:
            return found
        if self.retrievers:
            found.append("retrieval")
        if sample.took_s > 0:
            found.append("embeddings" if sample.call.operation is Operation.EMBED else "generation")
        return [one for one in found if one in self.settings.rungs]

    async def climb(
        self,
        mind: Mind[Again],
        prospect: Prospect[Again],
        rungs: Sequence[Rung],
        caller: Caller,
        peer: tuple[str, int] | None,
    ) -> tuple[Rung, Outcome]:
        """Take one rung after the other until there is an answer; return the last one, and what became of it."""
        done = rungs[0], await self._taken(rungs[0], mind, prospect, caller, peer)
        for rung in rungs[1:]:
            if done[1] == "held" or self.is_held(prospect.intent):
                break
            done = rung, await self._taken(rung, mind, prospect, caller, peer)
        return done

    async def _climb_quietly(
        self,
        mind: Mind[Again],
        prospect: Prospect[Again],
        rungs: Sequence[Rung],
        caller: Caller,
        peer: tuple[str, int] | None,
    ) -> None:
        await self.climb(mind, prospect, rungs, caller, peer)

    async def _taken(
        self, rung: Rung, mind: Mind[Again], prospect: Prospect[Again], caller: Caller, peer: tuple[str, int] | None
    ) -> Outcome:
        sample, key = prospect.sample, prospect.intent
        assert sample is not None
        outcome: Outcome = "held"
        if not self.is_held(key):
            self._under_way.add(key)
            try:
                if rung == "retrieval":
                    outcome = await self._retrieved(sample.call, key, caller)
                else:
                    outcome = await self._sent(sample.call, key, caller, peer)
            finally:
                self._under_way.discard(key)
            if outcome == "made":
                # What is done on demand was not bet on yet.
                mind.record(rung).bet(key, now=self._clock(), until=self._clock() + sample.fresh_s)
                mind.record(rung).sent(key)
        self.outcomes[rung, outcome] += 1
        return outcome

    async def _retrieved(self, call: Again, key: bytes, caller: Caller) -> Outcome:
        if len(self._under_way) > self.settings.parallel:
            return "busy"
        found = [await one.fetch(call, key, caller) for one in self.retrievers]
        return "made" if any(found) else "absent"

    async def _sent(self, call: Again, key: bytes, caller: Caller, peer: tuple[str, int] | None) -> Outcome:
        if not self.calls.has_room(call.target):
            return "busy"
        try:
            exchange = await self.calls.send(call, key, caller, peer)
        except NotSent as error:
            return error.outcome
        held = self._cache.memory.peek(key)
        if held is not None and held.entry.maker == exchange.id:
            self.calls.spent[caller.owner] += held.entry.cost_picousd
        return "made"

    def forget(self) -> None:
        """Know nothing any more."""
        self.minds.forget()
        self.warmth.forget()
        self._askers.clear()

    def lines(self) -> Iterator[str]:
        """Yield the counters in Prometheus's text format."""
        yield "# HELP narthex_prefetch_total What was to be done before it is asked for, by rung and outcome."
        yield "# TYPE narthex_prefetch_total counter"
        for (rung, outcome), count in sorted(self.outcomes.items()):
            yield f'narthex_prefetch_total{{rung="{rung}",outcome="{outcome}"}} {count}'


def _price(prospect: Prospect[Again]) -> int:
    """Order what is to be done: vectors before answers."""
    return 0 if prospect.sample is None else prospect.sample.picousd
