"""Choose the model that serves the call."""

from __future__ import annotations

from narthex.errors import ModelNotFound, NarthexError
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.facts import facts_of
from narthex.pipeline.outbound import with_member
from narthex.providers.catalog import Catalog, Target
from narthex.providers.contract import PartialTimeouts
from narthex.routing.plan import Plan
from narthex.routing.router import Router
from narthex.tenancy.bounds import Bounds


class Route:
    """Find the model by its name: `provider/model`, an alias, a virtual model, or a name that only one provider has."""

    def __init__(self, catalog: Catalog, router: Router) -> None:
        self._catalog = catalog
        self._router = router

    def __call__(self, exchange: Exchange) -> None:
        """Set `exchange.target`, and `exchange.plan` where there was something to decide."""
        said = asked = exchange.model_asked
        if exchange.caller is not None and exchange.caller.bounds is not None:
            asked = exchange.model_asked = in_workspace(asked, exchange.caller.bounds, self._catalog, self._router)
        if self._router.is_virtual(asked):
            exchange.plan = plan = self._router.plan(facts_of(exchange))
            target = self._first(plan)
            limits = self._catalog.virtual_limits.get(plan.target)
            if limits is not None:
                _take(exchange, limits)
        else:
            target = self._catalog.resolve(asked)
        exchange.target = target
        if not said and exchange.body:
            exchange.body = with_member(exchange.body, "model", target.name)

    def _first(self, plan: Plan) -> Target:
        """Return the first of the candidates that is there."""
        missing: NarthexError | None = None
        for candidate in plan.candidates:
            try:
                return self._catalog.resolve(candidate.name)
            except ModelNotFound as error:
                missing = missing or error
        raise missing or self._router.refusal(plan)


def in_workspace(asked: str, bounds: Bounds, catalog: Catalog, router: Router) -> str:
    """Return the name that is meant in the caller's workspace: its default model, or a model of its provider."""
    if not asked:
        return bounds.default_model
    provider = bounds.default_provider
    if not provider or "/" in asked or asked in catalog.aliases or router.is_virtual(asked):
        return asked
    return catalog.of_provider(provider, asked)


def _take(exchange: Exchange, limits: PartialTimeouts) -> None:
    """Take over the limits of time of a virtual model, where the caller sets none."""
    if exchange.total_s is None:
        exchange.total_s = limits.total_s
    exchange.limits = limits if exchange.limits is None else exchange.limits.or_else(limits)
