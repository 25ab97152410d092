"""Whom else a call may go to, by the configured fallbacks."""

from __future__ import annotations

from narthex.errors import NarthexError
from narthex.pipeline.exchange import Exchange
from narthex.providers.catalog import Catalog, Target
from narthex.routing.virtual import FallbackTable
from narthex.types.dialects import Operation


class Fallbacks:
    """Resolves chains of names to targets, as the catalog stands when they are needed."""

    def __init__(self, catalog: Catalog, table: FallbackTable, for_any: FallbackTable) -> None:
        """Take the configured lists.

        Args:
            catalog: Knows the models.
            table: The lists of models that have one of their own.
            for_any: The same with the list for any other model.
        """
        self._catalog = catalog
        self._table = table
        self._for_any = for_any

    def __call__(self, exchange: Exchange) -> list[Target]:
        """Return the targets behind the one that was routed to, in order; names that lead nowhere now are left out.

        The list for any model is about chats: vectors of another model fit nothing that was made with the first.
        """
        assert exchange.target is not None
        first = exchange.attempts[0].target if exchange.attempts else exchange.target.name
        table = self._table if exchange.operation is Operation.EMBED else self._for_any
        targets: list[Target] = []
        for name in table.chain(first):
            try:
                targets.append(self._catalog.resolve(name))
            except NarthexError:
                continue
        return targets
