"""The calls that a call for several models is made of: each an exchange of its own, with its own line in the log."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Protocol, cast

import msgspec

from narthex.errors import Cancelled, NarthexError, without_frames
from narthex.pipeline.contract import Spawn
from narthex.pipeline.estimates import estimate, prompt_tokens
from narthex.pipeline.exchange import Exchange, Tried, word_of
from narthex.pipeline.handling import Handling
from narthex.streams.stream import Reader, Stream
from narthex.types.dialects import Dialect
from narthex.types.events import Event
from narthex.types.requests import ChatRequest
from narthex.types.usage import Usage


class Gathering(Protocol):
    """Who made the call, and takes in what comes of it."""

    held: bool
    """Whether nothing is to be taken in for now."""

    def arrived(self, member: Member, events: Sequence[Event]) -> None:
        """Take in events."""
        ...

    def ended(self, member: Member, error: NarthexError | None) -> None:
        """Take in the end, once; with `error` the answer is not whole."""
        ...

    def settled(self) -> None:
        """Take note that the books of a member are closed."""
        ...


class Member:
    """One of the calls.

    Attributes:
        number: Its place among them, from 0.
        exchange: The call.
        settled: Whether its books are closed.
        over: Whether it has ended.
        error: Why its answer is not whole; None if it is, or has not ended.
    """

    def __init__(self, number: int, exchange: Exchange, gathering: Gathering) -> None:
        self.number = number
        self.exchange = exchange
        self.settled = self.over = self._left = False
        self.error: NarthexError | None = None
        self._gathering = gathering
        self._answer: Stream | None = None
        self._reader: Reader | None = None
        self._task: asyncio.Task[None] | None = None
        self._begun_at = 0.0

    @property
    def name(self) -> str:
        """The model, as it was asked for."""
        return self.exchange.model_asked

    def begin(self, handling: Handling, spawn: Spawn) -> None:
        """Make the call."""
        self._begun_at = monotonic()
        self._task = spawn(self._run(handling))
        # A task that is ended before its first step never comes to an except of its own.
        self._task.add_done_callback(lambda _task: None if self._answer is not None else self._failed(Cancelled()))

    def leave(self) -> None:
        """Want nothing more of it: what is under way is ended."""
        self._left = True
        if self._reader is not None:
            self._reader.leave()
        elif self._task is not None and not self._task.done():
            self._task.cancel()

    def pull(self) -> None:
        """Take in what has come, unless nothing is to be taken for now."""
        reader, answer = self._reader, self._answer
        if reader is None or answer is None or self._gathering.held or self.over or self._left:
            return
        closed = answer.closed
        frames = cast("list[Event]", reader.take())
        if frames:
            self._gathering.arrived(self, frames)
        if closed and not self.over:
            self._end(answer.error)

    def usage(self) -> Usage:
        """Return what it consumed, as the books have it, or will have it."""
        exchange = self.exchange
        if exchange.usage is not None and self.settled:
            return exchange.usage
        if exchange.answer is not None:
            return estimate(exchange, exchange.answer)
        asked = exchange.sent and not self.settled
        return Usage(input_tokens=prompt_tokens(exchange), estimated=True) if asked else Usage()

    def tried(self) -> Tried | None:
        """Return it as an attempt of the call that it is a part of; None if it went nowhere."""
        target = self.exchange.target
        return None if target is None else Tried.of(target, "merge", self._begun_at, self.error)

    def told(self) -> dict[str, object]:
        """Return what a caller is told of it."""
        usage = self.usage()
        told: dict[str, object] = {
            "source": self.name,
            "outcome": "ok" if self.error is None else word_of(self.error),
            "usage": {**msgspec.structs.asdict(usage), "total_tokens": usage.total_tokens},
        }
        if self.error is not None and not isinstance(self.error, Cancelled):
            told["error"] = self.error.message
        return told

    async def _run(self, handling: Handling) -> None:
        try:
            answer = await handling.handle(self.exchange)
        except NarthexError as error:
            self._failed(error)
            return
        self._answer = answer
        self._reader = answer.reader(self.pull)
        self.pull()
        # After whoever settles the call, who has listened since there is an answer.
        answer.on_close(self._closed)

    def _closed(self, answer: Stream) -> None:
        self.settled = True
        # Those who read are told after this: what came last is not taken in yet.
        self.pull()
        if self._gathering.held and not self.over and not self._left:
            # Its last events wait until they are wanted.
            self._gathering.settled()
            return
        if not self.over:
            self._end(answer.error)
        self._gathering.settled()

    def _failed(self, error: NarthexError) -> None:
        if self.settled:
            return
        self.settled = True
        self._end(error)
        self._gathering.settled()

    def _end(self, error: NarthexError | None) -> None:
        self.over, self.error = True, None if error is None else without_frames(error)
        self._gathering.ended(self, self.error)


def part_of(exchange: Exchange, request: ChatRequest, *, stream: bool) -> Exchange:
    """Return a call to one model as a part of a call for several."""
    asked = msgspec.structs.replace(request, stream=stream, include_usage=True, n=None)
    part = Exchange(Dialect.NATIVE, exchange.body, exchange.headers, request=asked, caller=exchange.caller)
    part.merged_into = exchange.id
    part.priority, part.limits = exchange.priority, exchange.limits
    if exchange.total_s is not None:
        part.total_s = max(0.001, exchange.received_at + exchange.total_s - part.received_at)
    return part
