"""Play a recording into a log, at its own pace or another, byte by byte the stream that it was."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import BinaryIO, Final

from narthex.errors import Cancelled, NarthexError, TruncatedAnswer
from narthex.streams.log import Log
from narthex.streams.recording import EventLine, RecordingReader
from narthex.streams.tempo import Tempo

_BATCH: Final = 256
"""Events that are read from the file at once."""
_MAX_LINE_BYTES: Final = 67_108_864
_ID: Final = re.compile(rb"\A((?:retry: \d+\n)?id: )[^\n:]*(:\d+\n)")

logger = logging.getLogger(__name__)

LastWords = Callable[[NarthexError], bytes]
"""Returns the frames that tell why an answer is not whole."""


def renamed(event: bytes, name: bytes) -> bytes:
    """Return an event as that of another stream: all of it but the stream's name in its `id` stays as it was."""
    return _ID.sub(rb"\g<1>" + name + rb"\2", event, count=1)


def reading(file: BinaryIO) -> RecordingReader:
    """Begin to read a recording; its file is closed when all is read, or by `close()`.

    Raises:
        BrokenRecording: It is none.
        OSError: It cannot be read.
    """
    return RecordingReader(_lines(file))


def _lines(file: BinaryIO) -> Iterator[bytes]:
    with file:
        yield from iter(partial(file.readline, _MAX_LINE_BYTES), b"")


class Playing:
    """The producer of a log: a recording."""

    def __init__(self, log: Log, recording: RecordingReader, *, name: str, tempo: Tempo, last_words: LastWords) -> None:
        """Make ready; `run()` plays.

        Args:
            log: Where it is played.
            recording: Opened, and not read.
            name: Of the log's stream.
            tempo: Of the events.
            last_words: Returns the frames that tell an error.
        """
        self._log = log
        self._recording = recording
        self._name = name.encode()
        self._tempo = tempo
        self._last_words = last_words
        self._go_on = asyncio.Event()
        self._go_on.set()
        log.stands_still = True
        log.throttle(self._go_on.clear, self._go_on.set)
        log.cancel, log.stop = self._leave, self.end

    async def run(self, after: int, ended: Callable[[RecordingReader], NarthexError | None]) -> None:
        """Play all events behind the one with this number.

        Args:
            after: Number of the event.
            ended: Told of the recording once all of it is read; returns why the stream it was is not whole.
        """
        try:
            await self._play(after)
        except OSError as error:
            logger.warning("a recording cannot be read on: %s", error)
            self.end(TruncatedAnswer("this recording cannot be read on", provider="recording"))
        else:
            # What the stream ended in is its last event already.
            self.end(ended(self._recording), is_told=self._recording.whole)
        finally:
            self._leave()
            self._recording.close()

    def end(self, error: NarthexError | None, *, is_told: bool = False) -> None:
        """End the log; with an error that is told as its last event, unless it is there."""
        if error is not None and not is_told and not self._log.closed:
            number = self._log.last_number + 1
            self._log.append(b"id: %b:%d\n%b" % (self._name, number, self._last_words(error)))
        self._log.close(error)

    async def _play(self, after: int) -> None:
        events = iter(self._recording)
        # Where its beginning was forgotten, it begins with what is there, and not with waiting for that.
        from_ms: int | None = 0 if self._recording.head.first_seq == 1 else None
        while batch := await asyncio.to_thread(self._next, events):
            for line in batch:
                if line.seq <= after:
                    from_ms = line.t_ms
                    continue
                if line.seq == after + 1:
                    self._tempo.begin(line.t_ms if from_ms is None else from_ms)
                await self._tell(line)

    async def _tell(self, line: EventLine) -> None:
        if not self._go_on.is_set():
            await self._tempo.stand(self._go_on.wait)
        await self._tempo.until(line.t_ms)
        if not self._go_on.is_set():
            await self._tempo.stand(self._go_on.wait)
        self._log.append(renamed(line.event, self._name))

    def _leave(self) -> None:
        self.end(Cancelled())

    @staticmethod
    def _next(events: Iterator[EventLine]) -> list[EventLine]:
        return list(islice(events, _BATCH))
