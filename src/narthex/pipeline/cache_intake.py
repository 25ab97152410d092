"""Takes the answers to calls that have ended into the cache, those of them that are to be kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Final

from narthex.cache.entries import Entry
from narthex.cache.leases import Lease, Outcome
from narthex.cache.store import Cache
from narthex.errors import ProviderError
from narthex.pipeline.cache_terms import Terms
from narthex.pipeline.cached_answers import Unfit, entry_of
from narthex.pipeline.contract import Spawn
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.flights import Flight
from narthex.types.usage import Usage

LARGE_BYTES: Final = 65_536
"""Answers from this length on are made into entries in a thread."""

Cost = Callable[[Exchange, Usage], int]
"""Returns what a use costs, in picodollars."""


class Intake:
    """Keeps answers.

    Attributes:
        jitter: By how much the time differs for which one is fresh, as a share of it.
        when_kept: Told of a call whose answer is kept, and under which key.
        when_landed: Told of each call that has ended, if anybody wants to know.
    """

    def __init__(self, cache: Cache, spawn: Spawn, *, cost: Cost, random: Random, jitter: float) -> None:
        """Take what it works with.

        Args:
            cache: Where answers are kept.
            spawn: Keeps tasks.
            cost: Tells what an answer cost.
            random: Decides how long answers are kept.
            jitter: By how much that differs, as a share of the time.
        """
        self.jitter = jitter
        self.when_kept: Callable[[Exchange, Terms, bytes], None] | None = None
        self.when_landed: Callable[[Exchange, Terms], None] | None = None
        self._cache = cache
        self._spawn = spawn
        self._cost = cost
        self._random = random

    def take(self, flight: Flight, terms: Terms, *, number: int, lease: Lease | None) -> None:
        """Keep the answer to a call that has ended, if it is one to be kept, and end the lease that it was made under.

        Args:
            flight: The call.
            terms: On which terms it may be kept.
            number: Of the last declaration of invalidity when it was asked.
            lease: Under which it was asked.
        """
        exchange = flight.exchange
        if self.when_landed is not None:
            self.when_landed(exchange, terms)
        answer, target = exchange.answer, exchange.target
        if exchange.hit is not None:
            # It lies there already.
            return
        if answer is None or answer.error is not None or target is None:
            error = flight.error if answer is None else answer.error
            _end(lease, "alone" if isinstance(error, ProviderError) else "left")
        elif terms.model and target.name != terms.model:
            self._refuse("another model", terms, lease)
        elif answer.bytes_total > self._cache.max_entry_bytes:
            self._refuse("too large", terms, lease)
        elif answer.bytes_total > LARGE_BYTES:
            self._spawn(self._take_later(exchange, terms, number, lease))
        else:
            self._put(exchange, self._entry(exchange, terms, number), terms, lease)

    async def _take_later(self, exchange: Exchange, terms: Terms, number: int, lease: Lease | None) -> None:
        self._put(exchange, await asyncio.to_thread(self._entry, exchange, terms, number), terms, lease)

    def _entry(self, exchange: Exchange, terms: Terms, number: int) -> Entry | Unfit:
        cost = 0 if exchange.usage is None else self._cost(exchange, exchange.usage)
        try:
            return entry_of(exchange, terms, cost_picousd=cost, number=number, jitter=self._random, share=self.jitter)
        except Unfit as error:
            return error

    def _put(self, exchange: Exchange, made: Entry | Unfit, terms: Terms, lease: Lease | None) -> None:
        if isinstance(made, Unfit):
            self._refuse(str(made), terms, lease)
        elif self._cache.keep(made, lease) and self.when_kept is not None:
            self.when_kept(exchange, terms, made.key)

    def _refuse(self, why: str, terms: Terms, lease: Lease | None) -> None:
        self._cache.figures.refuse(why, terms.scope)
        _end(lease, "alone")


def _end(lease: Lease | None, outcome: Outcome) -> None:
    if lease is not None:
        lease.end(outcome)
