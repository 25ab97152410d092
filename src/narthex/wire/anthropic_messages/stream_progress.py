"""How far a streamed answer has come; the parser and the scanner ask the same object, so they agree."""

from __future__ import annotations

from narthex.types.usage import Usage
from narthex.wire.anthropic_messages.schema import StreamEvent, WireAnswer, WireUsage
from narthex.wire.anthropic_messages.stream_events import MalformedEvent
from narthex.wire.anthropic_messages.usage import merged, usage_of
from narthex.wire.contract import BrokenStream, MalformedStream, TruncatedStream


class StreamProgress:
    """The beginning, the end and the usage of one streamed answer."""

    __slots__ = ("_begun", "_usage", "_usage_is_final", "finished", "known")

    known: bool
    """Whether an event of this dialect has been seen."""
    finished: bool
    """Whether the provider told why the answer ended: then it is whole, closed or not."""

    def __init__(self) -> None:
        self.known = False
        self.finished = False
        self._begun = False
        self._usage: WireUsage | None = None
        self._usage_is_final = False

    def begin(self, event: StreamEvent) -> WireAnswer | None:
        """Take note of `message_start`; return its message, or None if the beginning was told before.

        Raises:
            MalformedEvent: It has no message.
        """
        message = event.message
        if message is None:
            raise MalformedEvent("`message_start` without a message")
        if self._begun:
            return None
        self._begun = True
        if self._usage is None:
            self._usage = message.usage
        return message

    def advance(self, event: StreamEvent) -> str | None:
        """Take note of `message_delta`; return the `stop_reason` when it is told for the first time.

        Raises:
            MalformedEvent: It has no delta.
        """
        if event.delta is None:
            raise MalformedEvent("`message_delta` without a delta")
        if event.usage is not None:
            self._usage = merged(self._usage, event.usage)
            self._usage_is_final = True
        if event.delta.stop_reason is None or self.finished:
            return None
        self.finished = True
        return event.delta.stop_reason

    def usage_so_far(self) -> Usage | None:
        """Return what was told of usage; before the end, the output is what had been written by then."""
        return None if self._usage is None else usage_of(self._usage)

    def final_usage(self) -> Usage | None:
        """Return the usage of the whole answer, or None if only that of its beginning was told."""
        return self.usage_so_far() if self._usage_is_final else None

    def broken(self) -> BrokenStream:
        """Return what a connection that ends now has broken."""
        if self.known:
            return TruncatedStream("the stream ended without a `stop_reason`")
        return MalformedStream("the stream holds no event of the messages API")
