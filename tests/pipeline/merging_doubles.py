"""A chain that does what a test says with the calls of several models."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from narthex.pipeline.exchange import Exchange
from narthex.pipeline.gateway import TaskKeeper
from narthex.pipeline.handling import Handling
from narthex.pipeline.merges import Merger
from narthex.pipeline.merging import Kit, Merging
from narthex.pipeline.settle import Settlement
from narthex.pipeline.simulating import Simulation
from narthex.streams.stream import Stream
from narthex.telemetry.metrics import Metrics
from narthex.types.answers import FinishReason
from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Event, Finished, Started, TextDelta
from narthex.types.merging import MergeMode
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest

MESSAGES = (Message(role="user", parts=(Text(text="hi"),)),)


class Chain:
    """Gives every call a stream of its own, for a test to write.

    Attributes:
        calls: The calls, by the model that was asked for.
        left: Models whose call was ended.
    """

    def __init__(self) -> None:
        self.calls: dict[str, Exchange] = {}
        self.left: list[str] = []
        self.paused: set[str] = set()
        self.before: Callable[[Exchange], Awaitable[None]] | None = None

    async def __call__(self, exchange: Exchange) -> None:
        """Open the stream of a call."""
        name = exchange.model_asked
        self.calls[name] = exchange
        exchange.sent = True
        if self.before is not None:
            await self.before(exchange)
        stream = exchange.answer = Stream(None)
        stream.cancel = lambda: self._leave(name)
        stream.throttle(lambda: self.paused.add(name), lambda: self.paused.discard(name))

    def _leave(self, name: str) -> None:
        self.left.append(name)
        self.stream(name).close(None)

    def stream(self, name: str) -> Stream:
        """Return the stream of a call."""
        stream = self.calls[name].answer
        assert stream is not None
        return stream

    def say(self, name: str, *texts: str) -> None:
        """Have a model say these, having begun."""
        stream = self.stream(name)
        if not stream.frames_total:
            stream.append(Started(id=name, model=name, created_at=1))
        for text in texts:
            stream.append(TextDelta(text=text))

    def end(self, name: str) -> None:
        """Have a model end well."""
        stream = self.stream(name)
        stream.append(Finished(reason=FinishReason.STOP))
        stream.close(last=Ended())


async def started(
    chain: Chain, mode: MergeMode, *models: str, judge: str | None = None
) -> tuple[Merging, Exchange, TaskKeeper]:
    """Begin a call for these models, to be answered in events; every call that begins at once has begun."""
    requests = tuple(ChatRequest(model=model, messages=MESSAGES, stream=True) for model in models)
    request = ChatRequest(model="merge:" + ",".join(models), messages=MESSAGES, stream=True)
    exchange = Exchange(Dialect.NATIVE, b"", {}, request=request)
    exchange.merger = merger = Merger(mode=mode, requests=requests, judge=judge)
    tasks = TaskKeeper()
    handling = Handling(chain, Settlement(Metrics(), None))
    merging = Merging(exchange, merger, Kit(handling=handling, spawn=tasks.spawn, simulation=Simulation()))
    merging.start()
    for _ in range(5):
        await asyncio.sleep(0)
    return merging, exchange, tasks


def taken(exchange: Exchange) -> list[Event]:
    """Return the events that the answer holds."""
    assert exchange.answer is not None
    return [frame for frame in exchange.answer.held if not isinstance(frame, bytes)]
