"""A recorded stream as a file: a line that says whose it is, a line per event, and a line that says that this was all.

A file without its last line, or whose events are not those that this line tells of, was cut or changed: it can be read,
and is never taken for whole.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import blake2b
from typing import Final, Literal

import msgspec

from narthex.types.accounts import DEFAULT_ORGANISATION, DEFAULT_WORKSPACE, Account

VERSION: Final = 1
SUFFIX: Final = ".jsonl"
DIGEST_BYTES: Final = 16

Reason = Literal["too_large", "no_room", "disk", "stopped"]
"""Why a recording ended before its stream did."""


class RecordingHead(msgspec.Struct, frozen=True, kw_only=True):
    """The first line."""

    narthex_recording: int = VERSION
    """Version of this form."""
    id: str
    """Of the stream."""
    owner: str
    dialect: str
    model: str
    """As asked for."""
    created_at: int
    """When the stream began, Unix time in seconds."""
    recorded_at: int
    """When recording began, Unix time in seconds."""
    first_seq: int
    """Number of the first event that is recorded; above 1 if earlier ones were forgotten by then."""
    organisation_id: str = DEFAULT_ORGANISATION
    """Whose storage it takes up."""
    workspace_id: str = DEFAULT_WORKSPACE
    """As above."""
    streamed: bool = True
    """Whether it was told event by event; if not, its one event is the body that was sent."""

    @property
    def account(self) -> Account:
        """Whose storage it takes up."""
        return Account(organisation_id=self.organisation_id, workspace_id=self.workspace_id)


class EventLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The line of an event."""

    seq: int
    t_ms: int
    """Milliseconds since the stream began."""
    data: str | None = None
    """The event as it was sent, with its lines and the blank one behind them."""
    data_base64: str | None = None
    """The same, where it is no UTF-8."""

    @property
    def event(self) -> bytes:
        """The event as it was sent."""
        if self.data is not None:
            return self.data.encode()
        return base64.b64decode(self.data_base64 or "", validate=True)


class AttemptSpan(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt within the time of its stream."""

    target: str
    """`provider/model`."""
    way: str
    """`first`, `hedge`, `retry`, `fallback`, `cascade`, or how an answer was brought to its end."""
    began_ms: int | None
    """Since the stream began; None if that was not written down."""
    ended_ms: int | None
    """When it failed, or the stream ended; None while it goes on."""
    failure: str | None
    """Class of the failure; None if it brought the answer, or brings it."""


class SeamPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where what another attempt added begins, in an answer that had broken."""

    seq: int
    """Number of the first event of it."""
    t_ms: int | None
    """When that came; None if it is no longer held."""
    way: str
    """`prefill`, `told` or `restart`."""
    target: str


class RecordingEnd(msgspec.Struct, frozen=True, kw_only=True):
    """What the last line tells."""

    whole: bool
    """Whether the stream was recorded to its end."""
    reason: Reason | None = None
    """Why it was not."""
    events: int
    last_seq: int
    digest: str
    """BLAKE2b of the lines of all events, in hexadecimal."""
    attempts: tuple[AttemptSpan, ...] = ()
    seams: tuple[SeamPlace, ...] = ()
    report: msgspec.Raw = msgspec.Raw(b"null")
    """How the stream stood in the end; see `GET /v1/streams/{id}`."""


class _EndLine(msgspec.Struct, frozen=True):
    end: RecordingEnd


class BrokenRecording(ValueError):
    """This is no recording, or its first line is not whole."""


_encode = msgspec.json.Encoder().encode
_decode_head = msgspec.json.Decoder(RecordingHead).decode
_decode_event = msgspec.json.Decoder(EventLine).decode
_decode_end = msgspec.json.Decoder(_EndLine).decode


def head_line(head: RecordingHead) -> bytes:
    """Write the first line."""
    return _encode(head) + b"\n"


def event_line(seq: int, t_ms: int, event: bytes) -> bytes:
    """Write the line of an event."""
    try:
        line = EventLine(seq, t_ms, event.decode())
    except UnicodeDecodeError:
        line = EventLine(seq, t_ms, None, base64.b64encode(event).decode())
    return _encode(line) + b"\n"


def end_line(end: RecordingEnd) -> bytes:
    """Write the last line."""
    return _encode(_EndLine(end)) + b"\n"


def read_head(line: bytes) -> RecordingHead:
    """Read the first line.

    Raises:
        BrokenRecording: It is none.
    """
    try:
        head = _decode_head(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BrokenRecording(f"this is no recording of a stream: {error}") from error
    if head.narthex_recording != VERSION:
        raise BrokenRecording(f"this recording has version {head.narthex_recording}; {VERSION} can be read here")
    return head


def read_end(line: bytes) -> RecordingEnd | None:
    """Read the last line; None if it is another."""
    if not line.endswith(b"\n"):
        return None
    try:
        return _decode_end(line).end
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def read_event(line: bytes) -> EventLine | None:
    """Read the line of an event; None if it is another, or not whole."""
    if not line.endswith(b"\n"):
        return None
    try:
        read = _decode_event(line)
        _ = read.event
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        return None
    return read


class RecordingReader:
    """Reads a recording line by line, with no more of it in memory than that.

    Attributes:
        head: Its first line.
        end: Its last line, once there; None for as long as that has not been seen, and for good if it was cut.
        fault: What is wrong with it, found by now; None if nothing is.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        """Read the first line.

        Raises:
            BrokenRecording: This is no recording.
        """
        self._lines = iter(lines)
        self.head = read_head(next(self._lines, b""))
        self.end: RecordingEnd | None = None
        self.fault: str | None = None

    @property
    def whole(self) -> bool:
        """Whether all of the stream was there, once all is read."""
        return self.end is not None and self.end.whole and self.fault is None

    def __iter__(self) -> Iterator[EventLine]:
        """Yield the events; those behind a fault are not told."""
        digest, number = blake2b(digest_size=DIGEST_BYTES), self.head.first_seq
        for line in self._lines:
            event = read_event(line)
            if event is None or event.seq != number:
                self._finish(line, number, digest.hexdigest())
                return
            digest.update(line)
            number += 1
            yield event
        self.fault = f"cut behind event {number - 1}: the line that ends a recording is missing"

    def close(self) -> None:
        """Read no further."""
        with suppress(ValueError):
            # It may be reading just now, and is closed when that is over.
            close = getattr(self._lines, "close", None)
            if close is not None:
                close()

    def _finish(self, line: bytes, number: int, digest: str) -> None:
        """Take note of what is no further event."""
        end = read_end(line)
        if end is None:
            self.fault = f"cut or damaged behind event {number - 1}"
        elif (end.last_seq, end.digest) != (number - 1, digest):
            self.fault = "its events are not those that were recorded"
        else:
            self.end = end
            if not end.whole:
                self.fault = f"recording ended behind event {end.last_seq}, before the stream did: {end.reason}"
