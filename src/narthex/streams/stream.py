"""One answer as an append-only log of numbered frames, between one producer and its readers.

The producer appends and closes; it never waits for a reader. Readers follow with a cursor each. What all readers have
passed is forgotten, and a producer that runs ahead of the slowest reader is paused: memory stays bounded either way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from narthex.errors import NarthexError
from narthex.types.dialects import Dialect
from narthex.types.events import Event

HIGH_WATER_BYTES = 262_144
"""Unread bytes at which the producer is paused."""
LOW_WATER_BYTES = 65_536
"""Unread bytes at which it reads on."""
EVENT_BYTES = 96
"""What an event in the inner vocabulary counts for."""

Frame = bytes | Event
"""Whole frames of the stream's dialect, one or several; or one event of the inner vocabulary."""


def _nothing() -> None:
    return


class Stream:
    """The answer to one exchange.

    Attributes:
        dialect: Of the frames; None if they are events of the inner vocabulary.
        whole: Whether the answer was not streamed: its single frame is the body, and it is closed from the start.
        closed: Whether the producer has ended; `error` then tells whether the answer is whole.
        error: Why the answer is not whole.
        bytes_total: Bytes appended so far.
        frames_total: Frames appended so far.
        events_total: Events in them, as far as the producer counts: roughly the tokens written.
    """

    __slots__ = (
        "_first",
        "_frames",
        "_on_close",
        "_pause",
        "_paused",
        "_readers",
        "_resume",
        "_unread",
        "_waiters",
        "bytes_total",
        "cancel",
        "closed",
        "dialect",
        "error",
        "events_total",
        "frames_total",
        "whole",
    )

    def __init__(self, dialect: Dialect | None) -> None:
        self.dialect = dialect
        self.whole = False
        self.closed = False
        self.error: NarthexError | None = None
        self.bytes_total = 0
        self.frames_total = 0
        self.events_total = 0
        self.cancel: Callable[[], object] = _nothing
        self._frames: list[Frame] = []
        self._first = 0
        self._unread = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._readers: list[Reader] = []
        self._on_close: Callable[[Stream], None] | None = None
        self._pause: Callable[[], None] = _nothing
        self._resume: Callable[[], None] = _nothing
        self._paused = False

    @classmethod
    def of(cls, body: bytes, dialect: Dialect) -> Stream:
        """Return a whole answer: one frame, closed from the start."""
        stream = cls(dialect)
        stream.whole = stream.closed = True
        stream.bytes_total = len(body)
        stream.frames_total = 1
        stream._frames.append(body)
        return stream

    @property
    def body(self) -> bytes:
        """The whole answer's only frame."""
        frame = self._frames[0]
        assert isinstance(frame, bytes)
        return frame

    def throttle(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Say how the producer is paused when readers fall behind, and how it goes on."""
        self._pause, self._resume = pause, resume

    def on_close(self, listener: Callable[[Stream], None]) -> None:
        """Have `listener` called once, when the producer has ended; at once if it has already."""
        if self.closed:
            listener(self)
        else:
            self._on_close = listener

    def append(self, frame: Frame) -> None:
        """Add a frame at the end and wake the readers; after the close nothing is added."""
        if self.closed:
            return
        size = len(frame) if isinstance(frame, bytes) else EVENT_BYTES
        self._frames.append(frame)
        self.frames_total += 1
        self.bytes_total += size
        self._unread += size
        if self._unread > HIGH_WATER_BYTES and not self._paused:
            self._paused = True
            self._pause()
        if self._waiters:
            self._wake()

    def close(self, error: NarthexError | None = None) -> None:
        """End the log; with `error` the answer is not whole. A second close changes nothing."""
        if self.closed:
            return
        self.closed = True
        self.error = error
        self._wake()
        listener, self._on_close = self._on_close, None
        if listener is not None:
            listener(self)

    def reader(self) -> Reader:
        """Return a new reader at the oldest frame that is still held."""
        reader = Reader(self, self._first)
        self._readers.append(reader)
        return reader

    async def opened(self) -> None:
        """Wait until there is a first frame or the producer has ended."""
        while not self.frames_total and not self.closed:
            await self._wait()

    async def _wait(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiters.append(future)
        await future

    def _wake(self) -> None:
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
            self._paused = False
            self._resume()


class Reader:
    """One who follows a stream.

    Attributes:
        position: Number of the next frame to read.
    """

    __slots__ = ("_stream", "position")

    def __init__(self, stream: Stream, position: int) -> None:
        self._stream = stream
        self.position = position

    def take(self) -> list[Frame]:
        """Return all frames there are after the cursor and move it; empty when there is nothing new."""
        stream = self._stream
        start = self.position - stream._first
        frames = stream._frames[start:]
        if frames:
            self.position += len(frames)
            stream._release()
        return frames

    async def wait(self) -> bool:
        """Wait for something to take; False when the stream has ended and all is taken."""
        stream = self._stream
        while self.position == stream._first + len(stream._frames):
            if stream.closed:
                return False
            await stream._wait()
        return True

    def leave(self) -> None:
        """Follow no longer."""
        if self in self._stream._readers:
            self._stream._readers.remove(self)
            self._stream._release()
