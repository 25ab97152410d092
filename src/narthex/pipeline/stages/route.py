"""Choose the model that serves the call."""

from __future__ import annotations

from narthex.pipeline.exchange import Exchange
from narthex.pipeline.outbound import with_member
from narthex.providers.catalog import Catalog


class Route:
    """Find the model by its name: `provider/model`, an alias, or a plain name that only one provider has."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def __call__(self, exchange: Exchange) -> None:
        """Set `exchange.target`."""
        exchange.target = target = self._catalog.resolve(exchange.model_asked)
        if not exchange.model_asked and exchange.body:
            exchange.body = with_member(exchange.body, "model", target.name)
