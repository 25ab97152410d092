"""Put what was said before in front of a request that goes on from it, and keep the answer for the next one."""

from __future__ import annotations

from collections.abc import Awaitable

from narthex.errors import InvalidRequest, UnsupportedContent
from narthex.pipeline.background import Background
from narthex.pipeline.contract import Next
from narthex.pipeline.exchange import Exchange, Keeping
from narthex.pipeline.outbound import with_member
from narthex.pipeline.responses import Responses
from narthex.types.dialects import Operation


class Remember:
    """Serve what the responses API keeps: `previous_response_id`, `store` and `background`; others pass untouched."""

    def __init__(self, responses: Responses, background: Background) -> None:
        self._responses = responses
        self._background = background

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[None]:
        """Complete `exchange.body` by what came before, and have the answer kept."""
        keeping = exchange.keeping
        if keeping is None:
            return call_next(exchange)
        _check(keeping)
        if exchange.operation is not Operation.CHAT:
            return self._go_on(exchange, call_next, keeping)
        if not keeping.background:
            return self._with(exchange, call_next, keeping)
        if not exchange.streaming:
            return self._background.begin(exchange, keeping)
        return self._background.follow(exchange, keeping, lambda call: self._with(call, call_next, keeping))

    async def _with(self, exchange: Exchange, call_next: Next, keeping: Keeping) -> None:
        asked, previous_id = exchange.body, keeping.previous_response_id
        default = self._responses.settings.store or bool(keeping.background)
        stores = default if keeping.store is None else keeping.store
        if not stores and keeping.store is None:
            # What is told in the answer, and what a provider that speaks this API is to do.
            exchange.body = with_member(exchange.body, "store", False)
        await self._go_on(exchange, call_next, keeping)
        if stores:
            self._responses.follow(exchange, asked, previous_id)

    async def _go_on(self, exchange: Exchange, call_next: Next, keeping: Keeping) -> None:
        assert exchange.caller is not None
        if keeping.previous_response_id:
            previous_id = keeping.previous_response_id
            exchange.body = await self._responses.go_on(exchange.caller, previous_id, exchange.body)
        await call_next(exchange)


def _check(keeping: Keeping) -> None:
    if keeping.conversation:
        raise UnsupportedContent(
            "conversation: no conversations are kept here; send its items as `input`, or use `previous_response_id`",
            param="conversation",
        )
    if keeping.background and keeping.store is False:
        raise InvalidRequest(
            "background: what is answered in the background is kept until somebody asks for it; leave `store` out",
            param="background",
        )
