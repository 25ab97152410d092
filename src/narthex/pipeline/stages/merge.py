"""Ask several models, where a call is for several, and make one answer of theirs."""

from __future__ import annotations

from collections.abc import Awaitable

from narthex.pipeline.contract import Next, Spawn
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.handling import Handling
from narthex.pipeline.merges import Check, Merges
from narthex.pipeline.merging import Kit, Merging
from narthex.pipeline.settle import Settlement
from narthex.pipeline.simulating import Simulation


class Merge:
    """Send a call for several models on as one call to each, and settle each by itself."""

    def __init__(
        self, merges: Merges, settlement: Settlement, spawn: Spawn, *, check: Check, simulation: Simulation
    ) -> None:
        """Take what such calls go through.

        Args:
            merges: Knows the names that stand for several models.
            settlement: Settles the call to each.
            spawn: Keeps their tasks.
            check: Looks a model up.
            simulation: Streams an answer that was chosen when it was whole.
        """
        self._merges = merges
        self._settlement = settlement
        self._spawn = spawn
        self._check = check
        self._simulation = simulation

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[None]:
        """Call on; where the call is for one model, that is all."""
        if exchange.merger is None and exchange.model_asked not in self._merges:
            return call_next(exchange)
        return self._merged(exchange, call_next)

    async def _merged(self, exchange: Exchange, call_next: Next) -> None:
        merger = self._merges.merger(exchange) if exchange.merger is None else exchange.merger
        self._merges.check(merger, self._check)
        exchange.merger = merger
        handling = Handling(call_next, self._settlement)
        merging = Merging(exchange, merger, Kit(handling=handling, spawn=self._spawn, simulation=self._simulation))
        try:
            merging.start()
            await merging.opened
        except BaseException:
            merging.leave()
            raise
