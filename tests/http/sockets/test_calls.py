"""A call on a socket: taken as it comes, held back by a slow client, and ended with or without its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from narthex.errors import NarthexError, Overloaded
from narthex.http.sockets.calls import Call
from narthex.http.sockets.contract import Close, SocketLimits
from narthex.pipeline.contract import Next
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.gateway import Engine
from narthex.pipeline.settle import Settlement
from narthex.streams.stream import Stream
from narthex.streams.throttle import Pace
from narthex.telemetry.metrics import Metrics
from narthex.tenancy.keys import LOCAL
from narthex.types.dialects import Dialect
from narthex.types.events import Event, TextDelta
from narthex.types.messages import Message, Text
from narthex.types.requests import ChatRequest
from narthex.types.usage import Usage
from tests.http.sockets.talking import LIMITS

Serve = Callable[[Exchange], Coroutine[object, object, None]]


class Stage:
    """The only stage: what a test says."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve

    async def __call__(self, exchange: Exchange, call_next: Next) -> None:
        """Serve."""
        await self._serve(exchange)


class Ears:
    """Hears an answer, and is its line as well."""

    limits: SocketLimits = LIMITS

    def __init__(self) -> None:
        self.blocked = False
        self.full_after: int | None = None
        self.events: list[Event] = []
        self.ends: list[str] = []
        self.rests = 0
        self.usage: Usage | None = None
        self.task: asyncio.Task[None] | None = None

    def add(self, event: Event) -> None:
        """Keep it; be full after some."""
        self.events.append(event)
        if len(self.events) == self.full_after:
            self.blocked = True

    def end(self, error: NarthexError | None, usage: Usage | None) -> None:
        """Keep how."""
        self.ends.append("whole" if error is None else error.code)
        self.usage = usage

    def cancelled(self, usage: Usage | None) -> None:
        """Keep that."""
        self.ends.append("cancelled")
        self.usage = usage

    def send(self, message: bytes) -> None:
        """Nothing is sent."""

    def close(self, code: Close, reason: str) -> None:
        """Nothing is closed."""

    def spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Start it."""
        self.task = asyncio.get_running_loop().create_task(work)
        return self.task

    def rest(self) -> None:
        """Count."""
        self.rests += 1


def call_of(serve: Serve, ears: Ears) -> Call:
    """Return a call that is served as a test says."""
    messages = (Message(role="user", parts=(Text(text="Hi"),)),)
    request = ChatRequest(model="a/b", messages=messages, stream=True)
    exchange = Exchange(Dialect.NATIVE, b"", {}, request=request, caller=LOCAL)
    engine = Engine([Stage(serve)], Settlement(Metrics(), None))
    return Call(engine, exchange, ears, ears, ended=lambda _: None)


async def begun(ears: Ears, stream: Stream) -> Call:
    """Return a call whose answer is `stream`, after its first event."""

    async def serve(exchange: Exchange) -> None:
        exchange.answer = stream

    call = call_of(serve, ears)
    stream.append(TextDelta(text="0"))
    call.start()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return call


async def test_an_answer_is_taken_as_it_comes() -> None:
    """Each event is heard in its turn of the producer, and the end once, after which the line may rest."""
    ears, stream = Ears(), Stream(None)
    await begun(ears, stream)
    for number in range(1, 4):
        stream.append(TextDelta(text=str(number)))
        assert len(ears.events) == number + 1
    stream.close()
    assert ears.ends == ["whole"]
    assert ears.rests == 1
    assert ears.task is not None
    await ears.task


async def test_a_slow_client_holds_the_answer_back_and_loses_nothing() -> None:
    """While the line is blocked nothing is taken, not even of what was read already; then all is, in order."""
    ears, stream = Ears(), Stream(None)
    call = await begun(ears, stream)
    ears.full_after = 2
    for number in range(1, 6):
        stream.append(TextDelta(text=str(number)))
    stream.close(Overloaded())
    assert len(ears.events) == 2
    assert ears.ends == []
    ears.blocked, ears.full_after = False, 4
    call.resumed()
    assert len(ears.events) == 4
    ears.blocked = False
    call.resumed()
    assert [event.text for event in ears.events if isinstance(event, TextDelta)] == list("012345")
    assert ears.ends == ["overloaded"]


async def test_a_cancel_ends_the_producer_and_is_told_with_the_usage() -> None:
    """The provider is told; what it had said is counted; a second cancel changes nothing."""
    ears, stream = Ears(), Stream(None)
    call = await begun(ears, stream)
    ended: list[int] = []

    def end() -> None:
        ended.append(1)
        stream.close(Overloaded())

    stream.cancel = end
    call.cancel()
    call.cancel()
    assert ended == [1]
    assert ears.ends == ["cancelled"]
    assert ears.usage is not None
    assert ears.usage.output_tokens
    stream.append(TextDelta(text="late"))
    call.resumed()
    assert len(ears.events) == 1


async def test_a_cancel_before_the_answer_ends_the_waiting() -> None:
    """A call that has no answer yet ends at once."""
    ears = Ears()

    async def never(_: Exchange) -> None:
        await asyncio.Event().wait()

    call = call_of(never, ears)
    call.start()
    await asyncio.sleep(0)
    call.cancel()
    assert ears.task is not None
    await ears.task
    assert ears.ends == ["cancelled"]


async def test_a_cancel_at_once_ends_it_too() -> None:
    """A call that is cancelled before its task took a step has ended as well, and nobody was asked."""
    ears, asked = Ears(), list[Exchange]()

    async def serve(exchange: Exchange) -> None:
        asked.append(exchange)

    call = call_of(serve, ears)
    call.start()
    call.cancel()
    assert ears.task is not None
    await asyncio.wait([ears.task])
    await asyncio.sleep(0)
    assert ears.ends == ["cancelled"]
    assert ears.rests == 1
    assert asked == []


async def test_an_answer_is_told_no_faster_than_it_may_be() -> None:
    """What may not be told yet waits, and is told in its time; what is no content costs nothing."""
    ears, stream = Ears(), Stream(None)
    pace: Pace | None = Pace(tokens_per_s=0.001)

    async def serve(exchange: Exchange) -> None:
        exchange.answer, exchange.pace = stream, pace

    call = call_of(serve, ears)
    for number in range(3):
        stream.append(TextDelta(text=str(number)))
    call.start()
    for _ in range(3):
        await asyncio.sleep(0)
    assert [event.text for event in ears.events if isinstance(event, TextDelta)] == ["0"]
    call.cancel()
    stream.close()
    assert ears.ends == ["cancelled"]
    pace, stream, ears = Pace(tokens_per_s=200.0, bytes_per_s=100_000), Stream(None), Ears()
    for number in range(40):
        stream.append(TextDelta(text=str(number)))
    stream.close()
    call_of(serve, ears).start()
    assert ears.task is not None
    await ears.task
    assert [event.text for event in ears.events if isinstance(event, TextDelta)] == [str(one) for one in range(40)]
    assert ears.ends == ["whole"]


async def test_no_answer_is_told_as_why() -> None:
    """What the engine refuses is told as its error."""
    ears = Ears()

    async def refuse(_: Exchange) -> None:
        raise Overloaded

    call_of(refuse, ears).start()
    assert ears.task is not None
    await ears.task
    assert ears.ends == ["overloaded"]


async def test_a_stop_of_the_server_is_told() -> None:
    """A task that the server cancels tells that the answer is not whole, and leaves the producer."""
    ears, stream = Ears(), Stream(None)
    await begun(ears, stream)
    left: list[int] = []
    stream.cancel = lambda: left.append(1)
    assert ears.task is not None
    ears.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ears.task
    assert ears.ends == ["overloaded"]
    assert left == [1]
