"""Hold a call to the models that its caller may use."""

from __future__ import annotations

import msgspec

from narthex.errors import NarthexError, PermissionDenied
from narthex.pipeline.exchange import Exchange
from narthex.providers.catalog import Catalog, Target
from narthex.routing.plan import Plan
from narthex.tenancy.bounds import Bounds
from narthex.tenancy.denials import Denials


class Permit:
    """Let a call pass whose target its key and its workspace allow; of several candidates only those that they do."""

    def __init__(self, catalog: Catalog, denials: Denials) -> None:
        self._catalog = catalog
        self._denials = denials

    def __call__(self, exchange: Exchange) -> None:
        """Set `exchange.target` and `exchange.plan` anew where not all of the candidates are allowed."""
        caller = exchange.caller
        bounds = None if caller is None else caller.bounds
        if bounds is None:
            return
        target, plan = exchange.target, exchange.plan
        assert target is not None
        asked = exchange.model_asked or self._catalog.default_model
        first = self._narrowed(exchange, plan, bounds, asked) if plan is not None else target
        if first is None or not bounds.permit(asked, first.name):
            assert caller is not None
            why, named = {"why": "model"}, f"model:{asked}"[:200]
            self._denials.note(caller.denial(why, exchange.peer, target=named, request_id=exchange.id))
            raise not_permitted(asked, bounds)
        exchange.target = first

    def _narrowed(self, exchange: Exchange, plan: Plan, bounds: Bounds, asked: str) -> Target | None:
        """Leave out of a plan who may not serve, and return the first who may."""
        first: Target | None = None
        kept: list[str] = []
        for candidate in plan.candidates:
            try:
                target = self._catalog.resolve(candidate.name)
            except NarthexError:
                continue
            if bounds.permit(asked, target.name):
                kept.append(candidate.name)
                first = first or target
        if len(kept) < len(plan.candidates):
            candidates = tuple(one for one in plan.candidates if one.name in kept)
            exchange.plan = msgspec.structs.replace(plan, candidates=candidates)
        return first


def not_permitted(asked: str, bounds: Bounds) -> PermissionDenied:
    """Return the error of a call whose model its key, or its workspace, does not allow."""
    return PermissionDenied(
        f"the model {asked[:100]!r} is not among those that this API key may use: {bounds.told()}", param="model"
    )


def permitted(exchange: Exchange, targets: list[Target], default_model: str) -> list[Target]:
    """Return those of some models that a call may go to."""
    caller = exchange.caller
    if caller is None or caller.bounds is None:
        return targets
    asked, permit = exchange.model_asked or default_model, caller.bounds.permit
    return [target for target in targets if permit(asked, target.name)]
