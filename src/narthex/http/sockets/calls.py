"""A call that is made on a socket: through the ordinary engine, its answer taken as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

import msgspec

from narthex.errors import Cancelled, NarthexError, Overloaded, without_frames
from narthex.http.sockets.contract import Line
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.gateway import Engine
from narthex.streams.stream import Reader, Stream
from narthex.streams.throttle import LEAST_WAIT_S, Bucket, Pace
from narthex.types.events import Event, is_content
from narthex.types.usage import Usage

_encode = msgspec.json.Encoder().encode


class Listener(Protocol):
    """Who wants the answer."""

    def add(self, event: Event) -> None:
        """Take an event of it."""
        ...

    def end(self, error: NarthexError | None, usage: Usage | None) -> None:
        """Take its end; with `error` it is not whole."""
        ...

    def cancelled(self, usage: Usage | None) -> None:
        """Take note that it was ended by `cancel()`."""
        ...


class Meter:
    """Says when the next event of an answer may be told."""

    def __init__(self, pace: Pace, now: float) -> None:
        """Begin; sizes of pieces are of no meaning here, as each event is a message."""
        self._tokens = None if pace.tokens_per_s is None else Bucket(pace.tokens_per_s, now)
        self._bytes = None if pace.bytes_per_s is None else Bucket(pace.bytes_per_s, now)

    def wait_s(self, event: Event, now: float) -> float:
        """Spend what an event costs, and return 0; or else return the seconds until that can be spent."""
        costs = [
            (bucket, cost)
            for bucket, cost in ((self._tokens, int(is_content(event))), (self._bytes, len(_encode(event))))
            if bucket is not None
        ]
        wait_s = max((bucket.wait_s(cost, now) for bucket, cost in costs), default=0.0)
        if not wait_s:
            for bucket, cost in costs:
                bucket.spend(cost)
        return wait_s


class Call:
    """One call, from `start()` to its end.

    While the client does not keep up, nothing is taken of the answer, whose bound then holds the provider back.
    """

    def __init__(
        self, engine: Engine, exchange: Exchange, line: Line, listener: Listener, *, ended: Callable[[Call], None]
    ) -> None:
        """Prepare a call.

        Args:
            engine: Takes it.
            exchange: The call, streamed, in the inner vocabulary.
            line: The socket.
            listener: Who wants the answer.
            ended: Called once, when all is over.
        """
        self._engine = engine
        self._exchange = exchange
        self._line = line
        self._listener = listener
        self._on_end = ended
        self._loop = asyncio.get_running_loop()
        self._over = self._loop.create_future()
        self._task: asyncio.Task[None] | None = None
        self._answer: Stream | None = None
        self._reader: Reader | None = None
        self._taken: list[Event] = []
        self._meter: Meter | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._cancelled = self._ended = False

    def start(self) -> None:
        """Begin."""
        self._task = self._line.spawn(self._run())
        # Cancelled before its first step, it does not come to tell that itself.
        self._task.add_done_callback(lambda _task: self._end(_stopped()))

    def cancel(self) -> None:
        """End it: the provider is told, and what was consumed is settled."""
        if self._cancelled or self._ended:
            return
        self._cancelled = True
        if self._reader is None:
            assert self._task is not None
            self._task.cancel()
            return
        answer = self._answer
        assert answer is not None
        self._reader.leave()
        answer.on_close(lambda _: self._end(None))

    def resumed(self) -> None:
        """Go on taking: the client keeps up again."""
        if self._reader is not None:
            self._push()

    async def _run(self) -> None:
        try:
            self._answer = answer = await self._engine.handle(self._exchange)
            self._meter = None if self._exchange.pace is None else Meter(self._exchange.pace, self._loop.time())
            self._reader = answer.reader(self._push)
            self._push()
            await self._over
        except NarthexError as error:
            self._end(without_frames(error))
        except asyncio.CancelledError:
            if self._reader is not None:
                self._reader.leave()
            self._end(_stopped())
            if not self._cancelled:
                raise
        except Exception:
            if self._reader is not None:
                self._reader.leave()
            self._ended = True
            raise

    def _push(self) -> None:
        """Pass on what there is, as long as the client keeps up, and as fast as it may be."""
        reader, answer = self._reader, self._answer
        if reader is None or answer is None or self._cancelled or self._ended:
            return
        line, add = self._line, self._listener.add
        while not line.blocked:
            if not self._taken:
                self._taken = cast("list[Event]", reader.take())
                self._taken.reverse()
                if not self._taken:
                    break
            if self._meter is not None and (wait_s := self._meter.wait_s(self._taken[-1], self._loop.time())):
                self._wake_in(wait_s)
                return
            add(self._taken.pop())
        if answer.closed and not self._taken and reader.ended:
            self._end(answer.error)

    def _wake_in(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(max(delay_s, LEAST_WAIT_S), self._push)

    def _end(self, error: NarthexError | None) -> None:
        if self._ended:
            return
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        if not self._over.done():
            # Cancelled together with the task that waits for it.
            self._over.set_result(None)
        usage = self._exchange.consumed
        if self._cancelled:
            self._listener.cancelled(usage)
        else:
            self._listener.end(None if isinstance(error, Cancelled) else error, usage)
        self._on_end(self)
        self._line.rest()


def _stopped() -> Overloaded:
    return Overloaded("this server stops; the answer is not whole")
