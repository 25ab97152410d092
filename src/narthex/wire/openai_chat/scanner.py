"""A provider's stream that passes through unchanged, watched for what must be known of it.

A frame is read as JSON unless it fits the template of one that was read and said nothing but more text; `templates`
has the proof. What is read goes through the same functions as in the parser, so both judge a stream alike.
"""

from __future__ import annotations

import re

from msgspec import UNSET

from narthex.types.events import Failed
from narthex.types.usage import Usage
from narthex.wire.contract import StreamFailed
from narthex.wire.openai_chat.chunks import (
    AnswerBody,
    finish_word,
    is_done,
    is_given,
    is_json,
    read_answer,
    read_failure,
    read_usage,
)
from narthex.wire.openai_chat.completion import Completion
from narthex.wire.openai_chat.templates import Template, template_of
from narthex.wire.sse import FrameSplitter, SseEvent, SseParser

_FRAME_END = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
_MAX_TEMPLATES = 4
"""Content, reasoning and arguments of a choice, or the content of several choices, may take turns."""

_HIDDEN = object()
"""A frame that is not to be passed on."""


class OpenAIChatScanner:
    """Watches one stream; see `StreamScanner`."""

    __slots__ = (
        "_completion",
        "_hide_usage",
        "_over",
        "_splitter",
        "_sse",
        "_templates",
        "complete",
        "events",
        "model",
        "usage",
    )

    def __init__(self, *, hide_usage: bool = False) -> None:
        """Start before the first byte.

        Args:
            hide_usage: Take the frame out that holds only usage.
        """
        self.usage: Usage | None = None
        self.complete = False
        self.model: str | None = None
        self.events = 0
        self._hide_usage = hide_usage
        self._splitter = FrameSplitter()
        self._sse = SseParser()
        self._completion = Completion()
        self._templates: list[Template] = []
        self._over = False
        """Whether the end, or a failure, has been seen; what follows is passed on unread."""

    def feed(self, data: bytes) -> bytes:
        """Return the whole frames completed by `data`, to be passed on.

        Raises:
            StreamFailed: The provider reports an error; `frames` holds what came before.
            SseTooLarge: An event of the stream is larger than the limit.
        """
        block = self._splitter.feed(data)
        if self._templates:
            frames = self._templates[0].frames_of(block)
            if frames:
                self.events += frames
                return block
        start = self._skip(block, 0)
        return block if start == len(block) else self._scan(block, start)

    @property
    def finished(self) -> bool:
        """Whether every choice has ended, though the provider has perhaps not said so yet."""
        return self._completion.finished

    def close(self) -> bytes:
        """Take note that the connection has ended; return what is still to be passed on.

        An event that lacks only its blank line counts, and is passed on with one, for without it a client would drop
        what is counted here.

        Raises:
            MalformedStream: Nothing in the stream was an event of this dialect.
            TruncatedStream: The answer has no end.
            StreamFailed: The last event is an error.
        """
        rest = self._splitter.rest
        self._splitter = FrameSplitter()
        if rest.strip(b"\r\n") and not self._over:
            rest = self._scan(rest + b"\n\n", 0)
        if not self._over:
            self._completion.check_end()
            self.complete = True
            self._close_up()
        return rest

    def _scan(self, block: bytes, start: int) -> bytes:
        """Read the frame at `start` and every further one that must be read; return those to be passed on."""
        size = len(block)
        kept: list[bytes] = []
        passed = 0
        while start < size:
            end = _end_of_frame(block, start)
            found = None if self._over else self._read(block[start:end])
            if isinstance(found, Failed):
                frames = b"".join(kept) + block[passed:start]
                raise StreamFailed(found.message, code=found.code, kind=found.kind, frames=frames)
            if found is _HIDDEN:
                kept.append(block[passed:start])
                passed = end
            else:
                self.events += 1
            start = self._skip(block, end)
        return b"".join(kept) + block[passed:] if passed else block

    def _skip(self, block: bytes, start: int) -> int:
        """Return where the first frame at or after `start` begins that fits no template."""
        size = len(block)
        templates = self._templates
        while start < size:
            for template in templates:
                frames, end = template.run_of(block, start)
                if frames:
                    break
            else:
                break
            self.events += frames
            start = end
        return start

    def _read(self, frame: bytes) -> Failed | object | None:
        """Take a frame in that fits no template: a failure, `_HIDDEN`, or nothing to be done."""
        found: Failed | object | None = None
        if frame.startswith(b"data: ") and frame.find(b"\n") == len(frame) - 2 and b"\r" not in frame:
            return self._take(SseEvent(None, frame[6:-2]), frame)
        for event in self._sse.feed(frame):
            found = self._take(event, frame)
        return found

    def _take(self, event: SseEvent, frame: bytes) -> Failed | object | None:
        if not event.data:
            return None
        if is_done(event.data):
            self._completion.note_done()
            if not self._completion.finished:
                # Some servers write it whatever happened. Passed on, it would make a cut answer a whole one.
                return _HIDDEN
            self.complete = True
            self._close_up()
            return None
        chunk = read_answer(event.data)
        failed = read_failure(chunk, event)
        if failed is not None:
            self._close_up()
            return failed
        if chunk is None:
            # One malformed event in an otherwise healthy stream is skipped: a client would break over it.
            return None if is_json(event.data) else _HIDDEN
        return self._note(chunk, frame)

    def _note(self, chunk: AnswerBody, frame: bytes) -> object | None:
        usage = read_usage(chunk)
        if chunk.choices is None and usage is None:
            return None
        is_first = not self._completion.started
        if is_first:
            self.model = self.model or chunk.model
        self._completion.note(chunk)
        self.usage = usage or self.usage
        if chunk.usage is not UNSET and is_given(chunk.usage):
            return _HIDDEN if self._hide_usage and not chunk.choices else None
        # The first chunk names the role, which no other does: nothing will ever fit it.
        if chunk.choices and not is_first and not any(finish_word(choice) for choice in chunk.choices):
            self._learn(frame)
        return None

    def _close_up(self) -> None:
        self._over = True
        self._templates = []

    def _learn(self, frame: bytes) -> None:
        template = template_of(frame)
        if template is not None:
            self._templates = [template, *self._templates[: _MAX_TEMPLATES - 1]]


def _end_of_frame(block: bytes, start: int) -> int:
    """Return the end of the frame at `start`; half of a line end cut in two, at the end of a block, is a frame too."""
    if b"\r" not in block:
        end = block.find(b"\n\n", start)
        return end + 2 if end >= 0 else len(block)
    found = _FRAME_END.search(block, start)
    return found.end() if found else len(block)
