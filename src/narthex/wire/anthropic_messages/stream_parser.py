"""Reads a streamed answer.

https://docs.anthropic.com/en/docs/build-with-claude/streaming

The end is known by `stop_reason`; `message_stop` only closes. A stream that has the one and is cut before the other is
whole, a stream without a `stop_reason` never is. Usage is told at the end, with the totals of `message_delta`; a stream
without them reports none, because the counts of `message_start` are those before the answer was written.
"""

from __future__ import annotations

from itertools import count

import msgspec

from narthex.types.events import Ended, Event, Finished, Started, UsageReported
from narthex.wire.anthropic_messages.schema import EVENT_TYPES, StreamEvent
from narthex.wire.anthropic_messages.stop_reasons import finish_reason
from narthex.wire.anthropic_messages.stream_blocks import BlockReader
from narthex.wire.anthropic_messages.stream_events import MalformedEvent, failure_of, read_event
from narthex.wire.anthropic_messages.stream_progress import StreamProgress
from narthex.wire.anthropic_messages.usage import usage_of
from narthex.wire.sse import SseEvent, SseParser


class MessagesParser:
    """Reads one streamed answer, whatever the pieces it arrives in."""

    __slots__ = ("_blocks", "_next_part", "_over", "_progress", "_sse", "_started", "skipped")

    def __init__(self) -> None:
        self.skipped = 0
        self._sse = SseParser()
        self._blocks: dict[int, BlockReader] = {}
        self._next_part = count().__next__
        self._progress = StreamProgress()
        self._started = False
        self._over = False

    def feed(self, data: bytes) -> list[Event]:
        """Return the events completed by `data`; `Ended` is the last of a whole answer.

        Raises:
            SseTooLarge: One event of the stream is beyond all measure.
        """
        events: list[Event] = []
        for frame in self._sse.feed(data):
            if self._over:
                break
            if frame.data:
                self._take(frame, events)
        return events

    def close(self) -> list[Event]:
        """Take note that the connection has ended.

        Raises:
            MalformedStream: Nothing in the stream was an event of this dialect.
            TruncatedStream: The answer has no end.
        """
        if self._over:
            return []
        if not self._progress.finished:
            raise self._progress.broken()
        return self._end()

    def _take(self, frame: SseEvent, events: list[Event]) -> None:
        try:
            event = read_event(frame)
            self._progress.known = self._progress.known or event.type in EVENT_TYPES
            events += self._events(event)
        except (MalformedEvent, msgspec.ValidationError, UnicodeDecodeError):
            self.skipped += 1

    def _events(self, event: StreamEvent) -> list[Event]:
        match event.type:
            case "content_block_delta":
                return self._delta(event)
            case "content_block_start":
                return self._block_start(event)
            case "content_block_stop":
                return self._block_stop(event.index)
            case "message_start":
                return self._message_start(event)
            case "message_delta":
                return self._message_delta(event)
            case "message_stop":
                return self._end() if self._progress.finished else []
            case "error":
                self._over = True
                return [failure_of(event)]
            case _:
                return []

    def _message_start(self, event: StreamEvent) -> list[Event]:
        message = self._progress.begin(event)
        if message is None or self._started:
            return []
        self._started = True
        usage = None if message.usage is None else usage_of(message.usage)
        return [Started(id=message.id, model=message.model, created_at=0, input_usage=usage)]

    def _block_start(self, event: StreamEvent) -> list[Event]:
        if event.content_block is None:
            raise MalformedEvent("`content_block_start` without a block")
        block = BlockReader(event.content_block, self._next_part)
        events = block.start()
        self._blocks[event.index] = block
        return self._begin() + events

    def _delta(self, event: StreamEvent) -> list[Event]:
        if event.delta is None:
            raise MalformedEvent("`content_block_delta` without a delta")
        block = self._blocks.get(event.index)
        if block is None:
            block = self._blocks[event.index] = BlockReader.missed(event.delta, self._next_part)
        events = block.delta(event.delta)
        return events if self._started else self._begin() + events

    def _block_stop(self, index: int) -> list[Event]:
        block = self._blocks.pop(index, None)
        return [] if block is None else block.stop()

    def _message_delta(self, event: StreamEvent) -> list[Event]:
        reason = self._progress.advance(event)
        if reason is None or event.delta is None:
            return []
        events = self._begin()
        for index in sorted(self._blocks):
            events += self._block_stop(index)
        events.append(Finished(reason=finish_reason(reason), stop_sequence=event.delta.stop_sequence))
        return events

    def _end(self) -> list[Event]:
        self._over = True
        usage = self._progress.final_usage()
        return [Ended()] if usage is None else [UsageReported(usage=usage), Ended()]

    def _begin(self) -> list[Event]:
        """Return the beginning, where the event that should have told it was lost."""
        if self._started:
            return []
        self._started = True
        return [Started(id="", model="", created_at=0)]
