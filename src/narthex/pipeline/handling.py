"""Takes a call through a chain of stages, and settles it when its answer has ended."""

from __future__ import annotations

import asyncio
import logging

from narthex.errors import Cancelled, InternalError, NarthexError
from narthex.pipeline.contract import Next
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.settle import Settlement
from narthex.streams.stream import Stream

logger = logging.getLogger(__name__)


class Handling:
    """Takes calls through one chain."""

    def __init__(self, chain: Next, settlement: Settlement) -> None:
        self._chain = chain
        self._settlement = settlement

    async def handle(self, exchange: Exchange) -> Stream:
        """Take an exchange through the chain and return its answer, from its first frame on.

        The answer is settled when it has ended, whoever is still reading then.

        Raises:
            NarthexError: There is no answer, and this is why.

        If cancelled, the call to the provider is ended and the call is settled as one that its caller left; a call that
        is carried on for others is settled when it has ended.
        """
        self._settlement.begin()
        try:
            await self._chain(exchange)
        except asyncio.CancelledError:
            if exchange.carried is None:
                self._settlement.end(exchange, Cancelled())
            else:
                exchange.carried.add_done_callback(lambda done: self._settle_carried(exchange, done.exception()))
            raise
        except Exception as error:
            failure = self._failed(exchange, error)
            if failure is error:
                raise
            raise failure from error
        return self._answered(exchange)

    def _answered(self, exchange: Exchange) -> Stream:
        """Have a call settled when its answer has ended."""
        answer, source, settlement = exchange.answer, exchange.source, self._settlement
        assert answer is not None
        if answer.closed or exchange.resumed:
            settlement.end(exchange, answer.error)
        elif source is None or source is answer:
            answer.on_close(lambda stream: settlement.end(exchange, stream.error))
        else:
            _Shared(exchange, source, settlement).follow(answer)
        return answer

    def _failed(self, exchange: Exchange, error: BaseException) -> NarthexError:
        """Settle a call without an answer, and return the error that says why."""
        if isinstance(error, NarthexError):
            error.request_id, error.attempts = exchange.id, exchange.story or error.attempts
            failure = error
        else:
            logger.error("request %s broke", exchange.id, exc_info=error)
            failure = InternalError()
            failure.request_id = exchange.id
        self._settlement.end(exchange, failure)
        return failure

    def _settle_carried(self, exchange: Exchange, error: BaseException | None) -> None:
        """Settle a call that went on when its caller had left, for how it ended."""
        if error is None:
            self._answered(exchange)
        else:
            self._failed(exchange, error)


class _Shared:
    """The settlement of a call whose answer others are given from what it is written from: once, for what ends first.

    Whoever reads the end of either finds the call settled. If its own answer is ended while others go on to be given
    theirs, what they are given is on its bill as well.
    """

    def __init__(self, exchange: Exchange, source: Stream, settlement: Settlement) -> None:
        self._exchange, self._source, self._settlement = exchange, source, settlement
        self._ended = False

    def follow(self, answer: Stream) -> None:
        """Settle when the answer, or what it is written from, has ended."""
        answer.on_close(self._answer_ended)
        if self._source.closed:
            self._end(self._source)
        else:
            self._source.on_close(self._end)

    def _answer_ended(self, answer: Stream) -> None:
        if self._source.closed or not self._source.wanted:
            self._end(answer)

    def _end(self, stream: Stream) -> None:
        if not self._ended:
            self._ended = True
            self._settlement.end(self._exchange, stream.error)
