"""Write an answer into a log: event by event, in the caller's dialect, each with its number.

https://html.spec.whatwg.org/multipage/server-sent-events.html says what an event is, and what its `id` is for.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final, cast

from narthex.errors import Cancelled, InternalError, NarthexError
from narthex.streams.log import Log
from narthex.streams.stream import SeamMark, Stream
from narthex.types.events import Event
from narthex.wire.sse import split_events

RETRY_MS: Final = 3_000
"""How long a browser waits before it comes back."""
_ID_LINE: Final = re.compile(rb"^id(?::[^\r\n]*)?(?:\r\n|\n|\r)", re.MULTILINE)


def numbered(name: bytes, number: int, event: bytes) -> bytes:
    """Return an event with its number under the stream's name."""
    retry = b"retry: %d\n" % RETRY_MS if number == 1 else b""
    return b"%bid: %b:%d\n%b" % (retry, name, number, event)


def write_events(log: Log, name: bytes, frames: bytes) -> None:
    """Append the events in whole frames to a log, each with its number under the stream's name."""
    for frame in split_events(frames):
        # Half of a line end that was cut in two would end the event before it begins.
        event = frame.lstrip(b"\r\n")
        if not event:
            continue
        if b"\nid" in event or event.startswith(b"id"):
            # A provider's own: the last one in an event would count.
            event = _ID_LINE.sub(b"", event)
        log.append(numbered(name, log.last_number + 1, event))


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
        try:
            self._write(frames)
        except Exception as error:  # noqa: BLE001 - it belongs to those who read, not to the producer
            self.stop(InternalError(f"the answer could not be written: {type(error).__name__}"))
            return
        log.events_total = source.events_total if source.dialect is not None else source.frames_total
        if self._reader.ended:
            self._end(source.error)

    def _write(self, frames: list[bytes | Event]) -> None:
        encode, marks = self._encode, self._source.seam_marks
        first = self._reader.position - len(frames)
        for place, frame in enumerate(frames, first):
            if marks:
                self._mark(marks, place)
            self._tell(cast("bytes", frame) if encode is None else encode(cast("Event", frame)))

    def _mark(self, marks: tuple[SeamMark, ...], place: int) -> None:
        """Take over that the answer goes on here after a break."""
        log = self._log
        log.seams += tuple((log.last_number + 1, mark) for mark in marks if mark.frame == place)

    def _end(self, error: NarthexError | None) -> None:
        log = self._log
        if log.closed:
            return
        if error is not None:
            self._tell(self._last_words(error))
        log.close(error)

    def _tell(self, frames: bytes) -> None:
        write_events(self._log, self._name, frames)

    def _pause(self) -> None:
        self._held = True

    def _resume(self) -> None:
        self._held = False
        # Not at once: whoever reads there is just taking what came before.
        asyncio.get_running_loop().call_soon(self._pass)
