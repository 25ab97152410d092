"""Many kept streams on one socket: the events, the control and the resumption that there are over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Final, Literal, cast

import msgspec

from narthex.errors import (
    InvalidRequest,
    NarthexError,
    RateLimited,
    StreamNotFound,
    StreamNotKept,
)
from narthex.http.sockets.contract import Line, Visit
from narthex.http.sockets.followed import Followed, Json, encode, told_of
from narthex.http.surfaces import SURFACES
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.gateway import Engine
from narthex.pipeline.handles import Word, obey
from narthex.pipeline.owned import Owned
from narthex.pipeline.registry import Registry
from narthex.streams.log import Log
from narthex.streams.throttle import Pace
from narthex.tenancy.keys import Caller
from narthex.types.dialects import Operation
from narthex.wire.openai_chat.request_decoding import UNREADABLE, invalid_body

MAX_STREAMS: Final = 256
"""Streams that are followed at once on one socket."""
MAX_WAITING: Final = 16
"""Messages about one stream that wait for the process that writes it."""
_MAX_NAME: Final = 128

PaceOf = Callable[[Mapping[bytes, bytes], Caller], Pace | None]
"""Says how fast a stream is delivered to a caller who sends these headers."""


class Message(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a client says."""

    type: Literal["start", "attach", "pause", "resume", "cancel", "detach", "ping"]
    stream: Annotated[str, msgspec.Meta(max_length=_MAX_NAME)] = ""
    path: str = ""
    body: dict[str, object] | None = None
    on_disconnect: Literal["cancel", "detach"] = "cancel"
    after: Annotated[int, msgspec.Meta(ge=0)] = 0


_decode = msgspec.json.Decoder(Message).decode


class StreamsTalk:
    """Everything that one socket follows."""

    def __init__(self, engine: Engine, registry: Registry, visit: Visit, *, pace_of: PaceOf) -> None:
        """Begin without any."""
        self._pace_of = pace_of
        self._engine = engine
        self._registry = registry
        self._visit = visit
        self._owner = visit.caller.owner
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._followed: dict[str, Followed] = {}
        self._far: dict[str, list[Message]] = {}
        self._far_tasks: set[asyncio.Task[None]] = set()
        self._line: Line | None = None
        self._gone = False

    @property
    def busy(self) -> bool:
        """Whether a stream is followed that has not ended."""
        return bool(self._starting or self._followed or self._far)

    def begin(self, line: Line) -> None:
        """Keep the line."""
        self._line = line

    def heard(self, message: bytes) -> None:
        """Do what a message says, or tell why not."""
        name = ""
        try:
            said = _read(message)
            name = said.stream
            self._do(said)
        except NarthexError as error:
            self._refuse(name, error)

    def resumed(self) -> None:
        """Go on with what was held back."""
        for followed in tuple(self._followed.values()):
            followed.push()

    def left(self) -> None:
        """Follow nothing any more; what was started with `cancel` ends, if nobody else reads it."""
        self._gone = True
        for task in (*self._starting.values(), *self._far_tasks):
            task.cancel()
        for followed in tuple(self._followed.values()):
            followed.leave()
        self._followed.clear()

    def _do(self, said: Message) -> None:
        match said.type:
            case "ping":
                self._send({"type": "pong"})
            case "start":
                self._start(said)
            case _ if said.stream in self._far:
                self._ask(said)
            case "attach":
                self._check_free(said.stream)
                self._attach(said)
            case "detach":
                self._detach(said.stream)
            case _:
                self._control(said)

    def _attach(self, said: Message) -> None:
        owned = self._own(said.stream)
        if owned is None:
            self._ask(said)
        elif owned.log is None:
            raise StreamNotKept
        else:
            self._follow(said.stream, owned.log, said.after, self._pace())
            self._note(said.stream, owned.made_by)

    def _control(self, said: Message) -> None:
        owned = self._own(said.stream)
        if owned is None:
            self._ask(said)
            return
        report = obey(owned, cast("Word", said.type), pause_limit_s=self._registry.policy.pause_limit_s)
        self._registry.touched(owned)
        self._send({"type": "state", "stream": said.stream, "state": report})

    def _own(self, name: str) -> Owned | None:
        """Return a stream of this process; None if it may be another's."""
        try:
            return self._registry.find(self._owner, name)
        except StreamNotFound:
            if self._registry.elsewhere is None:
                raise
        return None

    # -- of other processes ----------------------------------------------------------------------------------------

    def _ask(self, said: Message) -> None:
        """Have done what takes a while, in the order in which it was said.

        Raises:
            RateLimited: As much as may be is under way.
        """
        assert self._line is not None
        waiting = self._far.get(said.stream)
        if len(self._far if waiting is None else waiting) >= (MAX_STREAMS if waiting is None else MAX_WAITING):
            raise RateLimited("other processes are asked as much as may be already; wait for their answers")
        if waiting is not None:
            waiting.append(said)
            return
        self._far[said.stream] = waiting = [said]
        task = self._line.spawn(self._do_all(said.stream, waiting))
        self._far_tasks.add(task)
        task.add_done_callback(self._far_tasks.discard)

    async def _do_all(self, name: str, waiting: list[Message]) -> None:
        """Do with a stream of another process what messages say, one after the other."""
        assert self._line is not None
        try:
            while waiting:
                try:
                    await self._do_far(waiting[0])
                except NarthexError as error:
                    self._refuse(name, error)
                del waiting[0]
        finally:
            del self._far[name]
            self._line.rest()

    async def _do_far(self, said: Message) -> None:
        if said.type == "detach":
            self._detach(said.stream)
            return
        if said.type == "attach":
            self._check_free(said.stream)
        handle = await self._registry.look_up(self._owner, said.stream)
        if said.type == "attach":
            self._follow(said.stream, await handle.read(said.after), said.after, self._pace())
            self._note(said.stream, handle.made_by)
        else:
            report = await handle.tell(cast("Word", said.type))
            self._send({"type": "state", "stream": said.stream, "state": report})

    # -- of this process -------------------------------------------------------------------------------------------

    def _start(self, said: Message) -> None:
        surface = SURFACES.get(said.path.encode())
        if surface is None or surface.operation is not Operation.CHAT:
            known = ", ".join(path.decode() for path, one in SURFACES.items() if one.operation is Operation.CHAT)
            raise InvalidRequest(f"path: give a route that streams: {known}", param="path")
        if said.body is None:
            raise InvalidRequest("body: this field is required to start", param="body")
        self._check_free(said.stream)
        headers = {
            **self._visit.headers,
            b"x-narthex-stream-id": said.stream.encode(),
            b"x-narthex-on-disconnect": said.on_disconnect.encode(),
        }
        body = encode({**said.body, "stream": True})
        exchange = Exchange(surface.dialect, body, headers, caller=self._visit.caller)
        assert self._line is not None
        self._starting[said.stream] = self._line.spawn(self._run(said.stream, exchange))

    async def _run(self, name: str, exchange: Exchange) -> None:
        assert self._line is not None
        try:
            answer = await self._engine.handle(exchange)
            self._follow(name, cast("Log", answer), 0, exchange.pace)
        except NarthexError as error:
            self._refuse(name, error)
        finally:
            del self._starting[name]
            self._line.rest()

    def _note(self, name: str, by: str) -> None:
        """Note that a stream is read, unless it is the reader's own."""
        visit = self._visit
        self._registry.readings.note(visit.caller, f"stream:{name}", by=by, address=visit.address)

    def _check_free(self, name: str) -> None:
        if name in self._starting or name in self._followed:
            raise InvalidRequest(f"stream: {name[:64]!r} is followed on this socket already", param="stream")
        if len(self._starting) + len(self._followed) + len(self._far) > MAX_STREAMS - (name not in self._far):
            raise InvalidRequest(f"stream: {MAX_STREAMS} are followed already; detach one", param="stream")

    def _pace(self) -> Pace | None:
        return self._pace_of(self._visit.headers, self._visit.caller)

    def _follow(self, name: str, log: Log, after: int, pace: Pace | None) -> None:
        assert self._line is not None
        followed = Followed(self._line, name, log, after=after, pace=pace, home=self._followed)
        if self._gone:
            # While it was looked for: nobody is there to read it.
            followed.leave()
            return
        self._followed[name] = followed
        followed.push()

    def _detach(self, name: str) -> None:
        followed = self._followed.pop(name, None)
        if followed is None:
            raise InvalidRequest(f"stream: {name[:64]!r} is not followed on this socket", param="stream")
        followed.leave()
        self._send({"type": "detached", "stream": name, "after": followed.sent})

    def _send(self, message: Json) -> None:
        assert self._line is not None
        self._line.send(encode(message))

    def _refuse(self, name: str, error: NarthexError) -> None:
        self._send({"type": "error", "stream": name or None, "error": told_of(error)})


def _read(message: bytes) -> Message:
    try:
        return _decode(message)
    except UNREADABLE as error:
        raise invalid_body(error) from error
