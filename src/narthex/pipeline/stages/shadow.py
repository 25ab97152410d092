"""Have a copy of the call sent to a model on trial, once the answer of the call itself has begun."""

from __future__ import annotations

from collections.abc import Awaitable

from narthex.errors import ProviderError
from narthex.pipeline.contract import Next
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.shadows import Shadows


class Shadow:
    """Watch the call go out and its answer begin, or its provider fail; only then is a copy made."""

    def __init__(self, shadows: Shadows) -> None:
        self._shadows = shadows

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[None]:
        """Pass the call on, and have it copied if its plan says so."""
        plan = exchange.plan
        if plan is None or plan.shadow is None:
            return call_next(exchange)
        return self._copied(exchange, plan.shadow, call_next)

    async def _copied(self, exchange: Exchange, model: str, call_next: Next) -> None:
        try:
            await call_next(exchange)
        except ProviderError:
            self._shadows.take(exchange, model)
            raise
        self._shadows.take(exchange, model)
