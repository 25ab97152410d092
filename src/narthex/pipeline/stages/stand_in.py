"""Give a registered answer to a call that failed."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable
from time import monotonic

from narthex.errors import NarthexError
from narthex.pipeline.answers import FailedCall, Given, RegisteredAnswer, RegisteredAnswers, may_be_answered
from narthex.pipeline.computing import compute
from narthex.pipeline.contract import Next, Spawn
from narthex.pipeline.exchange import Exchange, Tried, word_of
from narthex.pipeline.given import TARGET, UnfitAnswer, give
from narthex.types.dialects import Operation

logger = logging.getLogger(__name__)


class StandIn:
    """Give the first registered answer that fits, where every attempt has failed and the request is not to blame.

    It uses nothing itself; what is known to be consumed by the attempts stays on the call.

    Nothing was delivered by then: a stream that breaks later ends in its error, and never in a registered answer.
    """

    def __init__(self, answers: RegisteredAnswers, spawn: Spawn) -> None:
        self._answers = answers
        self._spawn = spawn

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[None]:
        """Call on; where no answer is registered, that is all."""
        return self._covered(exchange, call_next) if self._answers.registered else call_next(exchange)

    async def _covered(self, exchange: Exchange, call_next: Next) -> None:
        try:
            await call_next(exchange)
        except NarthexError as error:
            if not may_be_answered(exchange, error) or not await self._answered(exchange, error):
                raise

    async def _answered(self, exchange: Exchange, error: NarthexError) -> bool:
        """Give an answer; False if there is none."""
        spent = exchange.usage
        for answer in self._answers.fitting(exchange):
            begun = monotonic()
            try:
                given = await self._given(answer, exchange, error)
                if given is None:
                    continue
                give(exchange, given, told={"fallback": answer.kind, "after": word_of(error)})
            # The operator's function may raise anything; the caller is told the error that there was.
            except Exception as failure:  # noqa: BLE001
                self._failed(exchange, answer, failure)
                continue
            if spent is not None:
                exchange.usage = spent
            self._answers.given[answer.kind] += 1
            _mark(exchange, answer, error, begun)
            return True
        return False

    async def _given(self, answer: RegisteredAnswer, exchange: Exchange, error: NarthexError) -> Given:
        """Return what is registered, or what is made of the call in the time that is left."""
        if answer.compute is None:
            return answer.text
        left_s = math.inf if exchange.deadline is None else exchange.deadline - monotonic()
        timeout_s = max(0.0, min(answer.timeout_s, left_s))
        return await compute(answer.compute, _told(exchange, error), timeout_s=timeout_s, spawn=self._spawn)

    def _failed(self, exchange: Exchange, answer: RegisteredAnswer, failure: Exception) -> None:
        self._answers.failed += 1
        trace = None if isinstance(failure, UnfitAnswer | NarthexError | TimeoutError) else failure
        why = f"it took longer than {answer.timeout_s:g} s" if isinstance(failure, TimeoutError) else failure
        logger.warning("request %s: its registered answer cannot be given: %s", exchange.id, why, exc_info=trace)


def _told(exchange: Exchange, error: NarthexError) -> FailedCall:
    embeds = exchange.operation is Operation.EMBED
    return FailedCall(
        request_id=exchange.id,
        operation=exchange.operation,
        model=exchange.model_asked,
        request=exchange.embedding_request() if embeds else exchange.chat_request(),
        caller="" if exchange.caller is None else exchange.caller.name,
        error=error,
        attempts=exchange.story,
    )


def _mark(exchange: Exchange, answer: RegisteredAnswer, error: NarthexError, begun: float) -> None:
    """Have everything that tells of the call tell that no model answered it."""
    exchange.instead_of = error
    exchange.target, exchange.dropped = TARGET, ()
    exchange.told = (*exchange.told, ("x-narthex-fallback", answer.kind))
    exchange.note_attempt(Tried.of(TARGET, answer.kind, begun, None))
    exchange.first_frame_at = monotonic()
