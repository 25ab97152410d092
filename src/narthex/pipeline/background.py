"""Responses in the background: begun at once, carried on whoever is there, and cancelled by their owner."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from narthex.errors import (
    Cancelled,
    CursorAhead,
    EventsForgotten,
    InternalError,
    InvalidRequest,
    NarthexError,
    RequestError,
    StreamEnded,
    StreamExpired,
    StreamNotFound,
    StreamNotKept,
)
from narthex.ledger.limits.quotas import Holding, Quotas
from narthex.pipeline.carriers import LOOK_S, Carriers
from narthex.pipeline.contract import Next, Spawn
from narthex.pipeline.exchange import Exchange, Keeping
from narthex.pipeline.handles import Handle, OwnHandle
from narthex.pipeline.inbound import response_id_of
from narthex.pipeline.outbound import with_member
from narthex.pipeline.owned import Status
from narthex.pipeline.registry import Registry
from narthex.pipeline.responses import Responses
from narthex.streams.log import Log
from narthex.streams.stream import Frame, Stream
from narthex.tenancy.keys import Caller
from narthex.types.dialects import Dialect
from narthex.types.limits import Measure
from narthex.types.usage import Usage
from narthex.wire.openai_responses.kept import KeptResponse, keep
from narthex.wire.openai_responses.written import response

_NOT_INSIDE: Final = frozenset({b"idempotency-key", b"last-event-id"})
"""Headers of the call that begins one, of no meaning to the call that is begun."""
_WORDS: Final[dict[Status, str]] = {"waiting": "queued"}
_SEQUENCE: Final = re.compile(rb'"sequence_number":[ ]?([0-9]+)')
_encode = msgspec.json.Encoder().encode


class Background:
    """Begins responses in the background, and ends them.

    Attributes:
        responses: Where they are kept.
        handle: Takes a call through the whole chain; the engine's.
    """

    handle: Callable[[Exchange], Awaitable[Stream]]

    def __init__(self, responses: Responses, registry: Registry, spawn: Spawn, quotas: Quotas | None = None) -> None:
        """Take where responses are kept, where their streams are found, what keeps tasks, and how many there may be."""
        self.responses = responses
        self._quotas = quotas
        self._registry = registry
        self._spawn = spawn
        self._carriers = responses.carriers = Carriers(registry)
        responses.readings = registry.readings

    async def begin(self, exchange: Exchange, keeping: Keeping) -> None:
        """Answer a call with a response that is queued, and have the work done by another.

        Raises:
            InvalidRequest: The request cannot be served as it stands.
            PreviousResponseNotFound: What it goes on from is not kept.
            LimitExceeded: Its workspace or organisation has as many tasks under way, or as much stored, as it may have.
        """
        assert exchange.caller is not None
        exchange.chat_request()
        self.responses.check_room(exchange.caller, len(exchange.body))
        if keeping.previous_response_id:
            await self.responses.go_on(exchange.caller, keeping.previous_response_id, exchange.body)
        headers = {name: value for name, value in exchange.headers.items() if name not in _NOT_INSIDE}
        body = with_member(exchange.body, "stream", True)
        work = Exchange(Dialect.OPENAI_RESPONSES, body, headers, caller=exchange.caller)
        queued = self._queued(work, exchange, keeping)
        held = await self._room(exchange.caller)
        try:
            await self._announce(work, queued, held)
        except BaseException as error:
            await self._fail(work, error)
            raise
        exchange.answer = Stream.of(bytes(queued.response), Dialect.OPENAI_RESPONSES)
        # All that is used up is on the bill of the other.
        exchange.usage = Usage()
        carried = self._spawn(self._carry(work))
        await asyncio.sleep(0)
        while not (carried.done() or self._is_open(exchange.caller, queued.id)):  # noqa: ASYNC110 - nobody tells
            # Its ID is claimed, or its request is large: its stream is open by the time that anybody hears of it.
            await asyncio.sleep(LOOK_S)

    async def follow(self, exchange: Exchange, keeping: Keeping, call_next: Next) -> None:
        """Call on for a streamed response in the background; one without an answer is kept as what became of it."""
        assert exchange.caller is not None
        held = await self._room(exchange.caller)
        try:
            await self._announce(exchange, self._queued(exchange, exchange, keeping), held)
            await call_next(exchange)
        except BaseException as error:
            await self._fail(exchange, error)
            raise

    async def cancel(self, caller: Caller, response_id: str) -> KeptResponse:
        """End a response in the background and return it; one that has ended stays as it is.

        Raises:
            ResponseNotFound: None of this ID is kept for this caller.
            InvalidRequest: It is not in the background.
        """
        kept = await self.responses.get(caller, response_id)
        if not kept.background:
            raise InvalidRequest(
                f"the response {response_id[:100]!r} is not in the background: to end it, close its connection",
                param="response_id",
            )
        ended = self.responses.ended(caller, response_id)
        if ended is None and kept.ended:
            return kept
        if ended is None:
            await self._carriers.cancel(caller.owner, response_id)
            return await self.responses.get(caller, response_id)
        while not ended.is_set():
            # One without a stream has not begun, or only has to be written down yet.
            with contextlib.suppress(StreamNotFound):
                await self._cancel(caller, response_id)
                break
            await asyncio.sleep(LOOK_S)
        await ended.wait()
        return await self.responses.get(caller, response_id)

    async def stream(self, caller: Caller, kept: KeptResponse, starting_after: int | None) -> tuple[Handle, int]:
        """Return the stream of a response, and the number of the event behind which it is read.

        Args:
            caller: Whose it is.
            kept: The response.
            starting_after: The `sequence_number` of the last event that its reader has; None for the beginning.

        Raises:
            InvalidRequest: It is not in the background.
            StreamExpired: Its events are not held any more.
            CursorAhead: There is no such event yet.
            EventsForgotten: The next event is no longer held.
            StreamUnreachable: Another process carries it on, and cannot be asked just now.
        """
        if not kept.background:
            raise InvalidRequest(
                f"stream: the response {kept.id[:100]!r} was not asked for with `background`: only the events of one "
                "that was are held",
                param="stream",
            )
        try:
            handle = await self._registry.look_up(caller.owner, kept.id)
            return handle, 0 if starting_after is None else await _behind(handle, starting_after)
        except (StreamNotFound, StreamExpired, StreamNotKept):
            raise StreamExpired(
                "the events of this response are not held any more; ask for it without `stream`"
            ) from None

    def _is_open(self, caller: Caller, response_id: str) -> bool:
        with contextlib.suppress(StreamNotFound, StreamExpired):
            self._registry.find(caller.owner, response_id)
            return True
        return False

    async def _cancel(self, caller: Caller, response_id: str) -> None:
        # One that is not held any more has ended, and is being written down.
        with contextlib.suppress(StreamEnded, StreamExpired):
            self._registry.find(caller.owner, response_id).cancel()

    async def _carry(self, work: Exchange) -> None:
        try:
            await self.handle(work)
        except NarthexError as error:
            await self._fail(work, error)

    async def _room(self, caller: Caller) -> Holding | None:
        """Hold room for one more task; None where nobody counts them."""
        return None if self._quotas is None else await self._quotas.reserve(caller.account, Measure.TASKS)

    async def _fail(self, exchange: Exchange, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            error = Cancelled()
        told = error if isinstance(error, NarthexError) else InternalError()
        assert exchange.caller is not None
        await self.responses.fail(exchange.caller, response_id_of(exchange), told)

    async def _announce(self, exchange: Exchange, queued: KeptResponse, held: Holding | None) -> None:
        """Keep a response as one that will be, and its room until it has ended."""
        caller = exchange.caller
        assert caller is not None
        owner = caller.owner

        def status() -> str:
            try:
                return _WORDS.get(self._registry.find(owner, queued.id).status, "in_progress")
            except RequestError:
                return "queued"

        try:
            await self.responses.announce(caller, queued, status)
        except BaseException:
            if held is not None:
                held.release()
            raise
        if held is not None:
            self._spawn(_until(self.responses.ended(caller, queued.id), held))

    def _queued(self, work: Exchange, asked: Exchange, keeping: Keeping) -> KeptResponse:
        body = response(
            response_id_of(work), asked.model_asked, int(time.time()), asked.chat_request(), status="queued"
        )
        assert asked.caller is not None
        by = asked.caller.account.key_id
        return keep(_encode(body), asked.body, previous=keeping.previous_response_id, by=by)


async def _until(ended: asyncio.Event | None, held: Holding) -> None:
    """Hold room until something has ended."""
    try:
        if ended is not None:
            await ended.wait()
    finally:
        held.release()


async def _behind(handle: Handle, sequence: int) -> int:
    """Return the number of the event with this `sequence_number`, which is waited for if others wrote it."""
    if isinstance(handle, OwnHandle):
        if handle.owned.log is None:
            raise StreamNotKept
        return _number_of(handle.owned.log, sequence)
    number = sequence + 1
    while True:
        try:
            log = await handle.read(number)
        except CursorAhead as error:
            raise CursorAhead(f"event {sequence} is not there yet", param="starting_after") from error
        if log.first_number == number + 1:
            # All that is there comes behind it: also the last words of a process that died before it copied it.
            return number
        try:
            return _number_of(log, sequence)
        except CursorAhead:
            # There are more events than have numbers of their own.
            number = log.last_number + 1


def _number_of(log: Log, sequence: int) -> int:
    """Return the number of the event with this `sequence_number`."""
    events = log.held
    usual = sequence + 1 - log.first_number
    if 0 <= usual < len(events) and _sequence_of(events[usual]) == sequence:
        return sequence + 1
    for place in reversed(range(len(events))):
        said = _sequence_of(events[place])
        if said is not None and said <= sequence:
            if said < sequence:
                raise CursorAhead(f"event {sequence} is not there: the last one is {said}", param="starting_after")
            return log.first_number + place
    if not events:
        raise CursorAhead(f"event {sequence} is not there: there is none yet", param="starting_after")
    raise EventsForgotten(f"the event {sequence} is no longer held; ask for the response without `stream`")


def _sequence_of(event: Frame) -> int | None:
    found = _SEQUENCE.search(event) if isinstance(event, bytes) else None
    return None if found is None else int(found[1])
