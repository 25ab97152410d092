"""What this server asks models of its own accord: charged to the house, limited by nobody, and part of no call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from narthex.pipeline.billing import Billing
from narthex.pipeline.chain import lone_attempt
from narthex.pipeline.contract import Spawn
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.handling import Handling
from narthex.pipeline.judging import said_by
from narthex.pipeline.settle import Settlement
from narthex.pipeline.stages.reserve import Reserve
from narthex.providers.catalog import Target
from narthex.resilience.places import Places
from narthex.streams.stream import Frame
from narthex.telemetry.metrics import Tally
from narthex.tenancy.keys import LOCAL
from narthex.types.dialects import Dialect, Operation
from narthex.types.folding import fold
from narthex.types.requests import ChatRequest, EmbeddingRequest
from narthex.wire.openai_embeddings import OPENAI_EMBEDDINGS

Resolve = Callable[[str], Target]
"""Knows the models."""
EMBEDDING_S = 10.0
"""For a vector, in seconds: it is waited for far shorter, but serves the next call when it comes."""
CHAT_S = 60.0


class HouseCalls:
    """Asks models: one attempt at each call, which is in the ledger under the local user, and nowhere else."""

    def __init__(self, resolve: Resolve, spawn: Spawn, billing: Billing) -> None:
        """Take what knows the models, keeps the tasks that read answers, and writes the bills."""
        self._resolve = resolve
        attempt = lone_attempt(spawn, Places(), Reserve(billing, limited=False))
        self._handling = Handling(attempt, Settlement(Tally(), None, billing=billing))

    async def embed(self, model: str, text: str) -> Sequence[float]:
        """Return a text's vector.

        Raises:
            NarthexError: There is none.
            TimeoutError: It did not come in time.
        """
        exchange = Exchange(
            *(Dialect.NATIVE, b"", {}),
            operation=Operation.EMBED,
            request=EmbeddingRequest(model=model, inputs=(text,)),
            caller=LOCAL,
        )
        frames = await self._sent(exchange, model, EMBEDDING_S)
        body = b"".join(frame for frame in frames if isinstance(frame, bytes))
        return OPENAI_EMBEDDINGS.decode_answer(body).vectors[0]

    async def ask(self, request: ChatRequest) -> str:
        """Return the text that a model answers.

        Raises:
            NarthexError: There is none.
            TimeoutError: It did not come in time.
        """
        exchange = Exchange(Dialect.NATIVE, b"", {}, request=request, caller=LOCAL)
        frames = await self._sent(exchange, request.model, CHAT_S)
        return said_by(fold(frame for frame in frames if not isinstance(frame, bytes)))

    async def _sent(self, exchange: Exchange, model: str, total_s: float) -> list[Frame]:
        """Return the whole answer, frame by frame."""
        exchange.target, exchange.total_s = self._resolve(model), total_s
        async with asyncio.timeout(total_s):
            answer = await self._handling.handle(exchange)
            reader, frames = answer.reader(), list[Frame]()
            try:
                while await reader.wait():
                    frames += reader.take()
            finally:
                reader.leave()
        if answer.error is not None:
            raise answer.error
        return frames
