"""Put what was said before in front of a request that goes on from it, and keep the answer for the next one."""

from __future__ import annotations

from collections.abc import Awaitable

from narthex.errors import UnsupportedContent
from narthex.pipeline.contract import Next
from narthex.pipeline.exchange import Exchange, Keeping
from narthex.pipeline.outbound import with_member
from narthex.pipeline.responses import Responses
from narthex.types.dialects import Operation


class Remember:
    """Serve what the responses API keeps: `previous_response_id` and `store`; other calls pass untouched."""

    def __init__(self, responses: Responses) -> None:
        self._responses = responses

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[None]:
        """Complete `exchange.body` by what came before, and have the answer kept."""
        keeping = exchange.keeping
        if keeping is None:
            return call_next(exchange)
        return self._with(exchange, call_next, keeping)

    async def _with(self, exchange: Exchange, call_next: Next, keeping: Keeping) -> None:
        assert exchange.caller is not None
        _check(keeping)
        asked, previous_id = exchange.body, keeping.previous_response_id
        store = exchange.operation is Operation.CHAT and (
            self._responses.settings.store if keeping.store is None else keeping.store
        )
        if previous_id:
            exchange.body = await self._responses.go_on(exchange.caller, previous_id, asked)
        if exchange.operation is Operation.CHAT and not store and keeping.store is None:
            # What is told in the answer, and what a provider that speaks this API is to do.
            exchange.body = with_member(exchange.body, "store", False)
        await call_next(exchange)
        if store:
            self._responses.follow(exchange, asked, previous_id)


def _check(keeping: Keeping) -> None:
    if keeping.conversation:
        raise UnsupportedContent(
            "conversation: no conversations are kept here; send its items as `input`, or use `previous_response_id`",
            param="conversation",
        )
    if keeping.background:
        raise UnsupportedContent(
            "background: there are no answers in the background; leave it out, and stream the answer",
            param="background",
        )
