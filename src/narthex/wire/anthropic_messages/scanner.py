"""Watches a stream that passes through: its end, its usage, its model, its failure.

Only those frames are read that can be the beginning, the end or an error. What nearly every frame is, one more piece of
content, is known by how the provider begins it. Of the others a search for a few bytes tells: a type stands in the data
as a string, `"type" : "message_stop"`, which white space cannot come into, so `"message_` finds it unless a letter is
escaped, and escapes of letters are searched for too. Where the data is not JSON, `event: error` tells.
"""

from __future__ import annotations

import re

import msgspec

from narthex.types.usage import Usage
from narthex.wire.anthropic_messages.schema import EVENT_TYPES, StreamEvent
from narthex.wire.anthropic_messages.stream_events import MalformedEvent, failure_of, read_event
from narthex.wire.anthropic_messages.stream_progress import StreamProgress
from narthex.wire.contract import StreamFailed
from narthex.wire.sse import FrameSplitter, SseEvent, SseParser

_CONTENT = b'event: content_block_delta\ndata: {"type":"content_block_delta",'
_FRAME_END = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2,}")


_skim = msgspec.json.Decoder(list[msgspec.Raw]).decode
"""Reads JSON over without making anything of it."""


class MessagesScanner:
    """Watches one stream that passes through unchanged."""

    __slots__ = ("_progress", "_splitter", "_sse", "complete", "events", "model", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.complete = False
        self.model: str | None = None
        self.events = 0
        self._progress = StreamProgress()
        self._splitter = FrameSplitter()
        self._sse = SseParser()

    def feed(self, data: bytes) -> bytes:
        """Return the whole frames completed by `data`, to be passed on; an incomplete one is kept back.

        Raises:
            StreamFailed: The provider reports an error inside the stream; `frames` holds what came before.
            SseTooLarge: One event of the stream is beyond all measure.
        """
        frames = _sound(self._splitter.feed(data))
        if not frames:
            return frames
        if frames.startswith(_CONTENT) and frames.find(b"\n\n") == len(frames) - 2 and b"\r" not in frames:
            self._progress.known = True
            self.events += 1
            return frames
        if not self.complete and (not self._progress.known or _is_telling(frames)):
            self._look(frames)
        self.events += _count(frames)
        return frames

    @property
    def finished(self) -> bool:
        """Whether the model has ended, though the provider has perhaps not said so yet."""
        return self._progress.finished

    def close(self) -> bytes:
        """Take note that the connection has ended; return what is still to be passed on.

        Raises:
            MalformedStream: Nothing in the stream was an event of this dialect.
            TruncatedStream: The answer has no end.
        """
        if not self._progress.finished:
            raise self._progress.broken()
        self._complete()
        return _sound(self._splitter.rest)

    def _look(self, frames: bytes) -> None:
        for frame in self._sse.feed(frames):
            if self.complete:
                return
            if frame.data:
                self._take(frame, frames)

    def _take(self, frame: SseEvent, frames: bytes) -> None:
        try:
            event = read_event(frame)
            self._progress.known = self._progress.known or event.type in EVENT_TYPES
            self._note(event)
        except MalformedEvent:
            return
        if event.type == "error":
            failure = failure_of(event)
            before = _before_error(frames)
            self.events += _count(before)
            raise StreamFailed(failure.message, code=failure.code, kind=failure.kind, frames=before)

    def _note(self, event: StreamEvent) -> None:
        match event.type:
            case "message_start":
                message = self._progress.begin(event)
                if message is not None:
                    self.model = message.model
                self.usage = self._progress.usage_so_far()
            case "message_delta":
                self._progress.advance(event)
                self.usage = self._progress.usage_so_far()
            case "message_stop":
                if self._progress.finished:
                    self._complete()
            case _:
                return

    def _complete(self) -> None:
        self.complete = True
        self.usage = self._progress.final_usage()


def _sound(frames: bytes) -> bytes:
    """Return the frames whose data is JSON, or that have none: over another one a client would break.

    All of them are read at once; only if that fails are they read one by one.
    """
    said = [frame.partition(b"data:")[2] for frame in frames.split(b"\n\n") if b"data:" in frame]
    try:
        if len(_skim(b"[%b]" % b",".join(said))) == len(said):
            return frames
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    kept: list[bytes] = []
    start = 0
    for end in _FRAME_END.finditer(frames):
        frame = frames[start : end.end()]
        # A failure is one whatever its data is.
        if all(event.event == "error" or _is_json(event.data) for event in SseParser().feed(frame)):
            kept.append(frame)
        start = end.end()
    return b"".join(kept) + frames[start:]


def _is_json(data: bytes) -> bool:
    try:
        _skim(b"[%b]" % data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _is_telling(frames: bytes) -> bool:
    """Tell whether there can be more in `frames` than content, `ping` and the like."""
    return (
        b'"message_' in frames
        or b'"error"' in frames
        or b"event: error" in frames
        or b"event:error" in frames
        or b"\\u00" in frames
    )


def _count(frames: bytes) -> int:
    if b"\r" in frames:
        return sum(1 for _ in _FRAME_END.finditer(frames))
    return frames.count(b"\n\n")


def _before_error(frames: bytes) -> bytes:
    """Return the frames before the first one that is an error."""
    start = 0
    for end in _FRAME_END.finditer(frames):
        if any(_is_error(frame) for frame in SseParser().feed(frames[start : end.end()])):
            break
        start = end.end()
    return frames[:start]


def _is_error(frame: SseEvent) -> bool:
    try:
        return bool(frame.data) and read_event(frame).type == "error"
    except MalformedEvent:
        return False
