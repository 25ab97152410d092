"""Hold what a call is likely to use, and write down that it goes out."""

from __future__ import annotations

from collections.abc import Awaitable

from narthex.pipeline.billing import Billing
from narthex.pipeline.contract import Next
from narthex.pipeline.exchange import Exchange


class Reserve:
    """Let no call out that nobody may pay for, or that could not be written down."""

    def __init__(self, billing: Billing, *, limited: bool = True) -> None:
        """Take who writes the bills; copies for models on trial are not `limited`, and are charged nevertheless."""
        self._billing = billing
        self._limited = limited

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[None]:
        """Set `exchange.bill`."""
        billing = self._billing
        if self._limited and billing.waits:
            return self._later(exchange, call_next)
        billing.open(exchange, limited=self._limited)
        return call_next(exchange)

    async def _later(self, exchange: Exchange, call_next: Next) -> None:
        await self._billing.open_later(exchange)
        await call_next(exchange)
