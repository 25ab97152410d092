"""Fetches answers anew that are in the cache already: nobody waits for that, and it is done once for all who ask."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from narthex.cache.store import Cache
from narthex.errors import NarthexError
from narthex.pipeline.cache_terms import Terms
from narthex.pipeline.contract import Next, Spawn
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.flights import Flights
from narthex.pipeline.giving import Missed

logger = logging.getLogger(__name__)

Handle = Callable[[Exchange, Next], Awaitable[None]]
"""Takes a call of our own through the rest of the chain, to its end, and settles it."""
Lead = Callable[[Exchange, Next, Missed], Awaitable[None]]
"""Sends a call that others may join, and keeps its answer."""


class Refreshing:
    """Fetches answers anew."""

    def __init__(self, cache: Cache, flights: Flights, spawn: Spawn, *, handle: Handle, lead: Lead) -> None:
        """Take what it works with.

        Args:
            cache: Where answers are.
            flights: The calls under way.
            spawn: Keeps the tasks.
            handle: Takes a call through the rest of the chain.
            lead: Sends it, as one that others may join.
        """
        self._cache = cache
        self._flights = flights
        self._spawn = spawn
        self._handle = handle
        self._lead = lead
        self._begun: set[bytes] = set()

    def begin(self, exchange: Exchange, call_next: Next, terms: Terms) -> None:
        """Have the answer to a call fetched anew beside it, unless that is being done."""
        if terms.key not in self._begun and self._flights.get(terms.key) is None:
            self._begun.add(terms.key)
            self._spawn(self.fetch(again(exchange), call_next, terms))

    async def fetch(self, exchange: Exchange, call_next: Next, terms: Terms) -> None:
        """Fetch an answer anew, unless that is being done, here or in another process; a failure is logged."""
        turn = self._cache.turn()
        try:
            if turn is not None and (await self._cache.renewed(terms.key, turn) or turn.elsewhere_s is not None):
                return
            if self._flights.get(terms.key) is None:
                missed = Missed(terms, "refresh", None, turn)
                await self._handle(exchange, lambda call: self._lead(call, call_next, missed))
        except NarthexError as error:
            logger.info("an answer in the cache could not be fetched anew: %s", error)
        finally:
            self._begun.discard(terms.key)
            if turn is not None:
                turn.give_up()


def again(exchange: Exchange) -> Exchange:
    """Return the same call, to be made and paid once more."""
    copy = exchange.copied()
    copy.shadow_of, copy.head = None, exchange.head
    copy.target, copy.plan = exchange.target, exchange.plan
    return copy
