"""Where the reading of one kept stream stands, over as many connections as that takes. No I/O.

A loop around it asks for `request()`, tells what came of it, and waits for `delay_s()` where a connection was lost.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Final

import msgspec

from narthex.client.backoff import Backoff, Reconnect
from narthex.client.http1 import Head, HttpRequest
from narthex.client.reports import StreamReport, follow_request
from narthex.errors import (
    BrokenAnswer,
    ClientError,
    GatewayTimeout,
    GatewayUnreachable,
    NarthexError,
    StreamExists,
    StreamNotFound,
)

_END: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
_ID: Final = re.compile(rb"^id: ?([^\r\n:]*):([0-9]{1,15})\r?$", re.MULTILINE)
_RETRY: Final = re.compile(rb"^retry: ?([0-9]{1,9})\r?$", re.MULTILINE)
_LAST: Final = re.compile(
    rb'^(?:data: ?(?:\[DONE\]|\{"error")|event: ?(?:error|message_stop|response\.(?:completed|incomplete|failed)))',
    re.MULTILINE,
)
_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
_TRIES_TO_BEGIN: Final = 2
"""Before the gateway has said that it keeps the answer."""


class StreamFrame(msgspec.Struct, frozen=True):
    """One event of a stream, as it came."""

    seq: int
    """Its number in the stream, from 1."""
    data: bytes
    """All its lines, with the blank one at its end."""


class FrameCutter:
    """Cuts a stream into its events, whatever the pieces it arrives in; what has no end yet is held back."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the events that `data` completes."""
        looked_at = max(0, len(self._rest) - 3)
        rest = self._rest + data
        frames: list[bytes] = []
        start = 0
        for end in _END.finditer(rest, looked_at):
            if end.end() == len(rest) and rest.endswith(b"\r"):
                # Its LF may still be on the way.
                break
            frames.append(rest[start : end.end()])
            start = end.end()
        self._rest = rest[start:]
        return frames


class Following:
    """Decides what is asked next, and hands out each event once and in order.

    Attributes:
        id: Of the stream.
        last: Number of the last event handed out.
        over: Whether nothing more is to be read.
    """

    def __init__(
        self,
        name: str,
        call: HttpRequest | None,
        *,
        after: int = 0,
        reconnect: Reconnect | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Begin with a call, or with a stream that was begun elsewhere.

        Args:
            name: ID of the stream.
            call: What begins it; None if it was begun before.
            after: Number of the last event that the caller has.
            reconnect: How a lost connection is sought again.
            chance: Draws from 0 to 1, for waits that do not come all at once.
        """
        self.id = name
        self.last = after
        self.over = False
        self._call = call
        self._kept = call is None
        self._unsure = False
        self._backoff = Backoff(reconnect or Reconnect(), chance)
        self._trouble: NarthexError | None = None
        self._cutter = FrameCutter()
        self._told_end = False

    def request(self) -> HttpRequest:
        """Return what is asked now: the call, or the rest of its answer."""
        if self._call is not None and not self._kept and not self._unsure:
            return self._call
        return follow_request(self.id, self.last)

    def opened(self, head: Head) -> None:
        """Take note that an answer comes.

        Raises:
            BrokenAnswer: It is no stream of events.
        """
        if not head.headers.get("content-type", "").startswith("text/event-stream"):
            raise BrokenAnswer("what answered is no stream of events")
        self._kept = self._kept or head.headers.get("x-narthex-stream-id") == self.id
        self._unsure = False
        self._cutter = FrameCutter()

    def refused(self, error: NarthexError) -> None:
        """Take note of a refusal.

        Raises:
            NarthexError: This one, if asking again does not help.
        """
        if self._unsure and isinstance(error, StreamNotFound):
            # The call never arrived: it is sent again.
            self._unsure, self._trouble = False, error
        elif isinstance(error, StreamExists) and self._trouble is not None and not self._kept:
            self._kept = True
        elif error.status in _PASSING and (self._kept or self._unsure):
            self._backoff.base_s = max(self._backoff.base_s, error.retry_after_s or 0)
            self._trouble = error
        else:
            raise error

    def lost(self, error: ClientError) -> None:
        """Take note that the connection was not to be had, or broke.

        Raises:
            ClientError: This one, if there is nothing to come back to.
        """
        if not isinstance(error, GatewayUnreachable | GatewayTimeout | BrokenAnswer):
            raise error
        if self.last and not self._kept:
            raise error
        self._trouble = error
        self._unsure = not self._kept

    def missed(self, error: NarthexError) -> None:
        """Take note that the gateway could not be asked how the stream stands.

        Raises:
            NarthexError: This one, if asking again does not help.
        """
        if isinstance(error, ClientError):
            self.lost(error)
        else:
            self.refused(error)

    def delay_s(self) -> float:
        """Return how long to wait before the next connection, in seconds; 0 before the first.

        Raises:
            NarthexError: What went wrong, after so many tries that brought nothing.
        """
        trouble = self._trouble
        if trouble is None:
            return 0.0
        delay_s = self._backoff.next_s(attempts=None if self._kept else _TRIES_TO_BEGIN)
        if delay_s is None:
            raise trouble
        return delay_s

    def add(self, piece: bytes) -> list[StreamFrame]:
        """Take a piece of the body; return the events it completes that were not handed out before.

        Raises:
            BrokenAnswer: One is missing: the rest is to be asked for again.
        """
        fresh: list[StreamFrame] = []
        for data in self._cutter.feed(piece):
            try:
                frame = self._numbered(data)
            except BrokenAnswer:
                if fresh:
                    # These are handed out; what comes next is missing it as well.
                    break
                raise
            if frame is not None:
                fresh.append(frame)
                self.last = frame.seq
                self._backoff.reset()
                self._told_end = _LAST.search(frame.data) is not None
        return fresh

    def _numbered(self, data: bytes) -> StreamFrame | None:
        """Return an event with its number; None for one that is known, and for a mere sign of life."""
        told = _RETRY.search(data)
        if told is not None:
            self._backoff.base_s = int(told[1]) / 1_000
        found = _ID.search(data)
        if found is not None and found[1].decode("latin-1") == self.id:
            self._kept = True
            seq = int(found[2])
        elif self._kept or not data.strip().startswith((b"data", b"event")):
            return None
        else:
            seq = self.last + 1
        if seq > self.last + 1:
            raise BrokenAnswer(f"the stream went from event {self.last} to event {seq}")
        return StreamFrame(seq, data) if seq > self.last else None

    def ended(self) -> bool:
        """Take note that a connection came to its end; return whether the stream did.

        Raises:
            BrokenAnswer: It did not, and nothing is kept of it.
        """
        self.over = self._told_end
        if not self.over and not self._kept:
            raise BrokenAnswer("the stream was cut before the end of the answer")
        return self.over

    def settle(self, report: StreamReport) -> None:
        """Learn from the gateway whether that was all."""
        self.over = report.ended and report.last_seq <= self.last
        if not self.over:
            self._trouble = BrokenAnswer("the connection came to its end before the stream did")

    def leave(self) -> None:
        """Read nothing more."""
        self.over = True
