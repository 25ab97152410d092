"""Server-sent events, as the WHATWG standard has them, read from pieces cut at any byte.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

`FrameSplitter` finds where events end and nothing more, for streams that pass through. `SseParser` stands on it and
reads the events themselves.
"""

from __future__ import annotations

import re

import msgspec

from narthex.wire.contract import MalformedStream

DEFAULT_MAX_EVENT_BYTES = 16 * 1024 * 1024

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")
_EVENT = re.compile(rb".*?(?:\n\n|\n\r|\r\r)[\r\n]*|.+", re.DOTALL)


class SseTooLarge(MalformedStream):
    """One server-sent event is larger than the limit."""

    def __init__(self, max_event_bytes: int) -> None:
        """Name the limit that was passed."""
        super().__init__(f"an event of the stream is larger than {max_event_bytes} bytes")
        self.max_event_bytes = max_event_bytes


class SseEvent(msgspec.Struct, frozen=True, gc=False):
    """One event of a stream."""

    event: str | None
    """Its type; None if the sender gave none, which the standard calls `message`."""
    data: bytes
    """The lines of its data, joined by line feeds."""
    id: str | None = None
    """The last ID that the stream gave, here or earlier."""


class FrameSplitter:
    """Cuts a stream behind its last complete event, whatever the pieces it arrives in."""

    __slots__ = ("_max_event_bytes", "_rest")

    def __init__(self, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        """Start with an empty stream.

        Args:
            max_event_bytes: How much of an unfinished event is kept at most.
        """
        self._max_event_bytes = max_event_bytes
        self._rest = bytearray()

    @property
    def rest(self) -> bytes:
        """What follows the last complete event."""
        return bytes(self._rest)

    def feed(self, data: bytes) -> bytes:
        """Return all bytes up to and including the last end of an event; empty if there is none yet.

        An event ends with a blank line. Where the last byte is the CR of one, its LF, if any, leads the next block;
        there it is one more blank line, which means nothing.

        Raises:
            SseTooLarge: The unfinished event passed the limit.
        """
        if self._rest:
            return self._feed_rest(data)
        if data.endswith(b"\n\n"):
            return data
        end = _last_boundary(data, 0)
        if end == len(data):
            return data
        self._rest += data[end:]
        self._check_rest()
        return data[:end]

    def _feed_rest(self, data: bytes) -> bytes:
        rest = self._rest
        searched = len(rest) - 1
        rest += data
        end = _last_boundary(rest, searched)
        block = bytes(rest[:end])
        del rest[:end]
        self._check_rest()
        return block

    def _check_rest(self) -> None:
        if len(self._rest) > self._max_event_bytes:
            raise SseTooLarge(self._max_event_bytes)


class SseParser:
    """Reads the events of one stream."""

    __slots__ = ("_at_start", "_last_id", "_max_event_bytes", "_splitter", "retry_ms")

    retry_ms: int | None
    """How long the sender asked to wait before connecting again."""

    def __init__(self, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        """Start at the first byte of a stream.

        Args:
            max_event_bytes: The largest event taken.
        """
        self._splitter = FrameSplitter(max_event_bytes)
        self._max_event_bytes = max_event_bytes
        self._at_start = True
        self._last_id: str | None = None
        self.retry_ms = None

    @property
    def rest(self) -> bytes:
        """What follows the last complete event; the standard drops it when the stream ends."""
        return self._splitter.rest

    def feed(self, data: bytes) -> list[SseEvent]:
        """Return the events completed by `data`.

        Raises:
            SseTooLarge: An event passed the limit.
        """
        block = self._splitter.feed(data)
        size = len(block)
        if block.find(b"\n") == size - 2 and block.startswith(b"data: ") and block.find(b"\r") < 0:
            # One event of one line, alone: what comes when a model writes slower than the network.
            self._at_start = False
            self._check_size(size)
            return [SseEvent(None, block[6:-2], self._last_id)]
        return self._read_block(block) if block else []

    def _read_block(self, block: bytes) -> list[SseEvent]:
        if self._at_start:
            self._at_start = False
            block = block.removeprefix(_BYTE_ORDER_MARK)
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if len(block) > self._max_event_bytes:
            for frame in block.split(b"\n\n"):
                self._check_size(len(frame))
        return self._events(block)

    def _events(self, block: bytes) -> list[SseEvent]:
        last_id = self._last_id
        events: list[SseEvent] = []
        for frame in block.split(b"\n\n"):
            # Nearly every event of nearly every provider is a single line of data.
            if frame.startswith(b"data: ") and b"\n" not in frame:
                events.append(SseEvent(None, frame[6:], last_id))
            elif frame:
                event = self._read_frame(frame)
                last_id = self._last_id
                if event is not None:
                    events.append(event)
        return events

    def _read_frame(self, frame: bytes) -> SseEvent | None:
        kind: str | None = None
        lines: list[bytes] = []
        for line in frame.split(b"\n"):
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"data":
                lines.append(value)
            elif name == b"event":
                kind = value.decode("utf-8", "replace") or None
            elif name == b"id" and b"\0" not in value:
                self._last_id = value.decode("utf-8", "replace")
            elif name == b"retry" and value.isdigit() and len(value) < 16:
                self.retry_ms = int(value)
        return SseEvent(kind, b"\n".join(lines), self._last_id) if lines else None

    def _check_size(self, size: int) -> None:
        if size > self._max_event_bytes:
            raise SseTooLarge(self._max_event_bytes)


def encode_event(data: bytes, event: str | None = None) -> bytes:
    """Write one event; data of several lines becomes several `data` fields."""
    head = b"" if event is None else b"event: %b\n" % _single_line(event)
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(_LINE_END.split(data))
    return b"%bdata: %b\n\n" % (head, data)


def split_events(block: bytes) -> list[bytes]:
    """Cut a block of whole events into these; joined they are the block again."""
    if block.find(b"\n\n") == len(block) - 2 and b"\r" not in block:
        # One event alone: what comes when a model writes slower than the network.
        return [block]
    return _EVENT.findall(block)


def comment(text: str) -> bytes:
    """Write a comment, which readers skip: it keeps a quiet connection alive."""
    lines = _LINE_END.split(text.encode())
    return b"".join(b": %b\n" % line for line in lines) + b"\n"


def _single_line(name: str) -> bytes:
    if "\n" in name or "\r" in name:
        raise ValueError(f"the type of an event must be a single line, not {name!r}")
    return name.encode()


def _last_boundary(data: bytes | bytearray, start: int) -> int:
    """Return the index behind the last blank line that ends at or after `start`, or 0."""
    line_feeds = data.rfind(b"\n\n", start)
    if data.find(b"\r", start) < 0:
        return line_feeds + 2 if line_feeds >= 0 else 0
    mixed = max(data.rfind(b"\n\r", start), data.rfind(b"\r\r", start))
    if mixed > line_feeds:
        return mixed + 3 if data.startswith(b"\n", mixed + 2) else mixed + 2
    return line_feeds + 2 if line_feeds >= 0 else 0
