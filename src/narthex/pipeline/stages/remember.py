"""Put what was said before in front of a request that goes on from it, and keep the answer for the next one."""

from __future__ import annotations

import logging
from collections.abc import Awaitable

from narthex.errors import InvalidRequest, LimitExceeded, UnsupportedContent
from narthex.pipeline.background import Background
from narthex.pipeline.contract import Next
from narthex.pipeline.exchange import Exchange, Keeping
from narthex.pipeline.outbound import with_member
from narthex.pipeline.responses import Responses
from narthex.tenancy.keeping import NOT_KEPT, check_keeping, keeps_nothing
from narthex.types.dialects import Operation

logger = logging.getLogger(__name__)


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
        if exchange.caller is not None and (keeping.store or keeping.background):
            check_keeping(exchange.caller, param="store" if keeping.store else "background")
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
        stores = default and not keeps_nothing(exchange.caller) if keeping.store is None else keeping.store
        stores = stores and self._has_room(exchange, is_asked=bool(keeping.store or keeping.background))
        if not stores and keeping.store is None:
            # What is told in the answer, and what a provider that speaks this API is to do.
            exchange.replace_body(with_member(exchange.body, "store", False))
        await self._go_on(exchange, call_next, keeping)
        if stores:
            self._responses.follow(exchange, asked, previous_id)

    def _has_room(self, exchange: Exchange, *, is_asked: bool) -> bool:
        """Tell whether an answer can be kept.

        Raises:
            LimitExceeded: It cannot, and the caller asks for it.
        """
        assert exchange.caller is not None
        try:
            self._responses.check_room(exchange.caller, len(exchange.body))
        except LimitExceeded as error:
            if is_asked:
                raise
            logger.info("the response to request %s is not kept: %s", exchange.id, error)
            exchange.told = (*exchange.told, NOT_KEPT)
            return False
        return True

    async def _go_on(self, exchange: Exchange, call_next: Next, keeping: Keeping) -> None:
        assert exchange.caller is not None
        if keeping.previous_response_id:
            previous_id = keeping.previous_response_id
            exchange.replace_body(await self._responses.go_on(exchange.caller, previous_id, exchange.body))
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
