"""What an answer needs, fetched before it is asked for: at no cost but a look."""

from __future__ import annotations

from typing import Protocol

from narthex.cache.store import Cache
from narthex.pipeline.predicted_calls import Again
from narthex.tenancy.keys import Caller


class Retriever(Protocol):
    """Fetches what the answer to a question needs, and keeps it at hand.

    A room that looks things up for calls (documents, vectors, search) adds its own to `Prefetching.retrievers`.
    """

    async def fetch(self, call: Again, key: bytes, caller: Caller) -> bool:
        """Fetch what a call needs that is likely to be made next; return whether anything was fetched.

        Args:
            call: The call.
            key: Of its answer in the cache.
            caller: Who is likely to make it: nothing is fetched that they may not see.

        It must cost nothing at any provider, bound its own time, and raise nothing: what cannot be had is not there.
        """
        ...


class TiersBelow:
    """Brings answers up that lie in the tiers below memory."""

    def __init__(self, cache: Cache) -> None:
        """Take the cache."""
        self._cache = cache

    async def fetch(self, call: Again, key: bytes, caller: Caller) -> bool:
        """See `Retriever`; the key says already who may have the answer."""
        return await self._cache.bring_up(key)
