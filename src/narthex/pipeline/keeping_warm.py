"""Keeps prompts in their providers' caches that would end there before the next call that begins with them comes.

Only where the end is known (what Narthex itself has marked), the provider has told that it keeps the prompt, a
question that begins with it is likely to be asked, what the next call saves is worth the price, and bets prove that it
comes in time. One renewal each: then it must have been of use.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from narthex.cache.predictive.mind import Mind
from narthex.cache.predictive.mind import Terms as Worth
from narthex.cache.predictive.worth import least_of_renewal
from narthex.pipeline.cache_terms import Terms
from narthex.pipeline.contract import Spawn
from narthex.pipeline.early_calls import EarlyCalls, NotSent
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.predicted_calls import Again, cheapest, session_of
from narthex.providers.prefixes import TTLS_S, PrefixCaching
from narthex.tenancy.keys import LOCAL, Caller
from narthex.types.usage import Usage

LEAD_S: Final = 20.0
"""So long before its end a prompt is read again."""
MOST: Final = 1_024
"""Prompts that are watched; the one that was longest not used goes first."""
DISTRUST_S: Final = 3_600.0
"""How long a model is left alone whose provider has not kept what it told to have kept."""
_LONGEST_S: Final = 60.0
"""How long nobody looks at the latest what is due."""
_NEARLY_S: Final = 0.5
"""Clocks are read one after the other."""
_ANY: Final = Worth(least=0.0, picousd_per_s=0.0)

Cost = Callable[[Exchange, Usage], int]
"""Returns what a use costs, in picodollars."""


class Kept(msgspec.Struct, kw_only=True):
    """A prompt that its provider keeps."""

    call: Again
    """The cheapest that has it read."""
    caller: Caller
    peer: tuple[str, int] | None
    mind: Mind[Again]
    session: str
    caching: PrefixCaching
    price: int
    """What having it read costs, in picodollars."""
    saves: int
    """What the next call saves if it is still there."""
    ends_at: float
    looked_at: float
    """When there is something to be done about it next."""
    bet_at: float | None = None
    """When it was bet that it is used after its end."""

    @property
    def kept_s(self) -> float:
        """How long it is kept from its last use on."""
        return TTLS_S[self.caching.ttl]


class KeepingWarm:
    """Watches prompts.

    Attributes:
        cost: Tells what a use costs.
        standing: Returns who calls with the same key as a caller now, if that may still be used.
        noted: Told what became of each renewal.
    """

    def __init__(
        self, calls: EarlyCalls, spawn: Spawn, *, is_held: Callable[[bytes], bool], clock: Callable[[], float]
    ) -> None:
        """Watch nothing yet.

        Args:
            calls: Sends what has a prompt read.
            spawn: Keeps tasks.
            is_held: Tells whether there is an answer in the cache.
            clock: Tells seconds.
        """
        self.cost: Cost = lambda _exchange, _usage: 0
        self.standing: Callable[[Caller], Caller | None] = lambda caller: caller
        self.noted: Callable[[str], None] = lambda _outcome: None
        self.sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
        self.clock = clock
        self._calls = calls
        self._spawn = spawn
        self._is_held = is_held
        self._kept: dict[bytes, Kept] = {}
        self._distrusted: dict[str, float] = {}
        self._is_watching = False

    def __len__(self) -> int:
        return len(self._kept)

    def forget(self) -> None:
        """Watch nothing any more."""
        self._kept.clear()
        self._distrusted.clear()

    def landed(self, exchange: Exchange, terms: Terms, mind: Mind[Again]) -> None:
        """Take note of a call that has come back: what its provider keeps of it, and that it was of use to keep it."""
        digest, usage = exchange.kept_prefix, exchange.usage
        if not digest or usage is None or exchange.prefetches:
            return
        began = self.clock() - (time.monotonic() - exchange.received_at)
        self._used(digest, usage, began)
        sample = mind.sample(terms.key)
        if sample is None:
            # It may not be made again.
            return
        sample.prefix = digest
        made = self._made(exchange, sample.call, usage, mind)
        if made is None:
            return
        made.ends_at = began + made.kept_s
        made.looked_at = made.ends_at - LEAD_S
        self._kept.pop(digest, None)
        self._kept[digest] = made
        if len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]
        if not self._is_watching:
            self._is_watching = True
            self._spawn(self._watch())

    def _used(self, digest: bytes, usage: Usage, began: float) -> None:
        known = self._kept.get(digest)
        if known is None or known.bet_at is None:
            return
        record, now = known.mind.record("prefix"), self.clock()
        if began < known.bet_at:
            # It has kept the prompt there itself.
            record.drop(digest)
        elif record.is_sent(digest) and not usage.cache_read_tokens:
            record.lose(digest)
        else:
            record.asked(digest, now=now)

    def _made(self, exchange: Exchange, asked: Again, usage: Usage, mind: Mind[Again]) -> Kept | None:
        """Return what is watched; None where nothing is known to be kept, or it never pays."""
        target, tokens = exchange.target, usage.cache_read_tokens + usage.cache_write_tokens
        if target is None or target.caching is None or exchange.plan is not None or usage.estimated or not tokens:
            return None
        call = cheapest(asked, target.caching.least_output_tokens)
        for_long = tokens if target.caching.ttl == "1h" else 0
        written = Usage(input_tokens=tokens, cache_write_tokens=tokens, cache_write_1h_tokens=for_long)
        read = Usage(input_tokens=tokens, cache_read_tokens=tokens)
        saves = self.cost(exchange, written) - self.cost(exchange, read)
        if call is None or saves <= 0:
            return None
        output = target.caching.least_output_tokens
        renewal = Usage(input_tokens=usage.input_tokens, cache_read_tokens=tokens, output_tokens=output)
        return Kept(
            call=call,
            caller=exchange.caller or LOCAL,
            peer=exchange.peer,
            mind=mind,
            session=session_of(exchange),
            caching=target.caching,
            price=self.cost(exchange, renewal),
            saves=saves,
            ends_at=0.0,
            looked_at=0.0,
        )

    # -- when its end is near --------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        try:
            while self._kept:
                digest, kept = min(self._kept.items(), key=lambda one: one[1].looked_at)
                left_s = kept.looked_at - self.clock()
                if left_s > 0:
                    await self.sleep(min(left_s, _LONGEST_S))
                elif kept.bet_at is not None:
                    # Its time is over.
                    kept.mind.record("prefix").expire(self.clock())
                    del self._kept[digest]
                else:
                    self._is_due(digest, kept)
        finally:
            self._is_watching = False

    def _is_due(self, digest: bytes, kept: Kept) -> None:
        now = self.clock()
        # Calls that the cache of answers has nothing to do with use it as well.
        left_s = kept.kept_s - kept.caching.prefixes.idle_s(digest)
        if left_s > LEAD_S + _NEARLY_S:
            kept.ends_at = now + left_s
            kept.looked_at = kept.ends_at - LEAD_S
            return
        needed = least_of_renewal(cost=kept.price, saved=kept.saves)
        is_trusted = now >= self._distrusted.get(kept.call.target, 0.0)
        if left_s <= 0 or not is_trusted or self._likelihood(digest, kept) <= needed:
            del self._kept[digest]
            return
        until = kept.ends_at + kept.kept_s - LEAD_S
        record = kept.mind.record("prefix")
        record.bet(digest, now=now, until=until)
        kept.bet_at, kept.looked_at = now, until
        if record.proved > needed:
            self._spawn(self._renew(digest, kept))

    def _likelihood(self, digest: bytes, kept: Kept) -> float:
        """Return how likely it is that what is asked next begins with a prompt, and is not answered already."""
        found = kept.mind.prospects(kept.session, _ANY, most=4)
        return sum(
            one.probability
            for one in found
            if one.sample is not None and one.sample.prefix == digest and not self._is_held(one.intent)
        )

    async def _renew(self, digest: bytes, kept: Kept) -> None:
        caller = self.standing(kept.caller)
        if caller is None or not self._calls.has_room(kept.call.target):
            self.noted("refused" if caller is None else "busy")
            return
        try:
            exchange = await self._calls.send(kept.call, digest, caller, kept.peer)
        except NotSent as error:
            self.noted(error.outcome)
            return
        usage, record = exchange.usage, kept.mind.record("prefix")
        if usage is None:
            usage = Usage()
        self._calls.spent[kept.caller.owner] += self.cost(exchange, usage)
        record.sent(digest)
        if not usage.cache_read_tokens:
            # It was gone, or is not kept as it was told: that was for nothing.
            record.lose(digest)
            self._distrusted[kept.call.target] = self.clock() + DISTRUST_S
        self.noted("made" if usage.cache_read_tokens else "absent")
