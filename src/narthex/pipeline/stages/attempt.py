"""Call the provider and make its reply the exchange's answer.

If the provider speaks the caller's dialect, bytes pass through: the body goes out as it came but for the model's name,
the answer comes back as it is and is only scanned for its end, its usage and its failures. Otherwise both are
translated through the inner vocabulary.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine

from narthex.pipeline.allowing import heard
from narthex.pipeline.contract import Next, Spawn
from narthex.pipeline.counting import count_tokens, pass_count
from narthex.pipeline.delivery import deliver, deliver_vectors, gather, refused, unreadable
from narthex.pipeline.estimates import estimate_whole
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.inbound import PassingSink, Rescue, Sink, TranslatingSink, produce, relay
from narthex.pipeline.outbound import Outbound, outbound
from narthex.pipeline.recovery import Recovery
from narthex.pipeline.rescue import Mode, Rescuer
from narthex.pipeline.simulating import Simulation
from narthex.providers.catalog import Target
from narthex.providers.contract import EventsReply, StreamReply, VectorsReply, WholeReply
from narthex.streams.stream import Stream
from narthex.types.answers import ChatAnswer, EmbeddingAnswer
from narthex.types.dialects import Operation
from narthex.types.events import Event
from narthex.types.usage import Usage
from narthex.wire.contract import MalformedBody
from narthex.wire.openai_embeddings import OPENAI_EMBEDDINGS
from narthex.wire.registry import CHAT_WIRES

# Compared in every call; a member of an enumeration costs more than a name.
_CHAT = Operation.CHAT
_COUNT_TOKENS = Operation.COUNT_TOKENS


class Attempt:
    """Make attempts at the exchange's target, and at others if it fails; the last stage, which calls nobody on."""

    def __init__(
        self, spawn: Spawn, recovery: Recovery, *, rescue: Mode = "continue", simulation: Simulation | None = None
    ) -> None:
        self._spawn = spawn
        self._recovery = recovery
        self._rescue = Rescuer(recovery, mode=rescue)
        self._simulation = Simulation() if simulation is None else simulation

    def __call__(self, exchange: Exchange, call_next: Next) -> Coroutine[object, object, None]:
        """Set `exchange.answer`; the coroutine is that of the recovery, for one less to go through in every call."""
        return self._recovery.carry(exchange, self._once)

    async def _once(self, exchange: Exchange, target: Target) -> None:
        if exchange.operation is _COUNT_TOKENS and exchange.dialect not in target.provider.dialects:
            await count_tokens(exchange, target)
            return
        out = outbound(exchange, target)
        exchange.sent = True
        reply = await target.provider.send(out.call)
        if isinstance(reply, WholeReply | StreamReply):
            heard(self._recovery.places.allowances, target, reply)
        match reply:
            case WholeReply():
                if exchange.streaming:
                    await self._unstreamed(exchange, target, out, reply)
                else:
                    self._whole(exchange, target, out, reply)
            case StreamReply():
                await self._streamed(exchange, out, reply)
            case EventsReply():
                await self._events(exchange, out, reply)
            case VectorsReply():
                self._vectors(exchange, target, reply)
        exchange.first_frame_at = time.monotonic()

    # -- bytes, whole ----------------------------------------------------------------------------------------------

    def _whole(self, exchange: Exchange, target: Target, out: Outbound, reply: WholeReply) -> None:
        if reply.status != 200:
            raise refused(target, out, reply)
        body, operation = reply.body, exchange.operation
        try:
            if operation is _CHAT and out.passing:
                scan = CHAT_WIRES[exchange.dialect].scan_answer(body)
                exchange.usage, exchange.model_answered = scan.usage, scan.model
                exchange.answer = Stream.of(body, exchange.dialect)
            elif operation is _COUNT_TOKENS:
                pass_count(exchange, body)
            elif operation is Operation.EMBED:
                self._whole_embedding(exchange, out, body)
            else:
                deliver(exchange, CHAT_WIRES[out.call.dialect].decode_answer(body))
        except MalformedBody as error:
            raise unreadable(target.provider.name, error) from error

    async def _unstreamed(self, exchange: Exchange, target: Target, out: Outbound, reply: WholeReply) -> None:
        if reply.status != 200:
            raise refused(target, out, reply)
        try:
            answer = CHAT_WIRES[out.call.dialect].decode_answer(reply.body)
        except MalformedBody as error:
            raise unreadable(target.provider.name, error) from error
        await self._simulated(exchange, answer)

    def _whole_embedding(self, exchange: Exchange, out: Outbound, body: bytes) -> None:
        if out.passing:
            scan = OPENAI_EMBEDDINGS.scan_answer(body)
            exchange.usage, exchange.model_answered = scan.usage, scan.model
            exchange.answer = Stream.of(body, exchange.dialect)
            return
        deliver_vectors(exchange, OPENAI_EMBEDDINGS.decode_answer(body))

    # -- bytes, streamed -------------------------------------------------------------------------------------------

    async def _streamed(self, exchange: Exchange, out: Outbound, reply: StreamReply) -> None:
        wire = CHAT_WIRES[out.call.dialect]
        sink: Sink
        if out.passing:
            stream = Stream(exchange.dialect)
            sink = PassingSink(exchange, reply, stream, wire, hide_usage=out.hide_usage)
        else:
            stream = Stream(None)
            sink = TranslatingSink(exchange, reply, stream, wire.parser())
        stream.throttle(reply.pause, reply.resume)
        await self._open(exchange, stream, produce(exchange, reply, stream, sink, self._rescue))

    # -- events ----------------------------------------------------------------------------------------------------

    async def _events(self, exchange: Exchange, out: Outbound, reply: EventsReply) -> None:
        if out.call.stream:
            await self._relayed(exchange, reply.events, self._rescue)
        elif exchange.streaming:
            await self._simulated(exchange, await gather(exchange, reply.events))
        else:
            deliver(exchange, await gather(exchange, reply.events))

    async def _relayed(self, exchange: Exchange, events: AsyncIterator[Event], rescue: Rescue | None = None) -> None:
        stream = Stream(None)
        throttle = asyncio.Event()
        throttle.set()
        stream.throttle(throttle.clear, throttle.set)
        await self._open(exchange, stream, relay(exchange, events, stream, throttle, rescue))

    async def _simulated(self, exchange: Exchange, answer: ChatAnswer) -> None:
        """Stream an answer that came whole; what it consumed is settled even if its caller leaves before its end."""
        exchange.simulated = True
        exchange.usage = answer.usage or estimate_whole(exchange, answer)
        await self._relayed(exchange, self._simulation.events(answer))

    def _vectors(self, exchange: Exchange, target: Target, reply: VectorsReply) -> None:
        usage = Usage(input_tokens=reply.input_tokens)
        deliver_vectors(exchange, EmbeddingAnswer(model=target.name, vectors=reply.vectors, usage=usage))

    async def _open(self, exchange: Exchange, stream: Stream, producer: Coroutine[object, object, None]) -> None:
        """Start the producer and wait for the first frame: what fails before it is an error, not a stream."""
        task = self._spawn(producer)
        stream.cancel = task.cancel
        try:
            await stream.opened()
        except BaseException:
            task.cancel()
            raise
        if stream.error is not None and not stream.frames_total:
            raise stream.error
        exchange.answer = stream
