"""One answer as an append-only log of numbered frames, between one producer and its readers.

The producer appends and closes; it never waits for a reader. Readers follow with a cursor each. What all readers have
passed is forgotten, and a producer that runs ahead of the slowest reader is paused: memory stays bounded either way.
When the last reader leaves before the end, the call that produces the answer is ended.

A stream that is retained keeps its frames from the first one on, for readers that come later, and goes on to its end
without any. It is its own reader then, one that never moves: nothing else here needs to know of it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import msgspec

from narthex.errors import NarthexError, without_frames
from narthex.types.dialects import Dialect
from narthex.types.events import Event

HIGH_WATER_BYTES = 262_144
"""Unread bytes at which the producer is paused."""
LOW_WATER_BYTES = 65_536
"""Unread bytes at which it reads on."""
FRAME_BYTES = 40
"""What keeping a frame of bytes takes up beside them."""
EVENT_BYTES = 96
"""What an event in the inner vocabulary counts for."""

_encode = msgspec.json.Encoder().encode


class SeamMark(msgspec.Struct, frozen=True):
    """Where what another attempt added begins, in an answer that had broken."""

    frame: int
    """How many frames came before."""
    way: str
    """How the attempt was asked: `prefill`, `told` or `restart`."""
    target: str
    """`provider/model` that was asked."""


Frame = bytes | Event
"""Whole frames of the stream's dialect, one or several; or one event of the inner vocabulary."""


_NEVER = sys.maxsize


def _nothing() -> None:
    return


class Stream:
    """The answer to one exchange."""

    whole: bool = False
    """Whether the answer was not streamed: its single frame is the body, and it is closed from the start."""
    closed: bool = False
    """Whether the producer has ended; `error` then tells whether the answer is whole."""
    error: NarthexError | None = None
    """Why the answer is not whole."""
    bytes_total: int = 0
    """Bytes appended so far."""
    frames_total: int = 0
    """Frames appended so far."""
    events_total: int = 0
    """Events in them, as far as the producer counts: roughly the tokens written."""
    cancel: Callable[[], object] = staticmethod(_nothing)
    """Ends the call that produces the answer; called when the last reader has left before the end."""
    body: bytes = b""
    """The whole answer's only frame."""
    tells_error: bool = False
    """Whether an error that ends it is among its frames already."""
    halted: bool = False
    """Whether delivery is paused: readers are given nothing, and do not see the end."""

    seam_marks: tuple[SeamMark, ...] = ()
    """Where an answer that had broken was gone on with."""

    _first = 0
    """Number of the oldest frame held."""
    _unread = 0
    """Bytes held."""
    _paused = False
    _listeners: tuple[Callable[[Stream], None], ...] = ()
    _lookers: tuple[Callable[[], None], ...] = ()
    """Those of whom are woken who are no readers, and only look at what comes."""
    _pause: Callable[[], None] = staticmethod(_nothing)
    _resume: Callable[[], None] = staticmethod(_nothing)

    def __init__(self, dialect: Dialect | None) -> None:
        """Open a log.

        Args:
            dialect: Of the frames; None if they are events of the inner vocabulary.
        """
        self.dialect = dialect
        self._frames: list[Frame] = []
        self._readers: list[Reader] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._wakes: list[Callable[[], None]] = []
        self._high_water_bytes = HIGH_WATER_BYTES

    @staticmethod
    def of(body: bytes, dialect: Dialect) -> Stream:
        """Return a whole answer: one frame, closed from the start."""
        return _Whole(body, dialect)

    def throttle(
        self, pause: Callable[[], None], resume: Callable[[], None], *, high_water_bytes: int = HIGH_WATER_BYTES
    ) -> None:
        """Say how the producer is paused when readers fall behind by so many unread bytes, and how it goes on."""
        self._pause, self._resume = pause, resume
        self._high_water_bytes = high_water_bytes

    def on_close(self, listener: Callable[[Stream], None]) -> None:
        """Have `listener` called once, in its turn, when the producer has ended; at once if it has already.

        It is called before any reader is told of the end: what it writes down is there when the caller sees that.
        """
        if self.closed:
            listener(self)
        else:
            self._listeners = (*self._listeners, listener)

    @property
    def from_start(self) -> bool:
        """Whether a reader that comes now begins at the first frame."""
        return not self._first

    def retain(self, room: Callable[[int], bool], *, alone: bool = True) -> Keeper | None:
        """Hold all frames from the first on, for readers that come later; nobody has read any yet.

        No reader holds the producer meanwhile, as what it is behind by is held anyway, and none needs to be there.

        Args:
            alone: Whether the answer goes on to its end without any reader; if not, it ends with the last that leaves.
                Whoever is returned holds it, and may come to want it, or no more.
            room: Asked with every frame whether there is room for a log of so many bytes of memory. Once there is none
                this is a stream like any other again, which readers that follow do not notice; if there are none, the
                call that produces it is ended.
        """
        assert self.from_start, "what was forgotten cannot be retained"
        keeper = Keeper(self, room, wants=alone)
        self._readers.append(keeper)
        self._wakes.append(keeper.keep)
        self._lookers = (*self._lookers, keeper.keep)
        self._high_water_bytes = _NEVER
        if self._paused:
            self._go_on()
        keeper.keep()
        return keeper

    def tap(self, take: Callable[[Frame], None]) -> None:
        """Have `take` called with each frame as it comes, from the oldest that is held on, before any reader has it.

        It holds neither the producer nor a frame, and is no reader: if all of those leave, the call is ended.
        """
        tap = _Tap(self, take)
        if not self.closed:
            self._wakes = [tap.look, *self._wakes]
            self._lookers = (tap.look, *self._lookers)
        tap.look()

    def append(self, frame: Frame) -> None:
        """Add a frame at the end and wake the readers; after the close nothing is added."""
        if self.closed:
            return
        # As in `_add` and `_wake_all`, whose calls would cost as much again as what they do.
        size = len(frame) if isinstance(frame, bytes) else EVENT_BYTES
        self._frames.append(frame)
        self.frames_total += 1
        self.bytes_total += size
        self._unread = unread = self._unread + size
        if unread > self._high_water_bytes and not self._paused:
            self._paused = True
            self._pause()
        for wake in self._wakes:
            wake()
        if self._waiters:
            self._wake_waiters()

    def _wake_all(self) -> None:
        for wake in self._wakes:
            wake()
        if self._waiters:
            self._wake_waiters()

    def _add(self, frame: Frame) -> None:
        size = len(frame) if isinstance(frame, bytes) else EVENT_BYTES
        self._frames.append(frame)
        self.frames_total += 1
        self.bytes_total += size
        self._unread += size

    def close(self, error: NarthexError | None = None, *, last: Frame | None = None) -> None:
        """End the log; a second close changes nothing.

        Args:
            error: Why the answer is not whole; None if it is.
            last: Added first, so that readers find it and the end in one.
        """
        if self.closed:
            return
        if last is not None:
            self._add(last)
        self.closed = True
        self.error = None if error is None else without_frames(error)
        # The producer's task holds the stream, too.
        self.cancel = _nothing
        try:
            self._tell_listeners()
        finally:
            self._wake_all()

    def _tell_listeners(self) -> None:
        """Have those called who write down what came of it, once those have seen all of it whom they ask."""
        lookers, self._lookers = self._lookers, ()
        if lookers:
            for look in lookers:
                look()
            self._wakes = [wake for wake in self._wakes if wake not in lookers]
        listeners, self._listeners = self._listeners, ()
        for listener in listeners:
            listener(self)

    def pause_delivery(self) -> None:
        """Give readers nothing from now on; the producer goes on until as much waits as may."""
        self.halted = True

    def resume_delivery(self) -> None:
        """Give readers what has come meanwhile, and what comes."""
        self.halted = False
        self._wake_all()

    def reader(self, wake: Callable[[], None] | None = None, *, after: int = 0) -> Reader:
        """Return a new reader at the oldest frame that is still held.

        Args:
            wake: Called from within `append()` and `close()`: a reader that is called need not wait, which saves a
                turn of the loop per frame. It must not raise. Without it the reader has to `wait()`.
            after: Frames that the reader has already; only a `Log` can go by that.
        """
        assert not after, "what was read before is not numbered here"
        reader = Reader(self, self._first, wake)
        if wake is not None:
            self._wakes.append(wake)
        self._readers.append(reader)
        return reader

    async def opened(self) -> None:
        """Wait until there is a first frame or the producer has ended."""
        while not self.frames_total and not self.closed:
            await self._wait()

    async def ended_within(self, limit_bytes: int) -> bool:
        """Wait until the producer has ended; False as soon as what is held takes up more than `limit_bytes`.

        Meant for one who looks before anybody reads: until then the producer is not paused, and all stays held.
        """
        self._high_water_bytes = limit_bytes
        if self._paused:
            self._go_on()
        weighed = weight_bytes = 0
        while not self.closed:
            weight_bytes += sum(map(_weight_bytes, self._frames[weighed:]))
            weighed = len(self._frames)
            if weight_bytes > limit_bytes:
                break
            await self._wait()
        self._high_water_bytes = HIGH_WATER_BYTES
        return self.closed

    @property
    def held(self) -> tuple[Frame, ...]:
        """The frames that no reader has taken yet, which stay where they are."""
        return tuple(self._frames)

    async def _wait(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiters.append(future)
        await future

    def _wake_waiters(self) -> None:
        waiters, self._waiters = self._waiters, []
        for future in waiters:
            if not future.done():
                future.set_result(None)

    def _release(self) -> None:
        """Forget what every reader has passed, and let the producer go on."""
        readers = self._readers
        passed = readers[0].position if len(readers) == 1 else min((r.position for r in readers), default=self._first)
        count = passed - self._first
        if count <= 0:
            return
        if count == len(self._frames):
            self._frames.clear()
            self._unread = 0
        else:
            gone = self._frames[:count]
            del self._frames[:count]
            self._unread -= sum(len(frame) if isinstance(frame, bytes) else EVENT_BYTES for frame in gone)
        self._first = passed
        if self._paused and self._unread < LOW_WATER_BYTES:
            self._go_on()

    @property
    def wanted(self) -> bool:
        """Whether somebody is here who wants the answer."""
        return any(reader.wants for reader in self._readers)

    def end_if_unwanted(self) -> None:
        """End the call that produces the answer, if nobody is here who wants it."""
        if not self.wanted:
            self._deserted()

    def _deserted(self) -> None:
        """End the call that produces the answer: nobody is left who wants it."""
        self.cancel()

    def _go_on(self) -> None:
        self._paused = False
        self._resume()


class _Whole(Stream):
    """An answer that came in one piece. Most do, so nothing is made for it that only a log needs."""

    whole = True
    closed = True
    frames_total = 1

    def __init__(self, body: bytes, dialect: Dialect) -> None:
        self.dialect = dialect
        self.body = body
        self.bytes_total = len(body)

    def reader(self, wake: Callable[[], None] | None = None, *, after: int = 0) -> Reader:
        """Return a reader of a log that holds the body and is closed."""
        assert not after, "what was read before is not numbered here"
        log = Stream(self.dialect)
        log.append(self.body)
        log.close()
        return log.reader(wake)

    def retain(self, room: Callable[[int], bool], *, alone: bool = True) -> Keeper | None:
        """Do nothing: a body is there for as long as this is."""
        return None


class Reader:
    """One who follows a stream.

    Attributes:
        position: Number of the next frame to read.
    """

    __slots__ = ("_stream", "_wake", "position")

    wants: bool = True
    """Whether the answer is made for it."""

    def __init__(self, stream: Stream, position: int, wake: Callable[[], None] | None) -> None:
        self._stream = stream
        self._wake = wake
        self.position = position

    @property
    def ended(self) -> bool:
        """Whether the stream has ended and all is taken."""
        stream = self._stream
        return stream.closed and self.position == stream.frames_total and not stream.halted

    @property
    def has_new(self) -> bool:
        """Whether there is something to take now."""
        stream = self._stream
        return self.position != stream.frames_total and not stream.halted

    def take(self) -> list[Frame]:
        """Return all frames there are after the cursor and move it; empty when there is nothing new."""
        stream = self._stream
        if stream.halted:
            return []
        frames = stream._frames
        if len(stream._readers) == 1 and self.position == stream._first:
            # Alone, as nearly every reader is: nothing it takes is held for another.
            stream._frames = []
            stream._unread = 0
            self.position = stream._first = stream.frames_total
            if stream._paused:
                stream._go_on()
            return frames
        oldest = self.position == stream._first
        frames = frames[self.position - stream._first :]
        if frames:
            self.position += len(frames)
            if oldest:
                stream._release()
        return frames

    async def wait(self) -> bool:
        """Wait for something to take; False when the stream has ended and all is taken."""
        stream = self._stream
        while stream.halted or self.position == stream.frames_total:
            if self.ended:
                return False
            await stream._wait()
        return True

    def leave(self) -> None:
        """Follow no longer; the last one to leave before the end ends the call that produces the answer."""
        stream = self._stream
        if self not in stream._readers:
            return
        stream._readers.remove(self)
        if self._wake is not None:
            # A new list: the stream may be going through the old one.
            stream._wakes = [wake for wake in stream._wakes if wake != self._wake]
            # Whoever is woken holds the reader, too.
            self._wake = None
        stream._release()
        if self.wants and not stream.closed:
            stream.end_if_unwanted()


class _Tap:
    """One who sees every frame go by."""

    __slots__ = ("_seen", "_stream", "_take")

    def __init__(self, stream: Stream, take: Callable[[Frame], None]) -> None:
        self._stream = stream
        self._take = take
        self._seen = stream._first

    def look(self) -> None:
        """Take what has come; being the first to be called, it is all still there."""
        stream = self._stream
        fresh = stream.frames_total - self._seen
        if fresh:
            self._seen = stream.frames_total
            for frame in stream._frames[-fresh:]:
                self._take(frame)


class Keeper(Reader):
    """Holds a stream by never moving on from its first frame, as long as there is room for all of it."""

    __slots__ = ("_room", "_weighed", "_weight_bytes", "wants")

    def __init__(self, stream: Stream, room: Callable[[int], bool], *, wants: bool) -> None:
        super().__init__(stream, 0, self.keep)
        self.wants = wants
        self._room = room
        self._weighed = 0
        self._weight_bytes = 0

    def keep(self) -> None:
        """Ask for room for what has come; at the end drop what leads to the producer, which the log may outlive."""
        stream = self._stream
        self._weight_bytes += sum(map(_weight_bytes, stream._frames[self._weighed :]))
        self._weighed = len(stream._frames)
        if not self._room(self._weight_bytes):
            stream._high_water_bytes = HIGH_WATER_BYTES
            self.leave()
        elif stream.closed:
            stream.cancel = stream._pause = stream._resume = _nothing


async def drain(answer: Stream) -> None:
    """Read an answer to its end, and keep nothing of it; whoever is cancelled before that leaves it.

    Raises:
        NarthexError: It broke before its end.
    """
    reader = answer.reader()
    try:
        while await reader.wait():
            reader.take()
    finally:
        reader.leave()
    if answer.error is not None:
        raise answer.error


def _weight_bytes(frame: Frame) -> int:
    """Return the memory that a frame takes up, as far as it matters."""
    if isinstance(frame, bytes):
        return FRAME_BYTES + len(frame)
    return EVENT_BYTES + len(_encode(frame))
