"""Recordings played as streams of their own: listed, paused, cancelled and read on like any other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import BinaryIO, Final

import msgspec

from narthex.client.failures import describe
from narthex.client.http1 import Head
from narthex.errors import CursorAhead, EventsForgotten, Failure, NarthexError, RecordingNotFound, TruncatedAnswer
from narthex.pipeline.contract import Spawn
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.owned import Owned
from narthex.pipeline.recorder import Recorder
from narthex.pipeline.registry import Registry
from narthex.pipeline.writing import error_frames
from narthex.streams.playing import Playing, reading
from narthex.streams.recording import RecordingReader
from narthex.streams.tempo import Sleep, Tempo
from narthex.tenancy.keys import Caller
from narthex.types.dialects import Dialect
from narthex.types.usage import Usage


class _ToldError(msgspec.Struct):
    code: str
    message: str


class _Ended(msgspec.Struct):
    """What is taken over from the report in a recording's last line."""

    error: _ToldError | None = None
    usage: Usage | None = None


_decode_ended = msgspec.json.Decoder(_Ended | None).decode
_NO_HEAD: Final = Head(status=200, headers={})


class Player:
    """Plays recordings."""

    def __init__(
        self,
        registry: Registry,
        recorder: Recorder,
        spawn: Spawn,
        *,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Take where streams are found, what records, and what keeps tasks."""
        self.registry = registry
        registry.answers = recorder.answers()
        self.recorder = recorder
        self._spawn = spawn
        self._sleep = sleep
        self._clock = clock

    async def play(self, caller: Caller, name: str, *, speed: float, after: int | None = None) -> Owned:
        """Begin to play a recording of this caller; return the stream, which nobody reads yet.

        Args:
            caller: Whose recording it is, and whose stream this will be.
            name: Of the recording.
            speed: How many times faster than it was; 0 for at once.
            after: Number of the event behind which it begins; by default from its first one on.

        Raises:
            RecordingNotFound: There is none, it is another's, or it cannot be read.
            EventsForgotten: Its first events were not recorded.
            CursorAhead: It has no such event.
        """
        file = await self.recorder.recordings.open(caller.owner, name)
        try:
            recording = await asyncio.to_thread(_opened, file)
            after = await self._begins_after(caller.owner, recording, after)
            exchange = _exchange(caller, recording)
            owned = self.registry.open(exchange, id=None, on_disconnect="cancel", first_number=after + 1)
        except BaseException:
            file.close()
            raise
        owned.replay_of, owned.began = name, True
        self._start(owned, exchange, recording, speed=speed, after=after)
        return owned

    def _start(self, owned: Owned, exchange: Exchange, recording: RecordingReader, *, speed: float, after: int) -> None:
        assert owned.log is not None
        playing = Playing(
            owned.log,
            recording,
            name=owned.id,
            tempo=Tempo(speed, sleep=self._sleep, clock=self._clock),
            last_words=lambda error: error_frames(exchange.dialect, error, owned.id),
        )
        work = self._spawn(playing.run(after, partial(_ended, exchange)))
        owned.begun(work)

        def closed(_log: object) -> None:
            if work is not asyncio.current_task():
                work.cancel()

        owned.log.on_close(closed)

    async def _begins_after(self, owner: str, recording: RecordingReader, after: int | None) -> int:
        """Return the number of the event behind which a recording is played.

        Raises:
            EventsForgotten: Its first events were not recorded.
            CursorAhead: It has no such event.
        """
        head = recording.head
        if after is None:
            return head.first_seq - 1
        last = (await self.recorder.recordings.report(owner, head.id)).last_seq
        if after > last:
            raise CursorAhead(f"event {after} is not there: the last one that was recorded is {last}", param="after")
        if after < head.first_seq - 1:
            raise EventsForgotten(f"the events up to {head.first_seq - 1} were not recorded", param="after")
        return after


def _opened(file: BinaryIO) -> RecordingReader:
    """Begin to read a recording.

    Raises:
        RecordingNotFound: This is none that can be read here.
    """
    try:
        recording = reading(file)
        Dialect(recording.head.dialect)
    except ValueError as error:
        raise RecordingNotFound(f"this recording cannot be read: {error}") from error
    return recording


def _exchange(caller: Caller, recording: RecordingReader) -> Exchange:
    """Return what stands for the call, as the stream has none of its own."""
    dialect = Dialect(recording.head.dialect)
    exchange = Exchange(dialect, b"", {}, caller=caller)
    exchange.streaming, exchange.model_asked = True, recording.head.model
    return exchange


def _ended(exchange: Exchange, recording: RecordingReader) -> NarthexError | None:
    """Take over what the stream consumed, and return why it is not whole, if it is not."""
    end = recording.end
    if end is None or not recording.whole:
        return TruncatedAnswer(
            f"this recording is not whole: {recording.fault}", provider="recording", failure=Failure.TRUNCATED
        )
    try:
        told = _decode_ended(end.report) or _Ended()
    except msgspec.DecodeError:
        # Written by another version: its events are all there.
        told = _Ended()
    exchange.usage = told.usage
    if told.error is None:
        return None
    return describe(told.error.code, told.error.message, _NO_HEAD)
