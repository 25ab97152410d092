"""One kept stream that is followed on a socket, among others."""

from __future__ import annotations

import logging
from typing import Final, cast

import msgspec

from narthex.errors import InternalError, NarthexError
from narthex.http.sockets.contract import Line
from narthex.streams.log import Log, LogReader, ReaderDropped
from narthex.streams.stream import Stream
from narthex.streams.throttle import Pace, paced
from narthex.types.dialects import Dialect
from narthex.wire.sse import split_events

logger = logging.getLogger(__name__)

Json = dict[str, object]
encode: Final = msgspec.json.Encoder().encode
_decode_raw: Final = msgspec.json.Decoder(msgspec.Raw).decode


class Followed:
    """One stream that is followed.

    Attributes:
        sent: Number of the last event that was sent.
    """

    def __init__(
        self, line: Line, name: str, log: Log, *, after: int, pace: Pace | None, home: dict[str, Followed]
    ) -> None:
        """Begin to follow; nothing is sent before `push`.

        Args:
            line: The socket.
            name: What the client calls it.
            log: Where its events are.
            after: Number of the last that the client has.
            pace: How fast it is told; None for as it comes.
            home: Where it stands under its name, and takes itself from at its end.

        Raises:
            CursorAhead: There is no such event yet.
            EventsForgotten: The next event is no longer held.
        """
        self.sent = after
        self._line = line
        self._name = name
        self._home = home
        self._taken: list[bytes] = []
        self._is_paced = pace is not None
        self._source: Stream = log
        if pace is not None:
            self._source, after = paced(log, pace, dialect=log.dialect or Dialect.NATIVE, after=after), 0
        self._reader = self._source.reader(self.push, after=after)

    def push(self) -> None:
        """Send what there is, as long as the client keeps up; called from the producer, which is not to fail by it."""
        if self._name not in self._home:
            return
        try:
            self._push()
        except ReaderDropped:
            self._end({"type": "dropped", "stream": self._name, "after": self.sent})
        except Exception:
            logger.exception("the stream %s could not be told on a socket", self._name)
            self._finish(InternalError())

    def _push(self) -> None:
        while not self._is_blocked() and (events := self._taken or self._take()):
            before = self.sent
            for event in events:
                self._line.send(_event(self._name, self.sent + 1, event))
                self.sent += 1
                if self._is_blocked():
                    break
            self._keep(events[self.sent - before :])
        if isinstance(self._reader, LogReader) and self._reader.dropped:
            raise ReaderDropped
        if self._source.closed and not self._taken and self._reader.ended:
            self._finish(self._source.error)

    def _is_blocked(self) -> bool:
        return self._line.blocked

    def _take(self) -> list[bytes]:
        frames = cast("list[bytes]", self._reader.take())
        # At a pace they come several in one.
        return [event for frame in frames for event in split_events(frame)] if self._is_paced else frames

    def _keep(self, events: list[bytes]) -> None:
        """Keep what could not be sent: in the log, which then knows how far behind this reader is."""
        if self._is_paced:
            self._taken = events
        else:
            self._reader.position = self.sent

    def leave(self) -> None:
        """Follow no longer."""
        self._reader.leave()

    def _finish(self, error: NarthexError | None) -> None:
        told = None if error is None else told_of(error)
        self._end({"type": "end", "stream": self._name, "after": self.sent, "error": told})

    def _end(self, message: Json) -> None:
        if self._home.pop(self._name, None) is None:
            return
        self._reader.leave()
        self._line.send(encode(message))
        self._line.rest()


def _event(name: str, number: int, frame: bytes) -> bytes:
    """Write an event of a log as a message: its name and its data, which stay as they are, as far as they are JSON."""
    told: Json = {"type": "event", "stream": name, "seq": number}
    lines = frame.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    data = "\n".join(line[5:].removeprefix(" ") for line in lines if line.startswith("data:"))
    event = next((line[6:].strip() for line in lines if line.startswith("event:")), None)
    if event is not None:
        told["event"] = event
    told["data"] = _data(data)
    return encode(told)


def _data(data: str) -> object:
    if data.startswith("{"):
        try:
            return _decode_raw(data)
        except msgspec.DecodeError:
            pass
    return data


def told_of(error: NarthexError) -> Json:
    """Return an error as clients are told."""
    return {"type": error.type, "code": error.code, "message": error.message, "param": error.param}
