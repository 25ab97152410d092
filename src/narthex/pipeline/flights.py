"""Calls under way that answer the same question: one goes out, and all are answered by it.

The call runs in a task of its own, so that whoever asked first may leave without harm to the others; with the last of
those who want its answer the call ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Literal

from narthex.errors import Cancelled, NarthexError, ProviderError, alike
from narthex.pipeline.contract import Next
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.replay import Kept
from narthex.streams.stream import Keeper, Stream

Outcome = Literal["given", "ended", "again"]
"""What came of waiting: the answer is on its way, it has ended and is to be written anew, or it is each for itself."""

HEADER: Final = ("x-narthex-cache", "JOINED")


class Flight:
    """A call under way, and who waits for its answer.

    Attributes:
        exchange: The call that goes out.
        done: When there is an answer to it, or none.
        kept: The answer, once there is one.
        error: Why there is none.
        number: Of the last declaration of invalidity when it was asked.
        begun: Called once there is an answer, while it can be read from its first frame on.
    """

    def __init__(
        self, exchange: Exchange, *, room_bytes: int, landed: Callable[[Flight], None], number: int = 0
    ) -> None:
        """Take the call; `run` sends it.

        Args:
            exchange: The call.
            room_bytes: Up to which size its answer is held for those who come while it is being written.
            landed: Called once, when the answer has ended or there is none.
            number: Of the last declaration of invalidity.
        """
        self.exchange = exchange
        self.number = number
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.kept: Kept | None = None
        self.error: Exception | None = None
        self.task: asyncio.Task[None] | None = None
        self.begun: Callable[[Flight], None] | None = None
        self._room_bytes = room_bytes
        self._landed = landed
        self._waiting: dict[asyncio.Future[Outcome], Exchange] = {}
        self._for_the_end: list[asyncio.Future[Outcome]] = []
        self._keeper: Keeper | None = None
        self._left = self._has_landed = False
        self._has_room = True

    async def run(self, call_next: Next) -> None:
        """Take the call through the rest of the chain."""
        try:
            await call_next(self.exchange)
        except NarthexError as error:
            error.attempts = self.exchange.story or None
            self._fail(error)
        except asyncio.CancelledError:
            self._fail(Cancelled())
            raise
        except Exception as error:  # noqa: BLE001 - the engine tells it as what it is, as if no task were between
            self._fail(error)
        else:
            self._publish()

    # -- those who want its answer ---------------------------------------------------------------------------------

    def leave(self) -> None:
        """Take note that whoever asked first is gone; without others the call ends."""
        self._left = True
        self._end_if_unwanted()

    async def join(self, exchange: Exchange) -> Outcome:
        """Wait for the answer in the name of another call; where it has the same form it is that call's from now on.

        Raises:
            ProviderError: There is none, and this is why.
        """
        same = _form(exchange) == _form(self.exchange)
        if self.kept is not None and same:
            return self._give(exchange)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        if same:
            self._waiting[future] = exchange
        else:
            self._for_the_end.append(future)
            self._want_to_the_end()
        try:
            return await future
        finally:
            self._waiting.pop(future, None)
            if future in self._for_the_end:
                self._for_the_end.remove(future)
            self._want_to_the_end()
            self._end_if_unwanted()

    def _give(self, exchange: Exchange) -> Outcome:
        assert self.kept is not None
        if not self.kept.answer.from_start:
            return "again"
        self.kept.give(exchange)
        return "given"

    def _want_to_the_end(self) -> None:
        """Have the answer go on to its end while somebody waits for that, whoever else leaves."""
        if self._keeper is not None:
            self._keeper.wants = bool(self._for_the_end) and self._has_room

    def _hold(self, size_bytes: int) -> bool:
        """Tell whether there is room for so much of the answer; without it nobody need wait for the end."""
        if self._has_room and size_bytes > self._room_bytes:
            self._has_room = False
            self._want_to_the_end()
            self._send_on(self._for_the_end)
        return self._has_room

    @staticmethod
    def _send_on(waiting: Iterable[asyncio.Future[Outcome]], outcome: Outcome = "again") -> None:
        for future in tuple(waiting):
            if not future.done():
                future.set_result(outcome)

    def _end_if_unwanted(self) -> None:
        if not self._left or self._waiting or self._for_the_end:
            return
        if self.kept is None and self.task is not None:
            self.task.cancel()
        elif self.kept is not None and not self.kept.answer.closed:
            self.kept.answer.end_if_unwanted()

    # -- what comes of it ------------------------------------------------------------------------------------------

    def _publish(self) -> None:
        """Give the answer to those who wait for it, and hold it as it is being written."""
        answer = self.exchange.answer
        assert answer is not None
        self.kept = Kept.of(self.exchange, answer)
        self.kept.header = HEADER
        if not answer.closed or self._waiting:
            # One that has ended as well: the first who reads it would leave nothing to the others.
            self._keeper = answer.retain(self._hold, alone=False)
            self._want_to_the_end()
        for future, exchange in tuple(self._waiting.items()):
            if not future.done():
                future.set_result(self._give(exchange))
        answer.on_close(self._close)
        if self.begun is not None:
            self.begun(self)
        self._end_if_unwanted()
        if not self.done.done():
            self.done.set_result(None)

    def _close(self, answer: Stream) -> None:
        """Take note that the answer has ended."""
        if answer.error is None:
            assert self.kept is not None
            self.kept.complete(self.exchange)
        self._land()
        self._send_on(self._for_the_end, "ended" if answer.error is None else "again")

    def _fail(self, error: Exception) -> None:
        self.error = error
        self._land()
        for future in (*self._waiting, *self._for_the_end):
            if future.done():
                continue
            if isinstance(error, ProviderError):
                future.set_exception(alike(error))
            else:
                # It may concern only whoever asked first: a limit of theirs, their time, their leaving.
                future.set_result("again")
        if not self.done.done():
            self.done.set_exception(error)

    def _land(self) -> None:
        if not self._has_landed:
            self._has_landed = True
            self._landed(self)


class Flights:
    """The calls under way, by the keys of their questions."""

    def __init__(self) -> None:
        self._flights: dict[bytes, Flight] = {}

    def get(self, key: bytes) -> Flight | None:
        """Return the call under way for a question."""
        return self._flights.get(key)

    def add(self, key: bytes, flight: Flight) -> None:
        """Have others join a call from now on."""
        self._flights[key] = flight

    def remove(self, key: bytes, flight: Flight) -> None:
        """Have nobody join a call any more."""
        if self._flights.get(key) is flight:
            del self._flights[key]

    def __len__(self) -> int:
        return len(self._flights)


def _form(exchange: Exchange) -> tuple[object, ...]:
    """Return what two calls must have in common so that the answer to one is, as it stands, the answer to the other."""
    asks = exchange.keeping is not None and exchange.keeping.asks
    return exchange.dialect, exchange.streaming, exchange.usage_wanted, id(exchange) if asks else None
