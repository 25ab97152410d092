"""One WebSocket: frames in, frames out, driven by what comes, without a task of its own.

The frames are read and written by the part of `websockets` that does no I/O. What the client does not take holds
everything back: while its connection is full, nothing more is read from it, so that neither its questions nor our
answers pile up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Final, cast

from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, SEND_EOF, Protocol, Side

from narthex.http.deadlines import Phase
from narthex.http.sockets.contract import Close, SocketLimits, Talk
from narthex.http.sockets.hub import SocketHub
from narthex.tenancy.keys import Caller, KeyMark

logger = logging.getLogger(__name__)

# Its own remarks on every connection are nothing that an operator needs to read.
_frames_logger: Final = logging.getLogger(f"{__name__}.frames")
_frames_logger.setLevel(logging.CRITICAL)

_TEXT: Final = Opcode.TEXT
_BINARY: Final = Opcode.BINARY
_CONT: Final = Opcode.CONT
_BURST_S: Final = 2.0
"""Seconds' worth of messages that may come at once."""
_SLICE_BYTES: Final = 2_048
"""Taken in between two looks at how many messages that were: thousands of frames fit into what comes at once."""
_MAX_REASON: Final = 123
_FAULT: Final = "something failed inside Narthex; its log has the details"


class SocketConnection(asyncio.Protocol):
    """One connection of a client, from the answer to its handshake on.

    Attributes:
        phase: For the sweeper: being served, or closing.
        since: Begin of the phase, by the sweeper's clock.
        stalled_since: Since when the client takes nothing.
        caller: On whose behalf it was opened.
        mark: Of the key that it rests on.
        alive: Whether anything has come since the last ping.
    """

    __slots__ = (
        "_allowance",
        "_counted_at",
        "_ended",
        "_frames",
        "_held",
        "_hub",
        "_loop",
        "_parts",
        "_reading",
        "_state",
        "_stopping",
        "_talk",
        "_transport",
        "alive",
        "blocked",
        "caller",
        "mark",
        "phase",
        "since",
        "stalled_since",
    )

    def __init__(self, hub: SocketHub, state: ServerState, talk: Talk, *, caller: Caller, mark: KeyMark) -> None:
        """Take over a connection.

        Args:
            hub: What all sockets share.
            state: The books of the server: its connections, and the tasks that it waits for when it stops.
            talk: What is talked on this one.
            caller: On whose behalf.
            mark: Of the key that it rests on.
        """
        self._hub = hub
        self._state = state
        self._talk = talk
        self._frames = Protocol(Side.SERVER, state=OPEN, max_size=hub.limits.max_message_bytes, logger=_frames_logger)
        self._loop = asyncio.get_running_loop()
        self._allowance = hub.limits.messages_per_s * _BURST_S
        self._counted_at = self._loop.time()
        self._parts = bytearray()
        self._held: list[Frame] = []
        self._stopping = self._ended = False
        self._reading = True
        self.caller = caller
        self.mark = mark
        self.alive = True
        self.blocked = False
        self.phase = Phase.SERVING
        self.since = hub.clock()
        self.stalled_since: float | None = None

    # -- the connection --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Stand in the books, and begin."""
        self._transport = cast("asyncio.Transport", transport)
        books = cast("set[SocketConnection]", self._state.connections)
        books.add(self)
        self._hub.enter(self)
        try:
            self._talk.begin(self)
        except Exception:  # the edge of a connection: a fault here ends this connection alone
            logger.exception("a socket could not begin")
            self.close(Close.BROKEN, _FAULT)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the books: nobody is there any more."""
        self._state.connections.discard(self)
        self._end()
        closed = self._frames.close_sent
        self._hub.leave(self, None if closed is None else closed.code)

    def eof_received(self) -> bool:
        """Take note that the client sends nothing more; the connection is closed."""
        self._frames.receive_eof()
        return False

    def data_received(self, data: bytes) -> None:
        """Take in what came."""
        self.alive = True
        for start in range(0, len(data), _SLICE_BYTES):
            self._frames.receive_data(data[start : start + _SLICE_BYTES])
            if not self._take_in(cast("list[Frame]", self._frames.events_received())):
                break
        self._flush()

    def pause_writing(self) -> None:
        """Hold everything back: the client does not keep up."""
        self.blocked = True
        self.stalled_since = self._hub.clock()
        if not self._ended:
            self._read(on=False)

    def resume_writing(self) -> None:
        """Go on."""
        self.blocked = False
        self.stalled_since = None
        if not self._ended:
            try:
                self._talk.resumed()
            except Exception:  # the edge of a connection: a fault here ends this connection alone
                logger.exception("a socket could not go on")
                self.close(Close.BROKEN, _FAULT)
        self._go_through()

    def shutdown(self) -> None:
        """Close, as the server stops: at once, or when the calls on it have ended."""
        self._stopping = True
        self.rest()

    def expire(self, phase: Phase) -> None:
        """End the connection: its time in `phase` is over."""
        self._transport.abort()

    # -- for what is talked ----------------------------------------------------------------------------------------

    @property
    def limits(self) -> SocketLimits:
        """What holds for it now."""
        return self._hub.limits

    def send(self, message: bytes) -> None:
        """Send a text."""
        if self._ended or self._frames.state is not OPEN:
            return
        if self._transport.get_write_buffer_size() > self._hub.limits.max_outbound_bytes:
            self.close(Close.OVERFLOW, "more waits for you than may wait: read faster, or ask for less at once")
            return
        self._frames.send_text(message)
        self._flush()

    def close(self, code: Close, reason: str) -> None:
        """Close with a reason."""
        if self._ended:
            return
        if self._frames.state is OPEN:
            self._frames.send_close(code, reason.encode()[:_MAX_REASON].decode(errors="ignore"))
        self._end()
        self._flush()

    def spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Start a task that a stopping server waits for."""
        task = self._loop.create_task(work)
        self._state.tasks.add(task)
        task.add_done_callback(self._task_ended)
        return task

    def rest(self) -> None:
        """Close, if the server stops and nothing is under way."""
        if self._stopping and not self._ended and not self._talk.busy:
            self.close(Close.RESTART, "this server stops; open the socket again in a moment")

    # -- heartbeat -------------------------------------------------------------------------------------------------

    def beat(self) -> None:
        """Close if nothing came since the last ping; ping."""
        if self._ended or self.blocked:
            # Whoever takes nothing is the sweeper's: of him we read nothing either.
            return
        if not self.alive:
            self.close(Close.SILENT, "no sign of life: answer pings")
            return
        self.alive = False
        self._frames.send_ping(b"")
        self._flush()

    # -- within ----------------------------------------------------------------------------------------------------

    def _take_in(self, frames: list[Frame]) -> bool:
        """Take frames in; False if that was too much, and nothing more is looked at."""
        most = self._hub.limits.messages_per_s * _BURST_S
        if self._ended:
            # Some may have been on their way when it was closed.
            self._allowance -= len(frames)
            if self._allowance < -most:
                self._transport.abort()
            return self._allowance >= -most
        # What came before the end, or before a fault, is heard; answered it is no more.
        self._held += frames
        self._go_through()
        if len(self._held) > most:
            self._close_for_haste()
        return not self._ended

    def _close_for_haste(self) -> None:
        self.close(Close.TOO_MANY, f"more than {self._hub.limits.messages_per_s:g} messages per second")

    def _go_through(self) -> None:
        """Take the frames that are held, one by one, until there are none or the client does not keep up."""
        while self._held and not self.blocked and not self._ended:
            frame = self._held.pop(0)
            if self._counted():
                self._take(frame)
        if self._ended:
            self._held = []
        elif not self.blocked:
            self._read(on=True)

    def _read(self, *, on: bool) -> None:
        """Read on, or read nothing for now."""
        if on is self._reading or self._transport.is_closing():
            return
        self._reading = on
        if on:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _counted(self) -> bool:
        """Count a frame; one too many closes."""
        rate, now = self._hub.limits.messages_per_s, self._loop.time()
        self._allowance = min(rate * _BURST_S, self._allowance + (now - self._counted_at) * rate)
        self._counted_at = now
        if self._allowance < 1:
            self._close_for_haste()
            return False
        self._allowance -= 1
        return True

    def _take(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is _BINARY:
            self.close(Close.UNSUPPORTED, "send text: binary messages are not understood here")
        elif opcode is _TEXT or opcode is _CONT:
            if frame.fin and not self._parts:
                self._hear(bytes(frame.data))
                return
            self._parts += frame.data
            if frame.fin:
                message, self._parts = bytes(self._parts), bytearray()
                self._hear(message)

    def _hear(self, message: bytes) -> None:
        self._hub.messages += 1
        try:
            message.decode()
        except UnicodeDecodeError:
            self.close(Close.INVALID_DATA, "a text must be valid UTF-8")
            return
        try:
            self._talk.heard(message)
        except Exception:  # as above
            logger.exception("a message on a socket could not be dealt with")
            self.close(Close.BROKEN, _FAULT)

    def _flush(self) -> None:
        transport = self._transport
        for data in self._frames.data_to_send():
            if transport.is_closing():
                break
            if data != SEND_EOF:
                transport.write(data)
            elif transport.can_write_eof():
                # The client may still be sending: closing now would reset the connection, and take our reason with it.
                transport.write_eof()
            else:
                transport.close()
        if self._frames.close_sent is not None:
            self._end()

    def _end(self) -> None:
        """End what is talked, once; what is left to do is to see the client go, within the sweeper's patience."""
        if self._ended:
            return
        self._ended = True
        self.phase = Phase.CLOSING
        self.since = self._hub.clock()
        self._parts = bytearray()
        self._held = []
        self._read(on=True)
        try:
            self._talk.left()
        except Exception:  # the edge of a connection: a fault here ends this connection alone
            logger.exception("a socket could not be left in good order")

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._state.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a call on a socket broke", exc_info=error)
            self.close(Close.BROKEN, _FAULT)
