"""A stream held to a pace: so many tokens or bytes a second, in pieces of a size.

What is paced is a stream of its own that follows another, so that whoever reads notices nothing but the time. It takes
from the other only what it is about to pass on: a provider that is faster is held back by the other's bound. Events are
passed on whole and unchanged, one after the other or several at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol, cast

from narthex.errors import Cancelled
from narthex.streams.stream import Frame, Reader, Stream
from narthex.types.dialects import Dialect
from narthex.types.events import Event
from narthex.wire.sse import split_events

BURST_S: Final = 0.1
"""What may be passed on at once, in seconds of the rate; waking late by less loses nothing."""
LEAST_WAIT_S: Final = 0.005
"""No timer is shorter: what falls due within it goes out together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a stream is delivered, and in what pieces; None for each that does not matter."""

    tokens_per_s: float | None = None
    """Tokens a second, estimated: an event counts as one."""
    bytes_per_s: float | None = None
    """Bytes of events a second."""
    min_chunk_bytes: int | None = None
    """Events are gathered until they are as large as this, in bytes …"""
    flush_s: float | None = None
    """… or until the first of them has waited so long, in seconds; None for as long as that takes."""


class Handle(Protocol):
    """Something that will be called."""

    def cancel(self) -> None:
        """Call it no more."""
        ...


class Timers(Protocol):
    """The part of an event loop that pacing needs."""

    def time(self) -> float:
        """Return the time in seconds."""
        ...

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Handle:
        """Call back in `delay` seconds."""
        ...

    def call_soon(self, callback: Callable[[], object], /) -> Handle:
        """Call back in the next turn."""
        ...


class Bucket:
    """An allowance that fills at a rate and is spent by what passes.

    Whatever is asked when, no more has been spent after `t` seconds than `rate * t` and what it held at first.
    """

    __slots__ = ("_at", "_burst", "_held", "_rate")

    def __init__(self, rate: float, now: float) -> None:
        """Begin with a tenth of a second's allowance, at least one.

        Args:
            rate: Filled in per second.
            now: The time in seconds.
        """
        self._rate = rate
        self._burst = self._held = max(1.0, rate * BURST_S)
        self._at = now

    def wait_s(self, cost: float, now: float) -> float:
        """Return the seconds until `cost` can be spent; what is asked for next may be saved up for."""
        most = max(self._burst, cost)
        self._held = min(most, self._held + max(0.0, now - self._at) * self._rate)
        self._at = now
        return max(0.0, cost - self._held) / self._rate

    def spend(self, cost: float) -> None:
        """Spend what is there, as `wait_s` has said."""
        self._held -= cost


def paced(
    source: Stream,
    pace: Pace,
    *,
    dialect: Dialect,
    encode: Callable[[Event], bytes] | None = None,
    after: int = 0,
    timers: Timers | None = None,
) -> Stream:
    """Return a stream that follows `source` from where it is held on, at a pace.

    Args:
        source: What is followed. It is read by one more; if that was its last reader, leaving the paced stream ends the
            call that produces it. Why it cannot be read any more, such as `ReaderDropped`, is raised to who reads.
        pace: How fast.
        dialect: Of what is passed on.
        encode: Writes an event in that dialect; None if the source's frames are in it already.
        after: Frames of the source that the reader has already; only a `Log` can go by that.
        timers: By default the running loop.
    """
    return _Pacer(source, pace, dialect=dialect, encode=encode, after=after, timers=timers).stream


class _Paced(Stream):
    """What is passed on; `fault` is what its readers meet in place of an end."""

    fault: Exception | None = None

    def reader(self, wake: Callable[[], None] | None = None, *, after: int = 0) -> Reader:
        """Return a new reader; see `Stream.reader`."""
        assert not after, "what was read before is not numbered here"
        reader = _PacedReader(self, self._first, wake)
        if wake is not None:
            self._wakes.append(wake)
        self._readers.append(reader)
        return reader

    def break_off(self, fault: Exception) -> None:
        """Have whoever reads meet a fault."""
        self.fault = fault
        self._wake_all()


class _PacedReader(Reader):
    """One who reads it."""

    __slots__ = ()

    def take(self) -> list[Frame]:
        """Return what there is; see `Reader.take`. Raises the fault, if there is one."""
        fault = cast("_Paced", self._stream).fault
        if fault is not None:
            raise fault
        return super().take()


class _Pacer:
    """The producer of such a stream."""

    def __init__(
        self,
        source: Stream,
        pace: Pace,
        *,
        dialect: Dialect,
        encode: Callable[[Event], bytes] | None,
        after: int,
        timers: Timers | None,
    ) -> None:
        self._timers = timers = timers or cast("Timers", asyncio.get_running_loop())
        self._source, self._encode = source, encode
        now = timers.time()
        self._tokens = None if pace.tokens_per_s is None else Bucket(pace.tokens_per_s, now)
        self._bytes = None if pace.bytes_per_s is None else Bucket(pace.bytes_per_s, now)
        self._min_chunk_bytes = pace.min_chunk_bytes
        self._flush_s = pace.flush_s
        self._waiting: deque[bytes] = deque()
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._flush_at: float | None = None
        self._timer: Handle | None = None
        self._held = self._passing = False
        self.stream = _Paced(dialect)
        self.stream.tells_error = source.tells_error
        # Held as soon as one piece is not taken: what is allowed meanwhile must not add up to a burst.
        self.stream.throttle(self._hold, self._go_on, high_water_bytes=0)
        self.stream.cancel = self._leave
        self.stream.on_close(self._closed)
        self._reader = source.reader(self._pass, after=after)
        self._pass()

    def _hold(self) -> None:
        self._held = True

    def _go_on(self) -> None:
        self._held = False
        if not self._passing:
            # Not at once: whoever reads here is just taking what came before.
            self._wake_in(0.0)

    def _leave(self) -> None:
        self.stream.close(Cancelled())

    def _closed(self, _stream: Stream) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._reader.leave()

    def _pass(self) -> None:
        """Pass on what may be passed on by now, and come back when there is more."""
        if self._held or self._passing or self._source.halted or self.stream.closed or self.stream.fault is not None:
            return
        self._passing = True
        try:
            self._pass_on()
        except Exception as error:  # noqa: BLE001 - it belongs to whoever reads, not to the producer
            self._closed(self.stream)
            self.stream.break_off(error)
        finally:
            self._passing = False

    def _pass_on(self) -> None:
        now = self._timers.time()
        wait_s = self._gather(now)
        if wait_s is None and self._reader.ended:
            last = b"".join(self._gathered)
            self._gathered = []
            self.stream.close(self._source.error, last=last or None)
            return
        if self._gathered and self._is_due(now):
            self._flush()
        if self._held:
            return
        if self._flush_at is not None:
            flush_s = max(0.0, self._flush_at - now)
            wait_s = flush_s if wait_s is None else min(wait_s, flush_s)
        if wait_s is not None:
            self._wake_in(max(wait_s, LEAST_WAIT_S))

    def _gather(self, now: float) -> float | None:
        """Gather the events that may go by now; return the seconds until the next may, None if there is none."""
        while event := self._next():
            wait_s = self._wait_s(event, now)
            if wait_s > 0:
                return wait_s
            self._waiting.popleft()
            if not self._gathered and self._flush_s is not None:
                self._flush_at = now + self._flush_s
            self._gathered.append(event)
            self._gathered_bytes += len(event)
        return None

    def _next(self) -> bytes | None:
        """Return the next event, which stays where it is."""
        waiting = self._waiting
        while not waiting:
            frames = self._reader.take()
            if not frames:
                return None
            self.stream.events_total = self._source.events_total
            waiting.extend(self._events(frames))
        return waiting[0]

    def _events(self, frames: list[Frame]) -> Iterator[bytes]:
        for frame in frames:
            data = frame if isinstance(frame, bytes) else self._encoded(frame)
            yield from split_events(data)

    def _encoded(self, event: Event) -> bytes:
        assert self._encode is not None, "events need one who writes them"
        return self._encode(event)

    def _wait_s(self, event: bytes, now: float) -> float:
        """Spend what an event costs, and return 0; or else return the seconds until that can be spent."""
        # A comment is none of the answer's.
        cost_tokens = 0 if event.startswith(b":") else 1
        wait_s = 0.0 if self._tokens is None else self._tokens.wait_s(cost_tokens, now)
        if self._bytes is not None:
            wait_s = max(wait_s, self._bytes.wait_s(len(event), now))
        if wait_s > 0:
            return wait_s
        if self._tokens is not None:
            self._tokens.spend(cost_tokens)
        if self._bytes is not None:
            self._bytes.spend(len(event))
        return 0.0

    def _is_due(self, now: float) -> bool:
        if self._flush_at is not None and now >= self._flush_at:
            return True
        if self._min_chunk_bytes is None:
            return self._flush_s is None
        return self._gathered_bytes >= self._min_chunk_bytes

    def _flush(self) -> None:
        data = b"".join(self._gathered)
        self._gathered, self._gathered_bytes, self._flush_at = [], 0, None
        self.stream.append(data)

    def _wake_in(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        timers = self._timers
        self._timer = timers.call_later(delay_s, self._pass) if delay_s else timers.call_soon(self._pass)
