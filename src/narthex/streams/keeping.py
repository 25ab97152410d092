"""Write an answer into a log: event by event, in the caller's dialect, each with its number.

https://html.spec.whatwg.org/multipage/server-sent-events.html says what an event is, and what its `id` is for.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Final, cast

from narthex.errors import Cancelled, InternalError, NarthexError
from narthex.streams.log import Log
from narthex.streams.stream import SeamMark, Stream
from narthex.types.events import Event
from narthex.wire.sse import split_events

RETRY_MS: Final = 3_000
"""How long a browser waits before it comes back."""
_ID_LINE: Final = re.compile(rb"(?:^|(?<=\r))id(?::[^\r\n]*)?(?:\r\n|\n|\r)", re.MULTILINE)
_COMMENTS: Final = re.compile(rb"(?::[^\r\n]*[\r\n]+)+")


def numbered(name: bytes, number: int, event: bytes) -> bytes:
    """Return an event with its number under the stream's name."""
    retry = b"retry: %d\n" % RETRY_MS if number == 1 else b""
    return b"%bid: %b:%d\n%b" % (retry, name, number, event)


def write_events(log: Log, name: bytes, frames: bytes) -> None:
    """Append the events in whole frames to a log, each with its number under the stream's name."""
    for event in _events(frames):
        log.append(numbered(name, log.last_number + 1, event))


def end_with(log: Log, name: bytes, frames: bytes, error: NarthexError | None) -> None:
    """Append the events in whole frames, the last one together with the end: nobody is told of it who reads on."""
    events = list(_events(frames))
    for event in events[:-1]:
        log.append(numbered(name, log.last_number + 1, event))
    log.close(error, last=numbered(name, log.last_number + 1, events[-1]) if events else None)


def _events(frames: bytes) -> Iterator[bytes]:
    for frame in split_events(frames):
        # Half of a line end that was cut in two would end the event before it begins.
        event = frame.lstrip(b"\r\n")
        if not event or (event.startswith(b":") and _COMMENTS.fullmatch(event)):
            # A comment of a provider's with a number would be an event without data, which OpenAI's SDK breaks at.
            continue
        if b"\nid" in event or event.startswith(b"id") or b"\rid" in event:
            # A provider's own: the last one in an event would count.
            event = _ID_LINE.sub(b"", event)
        yield event


class Keeping:
    """The producer of a log: a reader of the answer as it comes."""

    def __init__(
        self,
        source: Stream,
        log: Log,
        *,
        name: str,
        encode: Callable[[Event], bytes] | None,
        last_words: Callable[[NarthexError], bytes],
    ) -> None:
        """Begin to write what there is, and go on as it comes.

        Args:
            source: The answer.
            log: Where it is kept.
            name: Of the stream, for the `id` of each event.
            encode: Writes an event in the caller's dialect; None if the answer's frames are in it already.
            last_words: Returns the frames that tell why an answer is not whole.
        """
        self._source = source
        self._log = log
        self._name = name.encode()
        self._encode = encode
        self._last_words = last_words
        self._held = False
        log.throttle(self._pause, self._resume)
        log.cancel, log.stop = self.abandon, self.stop
        self._reader = source.reader(self._pass)
        self._pass()

    def abandon(self) -> None:
        """End the call that produces the answer: nobody reads it any more."""
        self.stop(Cancelled())

    def stop(self, error: NarthexError) -> None:
        """End the call that produces the answer, and the log with `error`."""
        self._reader.leave()
        self._end(error)

    def _pass(self) -> None:
        log, source = self._log, self._source
        if self._held or log.closed:
            return
        frames = self._reader.take()
        ended = self._reader.ended
        try:
            last = self._write(frames, ended=ended)
        except Exception as error:  # noqa: BLE001 - it belongs to those who read, not to the producer
            self.stop(InternalError(f"the answer could not be written: {type(error).__name__}"))
            return
        self._count()
        if ended:
            self._end(source.error, last)

    def _write(self, frames: list[bytes | Event], *, ended: bool) -> bytes:
        """Write frames into the log; at the end all but the last, which is returned."""
        encode, marks = self._encode, self._source.seam_marks
        first = self._reader.position - len(frames)
        for place, frame in enumerate(frames, first):
            if marks:
                self._mark(marks, place)
            data = cast("bytes", frame) if encode is None else encode(cast("Event", frame))
            if ended and place == self._reader.position - 1:
                return data
            write_events(self._log, self._name, data)
        return b""

    def _mark(self, marks: tuple[SeamMark, ...], place: int) -> None:
        """Take over that the answer goes on here after a break."""
        log = self._log
        log.seams += tuple((log.last_number + 1, mark) for mark in marks if mark.frame == place)

    def _end(self, error: NarthexError | None, last: bytes = b"") -> None:
        log = self._log
        if log.closed:
            return
        # Also what is not taken yet was written, and is billed.
        self._count()
        if error is not None:
            last += self._last_words(error)
        end_with(log, self._name, last, error)

    def _count(self) -> None:
        source = self._source
        self._log.events_total = source.events_total if source.dialect is not None else source.frames_total

    def _pause(self) -> None:
        self._held = True

    def _resume(self) -> None:
        self._held = False
        # Not at once: whoever reads there is just taking what came before.
        asyncio.get_running_loop().call_soon(self._pass)
