"""Choose the model that serves the call."""

from __future__ import annotations

from narthex.pipeline.contract import Next
from narthex.pipeline.exchange import Exchange
from narthex.providers.catalog import Catalog


class Route:
    """Find the model by its name: `provider/model`, an alias, or a plain name that only one provider has."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def __call__(self, exchange: Exchange, call_next: Next) -> None:
        """Set `exchange.target`."""
        exchange.target = self._catalog.resolve(exchange.model_asked)
        await call_next(exchange)
