"""Whom else a call may go to: those behind its target in its plan."""

from __future__ import annotations

from narthex.errors import NarthexError
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.stages.permit import permitted
from narthex.providers.catalog import Catalog, Target
from narthex.routing.facts import Facts
from narthex.routing.router import Router


class Fallbacks:
    """Resolves the rest of a plan to targets, as the catalog stands when they are needed."""

    def __init__(self, catalog: Catalog, router: Router) -> None:
        self._catalog = catalog
        self._router = router

    def __call__(self, exchange: Exchange) -> list[Target]:
        """Return the candidates in order, the one routed to among them.

        Names that lead nowhere are left out, and so are models that the caller may not use.
        """
        plan = exchange.plan
        if plan is None:
            assert exchange.target is not None
            first = exchange.attempts[0].target if exchange.attempts else exchange.target.name
            plan = self._router.plan(Facts(first, operation=exchange.operation))
        targets: list[Target] = []
        for candidate in plan.candidates:
            try:
                targets.append(self._catalog.resolve(candidate.name))
            except NarthexError:
                continue
        return permitted(exchange, targets, self._catalog.default_model)
