"""Many kept streams on one socket: the events, the control and the resumption that there are over HTTP."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final, Literal, cast

import msgspec

from narthex.errors import InvalidRequest, NarthexError, PausedTooLong, StreamNotFound, StreamNotKept
from narthex.http.sockets.contract import Line, Visit
from narthex.http.surfaces import SURFACES
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.gateway import Engine
from narthex.pipeline.handles import Word
from narthex.pipeline.owned import Owned
from narthex.pipeline.registry import Registry
from narthex.streams.log import Log, LogReader, ReaderDropped
from narthex.types.dialects import Operation
from narthex.wire.openai_chat.request_decoding import UNREADABLE, invalid_body

SUBPROTOCOL: Final = "narthex.streams.v1"
MAX_STREAMS: Final = 256
"""Streams that are followed at once on one socket."""

_encode = msgspec.json.Encoder().encode
_Json = dict[str, object]


class Message(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a client says."""

    type: Literal["start", "attach", "pause", "resume", "cancel", "detach", "ping"]
    stream: str = ""
    path: str = ""
    body: dict[str, object] | None = None
    on_disconnect: Literal["cancel", "detach"] = "cancel"
    after: Annotated[int, msgspec.Meta(ge=0)] = 0


_decode = msgspec.json.Decoder(Message).decode


class StreamsTalk:
    """Everything that one socket follows."""

    def __init__(self, engine: Engine, registry: Registry, visit: Visit) -> None:
        """Begin without any."""
        self._engine = engine
        self._registry = registry
        self._visit = visit
        self._owner = visit.caller.owner
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._followed: dict[str, _Followed] = {}
        self._line: Line | None = None

    @property
    def busy(self) -> bool:
        """Whether a stream is followed that has not ended."""
        return bool(self._starting or self._followed)

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
        for task in tuple(self._starting.values()):
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
            case "attach":
                self._check_free(said.stream)
                owned = self._own(said)
                if owned is not None:
                    self._attach(owned, said)
            case "detach":
                self._detach(said.stream)
            case _:
                self._control(said)

    def _attach(self, owned: Owned, said: Message) -> None:
        if owned.log is None:
            raise StreamNotKept
        self._follow(said.stream, owned.log, said.after)

    def _control(self, said: Message) -> None:
        owned = self._own(said)
        if owned is None:
            return
        match said.type:
            case "pause":
                owned.pause(self._registry.policy.pause_limit_s, PausedTooLong())
            case "resume":
                owned.resume()
            case _:
                owned.cancel()
        self._registry.touched(owned)
        self._send({"type": "state", "stream": said.stream, "state": owned.report()})

    def _own(self, said: Message) -> Owned | None:
        """Return a stream of this process; None if it is looked for at the others, which takes a while."""
        try:
            return self._registry.find(self._owner, said.stream)
        except StreamNotFound:
            if self._registry.elsewhere is None:
                raise
        assert self._line is not None
        name = said.stream if said.type == "attach" else f"{said.type} {said.stream}"
        if name not in self._starting:
            self._starting[name] = self._line.spawn(self._far(name, said))
        return None

    async def _far(self, name: str, said: Message) -> None:
        """Do with a stream of another process what a message says."""
        assert self._line is not None
        try:
            handle = await self._registry.look_up(self._owner, said.stream)
            if said.type == "attach":
                self._follow(said.stream, await handle.read(said.after), said.after)
            else:
                report = await handle.tell(cast("Word", said.type))
                self._send({"type": "state", "stream": said.stream, "state": report})
        except NarthexError as error:
            self._refuse(said.stream, error)
        finally:
            del self._starting[name]
            self._line.rest()

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
        body = _encode({**said.body, "stream": True})
        exchange = Exchange(surface.dialect, body, headers, caller=self._visit.caller)
        assert self._line is not None
        self._starting[said.stream] = self._line.spawn(self._run(said.stream, exchange))

    async def _run(self, name: str, exchange: Exchange) -> None:
        assert self._line is not None
        try:
            answer = await self._engine.handle(exchange)
            self._follow(name, cast("Log", answer), 0)
        except NarthexError as error:
            self._refuse(name, error)
        finally:
            del self._starting[name]
            self._line.rest()

    def _check_free(self, name: str) -> None:
        if name in self._starting or name in self._followed:
            raise InvalidRequest(f"stream: {name[:64]!r} is followed on this socket already", param="stream")
        if len(self._starting) + len(self._followed) >= MAX_STREAMS:
            raise InvalidRequest(f"stream: {MAX_STREAMS} are followed already; detach one", param="stream")

    def _follow(self, name: str, log: Log, after: int) -> None:
        assert self._line is not None
        self._followed[name] = followed = _Followed(self._line, name, log, after, self._followed)
        followed.push()

    def _detach(self, name: str) -> None:
        followed = self._followed.pop(name, None)
        if followed is None:
            raise InvalidRequest(f"stream: {name[:64]!r} is not followed on this socket", param="stream")
        followed.leave()
        self._send({"type": "detached", "stream": name, "after": followed.sent})

    def _send(self, message: _Json) -> None:
        assert self._line is not None
        self._line.send(_encode(message))

    def _refuse(self, name: str, error: NarthexError) -> None:
        self._send({"type": "error", "stream": name or None, "error": _told(error)})


class _Followed:
    """One stream that is followed; it takes itself from `home` at its end."""

    def __init__(self, line: Line, name: str, log: Log, after: int, home: dict[str, _Followed]) -> None:
        self.sent = after
        self._line = line
        self._name = name
        self._log = log
        self._home = home
        self._taken: list[bytes] = []
        self._reader: LogReader = log.reader(self.push, after=after)

    def push(self) -> None:
        """Send what there is, as long as the client keeps up."""
        if self._name not in self._home:
            return
        try:
            while not self._line.blocked:
                if not self._taken:
                    self._taken = cast("list[bytes]", self._reader.take())[::-1]
                    if not self._taken:
                        break
                self.sent += 1
                self._line.send(_event(self._name, self.sent, self._taken.pop()))
        except ReaderDropped:
            self._end({"type": "dropped", "stream": self._name, "after": self.sent})
            return
        if self._reader.dropped:
            self._end({"type": "dropped", "stream": self._name, "after": self.sent})
        elif self._log.closed and not self._taken and self._reader.ended:
            error = self._log.error
            told = None if error is None else _told(error)
            self._end({"type": "end", "stream": self._name, "after": self.sent, "error": told})

    def leave(self) -> None:
        """Follow no longer."""
        self._reader.leave()

    def _end(self, message: _Json) -> None:
        del self._home[self._name]
        self._reader.leave()
        self._line.send(_encode(message))
        self._line.rest()


def _event(name: str, number: int, frame: bytes) -> bytes:
    """Write an event of a log as a message: its name and its data, which stay as they are."""
    told: _Json = {"type": "event", "stream": name, "seq": number}
    lines = frame.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    data = "\n".join(line[5:].removeprefix(" ") for line in lines if line.startswith("data:"))
    event = next((line[6:].strip() for line in lines if line.startswith("event:")), None)
    if event is not None:
        told["event"] = event
    told["data"] = msgspec.Raw(data.encode()) if data.startswith("{") else data
    return _encode(told)


def _read(message: bytes) -> Message:
    try:
        return _decode(message)
    except UNREADABLE as error:
        raise invalid_body(error) from error


def _told(error: NarthexError) -> _Json:
    return {"type": error.type, "code": error.code, "message": error.message, "param": error.param}
