"""Responses that are kept for their owners: found again, gone on from, listed and taken away.

What is kept is written down when an answer has ended, in a task of its own. Whoever asks for something that is not
there waits for what is being written for its owner just then: a caller that has read an answer finds it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

from narthex.config.response_settings import ResponseSettings
from narthex.errors import InternalError, InvalidRequest, NarthexError, PreviousResponseNotFound, ResponseNotFound
from narthex.pipeline.carriers import Carriers
from narthex.pipeline.contract import Spawn
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.inbound import response_id_of
from narthex.pipeline.transcripts import Transcript
from narthex.stores.shelves import ENTRY_BYTES, Shelf, ShelfLimits
from narthex.tenancy.keys import Caller
from narthex.tenancy.readings import Readings
from narthex.types.accounts import Account
from narthex.wire.openai_responses.kept import KeptResponse, RawJson, continued, decode_kept, input_of, keep

logger = logging.getLogger(__name__)

_Key = tuple[str, str]
"""Owner and ID."""

_DAY_S: Final = 86_400.0
LARGE_BYTES: Final = 1_048_576
"""Size from which on JSON is put together in a thread: a millisecond or so."""
_WHOLE: Final = frozenset({"completed", "incomplete"})


def shelf_limits(settings: ResponseSettings) -> ShelfLimits:
    """Return how much is kept, and for how long."""
    return ShelfLimits(max_bytes=settings.max_bytes, owner_bytes=settings.owner_bytes, keep_s=settings.keep_s)


@dataclass(slots=True)
class _Running:
    """A response that has not ended."""

    kept: KeptResponse
    status: Callable[[], str]
    is_failing: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Room(Protocol):
    """How much more may be kept."""

    def check(self, owner: str, account: Account, size: int) -> None:
        """Make sure that there is room for something.

        Args:
            owner: To whom it belongs.
            account: Whose storage it takes up.
            size: How many bytes.

        Raises:
            LimitExceeded: There is none.
        """
        ...


class Responses:
    """The responses that are kept.

    Attributes:
        settings: Which are, and how large they may be.
        carriers: The other processes that carry responses on.
        readings: Where it is noted who reads what others asked for.
        room: How much more may be kept; None for as much as the shelf holds.
    """

    room: Room | None = None

    carriers: Carriers | None = None
    readings: Readings = Readings()

    def __init__(self, shelf: Shelf, settings: ResponseSettings, spawn: Spawn, *, max_input_bytes: int) -> None:
        """Keep responses on a shelf.

        Args:
            shelf: Where they lie.
            settings: Which are kept.
            spawn: Keeps the tasks that write them down.
            max_input_bytes: Most of a request with everything that comes before it.
        """
        self.settings = settings
        self._shelf = shelf
        self._spawn = spawn
        self._max_input_bytes = max_input_bytes
        self._running: dict[_Key, _Running] = {}
        self._writing: dict[str, set[asyncio.Task[None]]] = {}
        self._stored = self._refused = 0

    # -- one call --------------------------------------------------------------------------------------------------

    async def go_on(self, caller: Caller, previous_id: str, body: bytes) -> bytes:
        """Return a request with the conversation that it goes on from put before its input.

        Raises:
            PreviousResponseNotFound: It is not kept for this caller, or one before it is not any more.
            InvalidRequest: It has not ended as a response does, or all of it is too large.
        """
        self._limit(caller)
        chain = await self._chain(caller.owner, previous_id)
        # Whoever goes on from a conversation may have it told.
        self.readings.note(caller, f"response:{previous_id}", by=chain[-1].by)
        size = len(body) + sum(kept.size_bytes for kept in chain)
        if size >= LARGE_BYTES:
            return await asyncio.to_thread(continued, body, chain)
        return continued(body, chain)

    def check_room(self, caller: Caller, size: int) -> None:
        """Make sure that there is room to keep something for a caller.

        Raises:
            LimitExceeded: Its workspace or organisation has as much stored as it may have.
        """
        if self.room is not None:
            self.room.check(caller.owner, caller.account, ENTRY_BYTES + size)

    def follow(self, exchange: Exchange, asked: bytes, previous_id: str | None) -> None:
        """Have the answer to a call kept when it has ended.

        Args:
            exchange: The call, which has an answer.
            asked: Its body, without what came before.
            previous_id: The response that it goes on from, if any.
        """
        assert exchange.answer is not None
        assert exchange.caller is not None
        self._limit(exchange.caller)
        transcript = Transcript(exchange, self.settings.response_bytes)
        exchange.answer.on_close(lambda _stream: self._write_down(exchange, transcript, asked, previous_id))

    def _limit(self, caller: Caller) -> None:
        """Have what is kept for a caller go when their workspace says."""
        days = None if caller.bounds is None else caller.bounds.retention_days
        self._shelf.keep_for(caller.owner, None if days is None else days * _DAY_S)

    def _write_down(self, exchange: Exchange, transcript: Transcript, asked: bytes, previous_id: str | None) -> None:
        assert exchange.caller is not None
        key = (exchange.caller.owner, response_id_of(exchange))
        self._write(key, self._keep(key, transcript, asked, previous_id))

    def _write(self, key: _Key, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = self._spawn(work)
        self._writing.setdefault(key[0], set()).add(task)
        task.add_done_callback(lambda done: self._written(key, done))
        return task

    def _written(self, key: _Key, task: asyncio.Task[None]) -> None:
        writing = self._writing[key[0]]
        writing.discard(task)
        if not writing:
            del self._writing[key[0]]
        running = self._running.pop(key, None)
        if running is not None:
            running.ended.set()

    async def _keep(self, key: _Key, transcript: Transcript, asked: bytes, previous_id: str | None) -> None:
        size = transcript.bytes + len(asked)
        if transcript.is_too_large or size > self.settings.response_bytes:
            await self._refuse(key)
            return
        try:
            if size >= LARGE_BYTES:
                data = await asyncio.to_thread(_record, transcript, asked, previous_id)
            else:
                data = _record(transcript, asked, previous_id)
            if data is not None:
                assert transcript.exchange.caller is not None
                self.check_room(transcript.exchange.caller, len(data[1]))
                await self._shelf.put(key[0], *data)
                self._stored += 1
        except (msgspec.MsgspecError, NarthexError) as error:
            logger.warning("the response to request %s is not kept: %s", transcript.exchange.id, error)
            await self._refuse(key)

    async def _refuse(self, key: _Key) -> None:
        """Take note of a response that is not kept; nobody is to wait for one whose ID was told before it began."""
        self._refused += 1
        running = self._running.get(key)
        if running is not None:
            error = InternalError(
                "this response is larger than `responses.response_bytes` or a limit allows, or cannot be kept"
            )
            # What made it too large may be what was asked.
            await self._put(key, msgspec.structs.replace(running.kept.failed(error), input=[]))

    # -- in the background -----------------------------------------------------------------------------------------

    async def announce(self, caller: Caller, queued: KeptResponse, status: Callable[[], str]) -> None:
        """Have a response found before it has ended.

        Args:
            caller: Whose it is.
            queued: The response, as it stands before it has begun.
            status: Tells how it stands by now.
        """
        key = (caller.owner, queued.id)
        if key in self._running:
            return
        self._limit(caller)
        node = None if self.carriers is None else self.carriers.node
        queued = msgspec.structs.replace(queued, node=node or "")
        self._running[key] = _Running(queued, status)
        if node is not None:
            await self._put(key, queued)

    def ended(self, caller: Caller, response_id: str) -> asyncio.Event | None:
        """Return what is set when a response has ended and is written down; None if this process carries it not on."""
        running = self._running.get((caller.owner, response_id))
        return None if running is None else running.ended

    async def fail(self, caller: Caller, response_id: str, error: NarthexError) -> None:
        """Keep a response that was announced as one without an answer."""
        key = (caller.owner, response_id)
        running = self._running.get(key)
        if running is not None and not running.is_failing:
            running.is_failing = True
            await asyncio.shield(self._write(key, self._put(key, running.kept.failed(error))))

    async def _put(self, key: _Key, kept: KeptResponse) -> None:
        try:
            await self._shelf.put(*key, kept.encode())
        except NarthexError as error:
            logger.warning("the response %s is not kept: %s", key[1], error)

    # -- afterwards ------------------------------------------------------------------------------------------------

    async def get(self, caller: Caller, response_id: str) -> KeptResponse:
        """Return a response.

        Raises:
            ResponseNotFound: None of this ID is kept for this caller.
        """
        kept = await self._find(caller.owner, response_id)
        if kept is None:
            raise _missing(response_id)
        return kept

    async def delete(self, caller: Caller, response_id: str) -> None:
        """Take a response away.

        Raises:
            ResponseNotFound: None of this ID is kept for this caller.
        """
        kept = await self.get(caller, response_id)
        if self.ended(caller, response_id) is not None or not kept.ended:
            raise InvalidRequest(
                f"the response {response_id[:100]!r} is {kept.status}: cancel it first", param="response_id"
            )
        if not await self._shelf.delete(caller.owner, response_id):
            raise _missing(response_id)

    async def input_items(self, caller: Caller, response_id: str) -> list[RawJson]:
        """Return what a response was made of, oldest first, as far as it is still kept.

        Raises:
            ResponseNotFound: None of this ID is kept for this caller.
        """
        last = await self.get(caller, response_id)
        owner, chain, size, seen = caller.owner, [last], last.size_bytes, {last.id}
        while (wanted := chain[0].previous) is not None and wanted not in seen and size <= self._max_input_bytes:
            earlier = await self._find(owner, wanted)
            if earlier is None:
                break
            chain.insert(0, earlier)
            size += earlier.size_bytes
            seen.add(earlier.id)
        return input_of(chain)

    def lines(self) -> Iterator[str]:
        """Yield the counters in Prometheus's text format."""
        yield "# HELP narthex_responses_stored_total Responses that were kept for their owners."
        yield "# TYPE narthex_responses_stored_total counter"
        yield f"narthex_responses_stored_total {self._stored}"
        yield "# HELP narthex_responses_not_stored_total Responses that were too large to be kept, or could not be."
        yield "# TYPE narthex_responses_not_stored_total counter"
        yield f"narthex_responses_not_stored_total {self._refused}"

    async def _chain(self, owner: str, last_id: str) -> Sequence[KeptResponse]:
        """Return the responses that lead to one, oldest first, and have their time begin anew."""
        chain: list[KeptResponse] = []
        size, wanted, seen = 0, last_id, set[str]()
        while True:
            kept = await self._find(owner, wanted)
            if kept is None:
                raise _broken(last_id, wanted)
            if not chain and kept.status not in _WHOLE:
                raise _not_whole(kept)
            chain.insert(0, kept)
            size += kept.size_bytes
            if size > self._max_input_bytes:
                raise InvalidRequest(
                    f"the conversation before this request is larger than {self._max_input_bytes} bytes, the limit "
                    "set by `server.max_body_bytes`; send a summary of it as `input`",
                    param="previous_response_id",
                )
            if kept.previous is None:
                break
            seen.add(kept.id)
            if kept.previous in seen:
                # A provider gave two answers one ID.
                raise _broken(last_id, kept.previous)
            wanted = kept.previous
        await self._shelf.renew(owner, [kept.id for kept in chain])
        return chain

    async def _find(self, owner: str, response_id: str) -> KeptResponse | None:
        if owner in self._writing:
            await asyncio.wait(self._writing[owner])
        running = self._running.get((owner, response_id))
        if running is not None:
            return running.kept.standing(running.status())
        data = await self._shelf.get(owner, response_id)
        if data is None and owner in self._writing:
            await asyncio.wait(self._writing[owner])
            data = await self._shelf.get(owner, response_id)
        kept = None if data is None else decode_kept(data)
        if kept is None or kept.ended or self.carriers is None:
            return kept
        return await self.carriers.standing(owner, kept, lambda: self._shelf.get(owner, response_id))


def _record(transcript: Transcript, asked: bytes, previous_id: str | None) -> tuple[str, bytes] | None:
    response = transcript.response()
    if response is None:
        return None
    caller = transcript.exchange.caller
    kept = keep(response, asked, previous=previous_id, by="" if caller is None else caller.account.key_id)
    return (kept.id, kept.encode()) if kept.id else None


def _missing(response_id: str) -> ResponseNotFound:
    return ResponseNotFound(f"Response with id {response_id[:100]!r} not found.", param="response_id")


def _not_whole(kept: KeptResponse) -> InvalidRequest:
    return InvalidRequest(
        f"the previous response {kept.id[:100]!r} is {kept.status}: only one that is completed or incomplete can be "
        "gone on from",
        param="previous_response_id",
    )


def _broken(asked_id: str, missing_id: str) -> PreviousResponseNotFound:
    said = f"Previous response with id {asked_id[:100]!r} not found"
    if asked_id != missing_id:
        said += f": {missing_id[:100]!r}, which it goes on from, is not kept any more"
    return PreviousResponseNotFound(f"{said}; send the conversation so far as `input`.", param="previous_response_id")
