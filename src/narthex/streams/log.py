"""An answer that is kept: a stream whose frames are numbered events, held for readers that come and go.

A reader begins behind any number that is still held, and every reader gets the same bytes. What is held is bounded: the
oldest events are forgotten first. Nobody who reads slowly slows another: a reader that falls too far behind is dropped,
and may come back with the number of the last event that it has.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final, cast

from narthex.errors import CursorAhead, EventsForgotten, NarthexError
from narthex.streams.stream import FRAME_BYTES, HIGH_WATER_BYTES, LOW_WATER_BYTES, Frame, Reader, SeamMark, Stream
from narthex.types.dialects import Dialect

_FORGET_TO: Final = 7 / 8
"""Share of the bound that is left when events are forgotten: not one by one with each that comes."""
_LOOK_BYTES: Final = 16_384
"""How much comes between two looks at who is behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogBounds:
    """What one log may hold."""

    max_bytes: int = 4_194_304
    """Bytes of events; the oldest beyond them are forgotten."""
    reader_lag_bytes: int = 1_048_576
    """How far a reader may fall behind."""


def _nothing() -> None:
    return


class ReaderDropped(Exception):
    """This reader fell too far behind; it may come back with the number of its last event."""


class Log(Stream):
    """The kept answer to one exchange; its frames are single events, numbered from 1."""

    tells_error = True
    detached: bool = False
    """Whether the answer is written to its end if nobody reads it."""
    stop: Callable[[NarthexError], object] | None = None
    """Ends the call that produces the answer, and the log with this error; None before it has begun, and at the end."""

    on_event: Callable[[int, int, bytes], object] | None = None
    """Told of each event: its number, its milliseconds and itself. It is no reader, neither holds nor is held."""
    seams: tuple[tuple[int, SeamMark], ...] = ()
    """Numbers of the first events of what another attempt added after the answer had broken, and what that was."""
    stands_still: bool = False
    """Whether a pause of delivery stops the producer at once, and not only when much waits."""

    _looked_at = 0
    _halted_at = 0

    def __init__(
        self,
        dialect: Dialect | None,
        bounds: LogBounds | None = None,
        *,
        weigh: Callable[[int], object] = lambda _bytes: None,
        clock: Callable[[], float] = monotonic,
        first_number: int = 1,
    ) -> None:
        """Open a log.

        Args:
            dialect: Of the events.
            bounds: What may be held.
            weigh: Told how many bytes of memory are taken up more, or fewer.
            clock: Says the seconds.
            first_number: Of its first event; above 1 if those before are known to be forgotten.
        """
        super().__init__(dialect)
        self.bounds = bounds or LogBounds()
        self._weigh = weigh
        self._clock = clock
        self.opened_at = clock()
        """When it was opened, in seconds of its clock."""
        self._first = self.frames_total = first_number - 1
        self._ends = array("Q")
        self._times_ms = array("I")

    @property
    def first_number(self) -> int:
        """Number of the oldest event that is held, or of the next one."""
        return self._first + 1

    @property
    def last_number(self) -> int:
        """Number of the newest event; 0 before the first."""
        return self.frames_total

    @property
    def given_number(self) -> int:
        """Number of the newest event that readers are given; below the last one while delivery is paused."""
        if not self.halted:
            return self.frames_total
        return self._first + bisect_right(self._ends, self._halted_at)

    @property
    def held_bytes(self) -> int:
        """Memory that the events take up, in bytes."""
        return self._unread + FRAME_BYTES * len(self._frames)

    @property
    def readers(self) -> int:
        """How many follow it."""
        return len(self._readers)

    @property
    def times_ms(self) -> array[int]:
        """When each event came that is held, in milliseconds since the log was opened."""
        return self._times_ms

    def time_of(self, number: int) -> int | None:
        """Return when an event came, in milliseconds since the log was opened; None if it is not held."""
        place = number - self.first_number
        return self._times_ms[place] if 0 <= place < len(self._times_ms) else None

    def reader(self, wake: Callable[[], None] | None = None, *, after: int = 0) -> LogReader:
        """Return a new reader behind the event with the number `after`; see `Stream.reader`.

        Raises:
            CursorAhead: There is no such event yet.
            EventsForgotten: The next event is no longer held.
        """
        self.check(after)
        reader = LogReader(self, after, wake)
        if wake is not None:
            self._wakes.append(wake)
        self._readers.append(reader)
        return reader

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` with every event that readers are given, and at the end; whoever watches is no reader.

        Returns:
            What ends that.
        """
        self._wakes.append(wake)

        def end() -> None:
            self._wakes = [other for other in self._wakes if other is not wake]

        return end

    def check(self, after: int) -> None:
        """Make sure that what comes behind this event can be read.

        Raises:
            CursorAhead: There is no such event yet.
            EventsForgotten: The next event is no longer held.
        """
        if after > self.frames_total:
            raise CursorAhead(f"event {after} is not there: the last one is {self.frames_total}", param="after")
        if after < self._first:
            raise EventsForgotten(
                f"the events up to {self._first} are no longer held: begin after {self._first}",
                param="after",
            )

    def append(self, frame: Frame) -> None:
        """Add an event at the end and wake the readers; after the close nothing is added."""
        if self.closed:
            return
        if self.bytes_total - self._looked_at > _LOOK_BYTES:
            # Before it is added: nobody is behind for an event that there was no time to take, however large it is.
            self._look()
        self._add(frame)
        if not self.halted:
            self._wake_all()

    def pause_delivery(self) -> None:
        """Give readers nothing from now on; the producer goes on until as much waits as may."""
        self._halted_at = self.bytes_total
        super().pause_delivery()
        if self.stands_still and not self._paused:
            self._paused = True
            self._pause()

    def resume_delivery(self) -> None:
        """Give readers what has come meanwhile, and what comes."""
        super().resume_delivery()
        self._perhaps_go_on()

    def close(self, error: NarthexError | None = None, *, last: Frame | None = None) -> None:
        """End the log; see `Stream.close`."""
        super().close(error, last=last)
        # They hold the producer, which the log may outlive by far.
        self.stop = None
        self.throttle(_nothing, _nothing)

    def bytes_of_last(self, count: int) -> int:
        """Return the bytes of the newest events."""
        return sum(map(len, cast("list[bytes]", self._frames[-count:])))

    def _add(self, frame: Frame) -> None:
        assert isinstance(frame, bytes), "a log holds events that are written"
        super()._add(frame)
        self._ends.append(self.bytes_total)
        time_ms = int((self._clock() - self.opened_at) * 1_000)
        self._times_ms.append(time_ms)
        if self.on_event is not None:
            self.on_event(self.frames_total, time_ms, frame)
        self._weigh(FRAME_BYTES + len(frame))
        if self._unread > self.bounds.max_bytes:
            self._forget()

    def _forget(self) -> None:
        """Forget the oldest events, down to a little under the bound; the newest stays."""
        floor = self.bytes_total - int(self.bounds.max_bytes * _FORGET_TO)
        count = min(bisect_right(self._ends, floor), len(self._frames) - 1)
        if count <= 0:
            return
        size = sum(map(len, cast("list[bytes]", self._frames[:count])))
        del self._frames[:count], self._ends[:count], self._times_ms[:count]
        self._first += count
        self._unread -= size
        self._weigh(-size - count * FRAME_BYTES)
        for reader in [one for one in self._readers if one.position < self._first]:
            cast("LogReader", reader).drop()

    def _look(self) -> None:
        """Drop readers that are too far behind, and hold the producer where all are, if it is to heed them."""
        self._looked_at = self.bytes_total
        lags = [(self._bytes_after(reader.position), reader) for reader in self._readers]
        nearest = min((lag for lag, _ in lags), default=0)
        for lag, reader in lags:
            if lag > self.bounds.reader_lag_bytes and (self.detached or lag > nearest) and not self.halted:
                cast("LogReader", reader).drop()
        if not self._paused and self._behind(nearest) > min(HIGH_WATER_BYTES, self.bounds.max_bytes // 2):
            self._paused = True
            self._pause()

    def _behind(self, nearest: int) -> int:
        """Return how many bytes the producer is ahead, as far as it is to heed that."""
        if self.halted:
            return self.bytes_total - self._halted_at
        return 0 if self.detached else nearest

    def _bytes_after(self, position: int) -> int:
        if position <= self._first:
            return self._unread
        return self.bytes_total - self._ends[position - 1 - self._first]

    def _perhaps_go_on(self) -> None:
        if not self._paused or self.halted:
            return
        nearest = min((self._bytes_after(reader.position) for reader in self._readers), default=0)
        if self._behind(nearest) < LOW_WATER_BYTES:
            self._go_on()

    def _deserted(self) -> None:
        if not self.detached:
            self.cancel()

    def _release(self) -> None:
        """Forget nothing: others may come."""
        self._perhaps_go_on()


def events_behind(log: Log, after: int, limit_bytes: int) -> tuple[int, list[bytes]]:
    """Return the number of the oldest event that is held behind `after`, and the events from it on, up to a size.

    Args:
        log: Whose events.
        after: Number of an event, held or not.
        limit_bytes: At which no further event is added.
    """
    start = max(0, after - log._first)
    found: list[bytes] = []
    size = 0
    for index in range(start, len(log._frames)):
        if size >= limit_bytes:
            break
        event = cast("bytes", log._frames[index])
        size += len(event)
        found.append(event)
    return log._first + start + 1, found


class LogReader(Reader):
    """One who follows a log.

    Attributes:
        dropped: Whether it fell too far behind.
    """

    __slots__ = ("dropped",)

    def __init__(self, log: Log, position: int, wake: Callable[[], None] | None) -> None:
        super().__init__(log, position, wake)
        self.dropped = False

    def take(self) -> list[Frame]:
        """Return all events there are after the cursor and move it; empty when there is nothing new.

        Raises:
            ReaderDropped: It fell too far behind.
        """
        if self.dropped:
            raise ReaderDropped
        log = cast("Log", self._stream)
        if log.halted:
            return []
        events = log._frames[self.position - log._first :]
        self.position = log.frames_total
        if log._paused:
            log._perhaps_go_on()
        return events

    async def wait(self) -> bool:
        """Wait for something to take; False when the log has ended and all is taken.

        Raises:
            ReaderDropped: It fell too far behind.
        """
        stream = self._stream
        while not self.dropped and (stream.halted or self.position == stream.frames_total):
            if self.ended:
                return False
            await stream._wait()
        if self.dropped:
            raise ReaderDropped
        return True

    def drop(self) -> None:
        """Follow no longer, because it is too far behind; the call goes on."""
        log, wake = cast("Log", self._stream), self._wake
        self.dropped = True
        if self in log._readers:
            log._readers.remove(self)
        if wake is not None:
            log._wakes = [other for other in log._wakes if other != wake]
            wake()
        log._wake_waiters()
        # It may have been the one that the producer waited for.
        log._perhaps_go_on()
