"""Streams as the command line looks at them: at a server, or in a file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import click
import msgspec

from narthex.cli.door import address_of, first_key
from narthex.client import Client
from narthex.errors import NarthexError
from narthex.pipeline.timeline import Passage, Timeline, timeline
from narthex.streams.recording import BrokenRecording, EventLine, RecordingEnd, RecordingHead, RecordingReader
from narthex.types.dialects import Dialect
from narthex.types.events import Ended, Failed, TextDelta
from narthex.wire.contract import BrokenStream
from narthex.wire.registry import CHAT_WIRES

ABSENT: Final = frozenset({"stream_not_found", "stream_expired"})
_decode_timeline = msgspec.json.Decoder(Timeline).decode


class _Status(msgspec.Struct):
    status: str = "truncated"


@contextmanager
def server(url: str | None, file: Path | None) -> Iterator[Client]:
    """Open the server that is asked: the one named, else `NARTHEX_URL`, else the one configured."""
    if url or os.environ.get("NARTHEX_URL"):
        with Client(url) as client:
            yield client
        return
    from narthex.config.load import load  # noqa: PLC0415 - a server that is named is asked without it

    loaded = load(file=file, environ=os.environ)
    with Client(address_of(loaded), api_key=os.environ.get("NARTHEX_API_KEY") or first_key(loaded)) as client:
        yield client


def path_of(kind: str, name: str, rest: str = "") -> str:
    """Return the path of a stream or a recording."""
    return f"/v1/{kind}/{quote(name, safe='')}{rest}"


class Tape:
    """A recording, all of it in memory."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        """Read it.

        Raises:
            click.ClickException: It is no recording.
        """
        try:
            reader = RecordingReader(lines)
        except BrokenRecording as error:
            raise click.ClickException(str(error)) from error
        self.head: RecordingHead = reader.head
        self.events: list[EventLine] = list(reader)
        self.end: RecordingEnd | None = reader.end
        self.fault = reader.fault

    @classmethod
    def from_file(cls, file: Path) -> Tape:
        """Read a file."""
        with file.open("rb") as opened:
            return cls(iter(opened))

    @classmethod
    def from_server(cls, client: Client, name: str) -> Tape:
        """Download a recording."""
        return cls(iter(client.call("GET", path_of("recordings", name)).splitlines(keepends=True)))

    def timeline(self, buckets: int) -> Timeline:
        """Tell how it went."""
        end, times = self.end, [one.t_ms for one in self.events]
        told = None if end is None else _status_in(end.report)
        return timeline(
            Passage(
                id=self.head.id,
                status="truncated" if self.fault or told is None else told.status,
                first_seq=self.head.first_seq,
                times_ms=times,
                events=[one.event for one in self.events],
                dialect=dialect_of(self.head.dialect),
                until_ms=times[-1] if times else 0,
                is_open=False,
                attempts=() if end is None else end.attempts,
                seams=() if end is None else end.seams,
            ),
            buckets=buckets,
        )

    def played(
        self,
        speed: float,
        *,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> Iterator[bytes]:
        """Yield the events as they came, so many times faster; at once with 0."""
        # Where the beginning was forgotten, nobody waits for it.
        begun = clock()
        if speed and self.head.first_seq > 1 and self.events:
            begun -= self.events[0].t_ms / 1_000 / speed
        for one in self.events:
            ahead_s = begun + one.t_ms / 1_000 / speed - clock() if speed else 0.0
            if ahead_s > 0:
                sleep(ahead_s)
            yield one.event


def _status_in(report: bytes) -> _Status | None:
    """Return the status in the report of a recording's last line; anybody may have written that."""
    try:
        return msgspec.json.decode(report, type=_Status | None)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def timeline_at(client: Client, name: str, buckets: int) -> tuple[Timeline, str | None]:
    """Return how a stream went, or its recording if the stream is kept no more; and what is wrong with that."""
    try:
        return _decode_timeline(client.call("GET", path_of("streams", name, f"/timeline?buckets={buckets}"))), None
    except NarthexError as error:
        if error.code not in ABSENT:
            raise
    tape = Tape.from_server(client, name)
    return tape.timeline(buckets), tape.fault


def dialect_of(word: str) -> Dialect | None:
    """Return a dialect by its name; None if it is none that is known here."""
    return Dialect(word) if word in set(Dialect) else None


def texts(events: Iterator[bytes], dialect: Dialect | None) -> Iterator[str]:
    """Yield what the model wrote in the events of a stream.

    Raises:
        click.ClickException: The stream is of a dialect that is not known here, it failed, or it has no end.
    """
    wire = None if dialect is None else CHAT_WIRES.get(dialect)
    if wire is None:
        raise click.ClickException("the text of this stream cannot be read here; `--raw` shows its events")
    parser, has_ended = wire.parser(), False
    try:
        for piece in events:
            read = parser.feed(piece)
            yield "".join(event.text for event in read if isinstance(event, TextDelta))
            for event in read:
                if isinstance(event, Failed):
                    raise click.ClickException(f"the stream is not whole: {event.message}")
            has_ended = has_ended or any(isinstance(event, Ended) for event in read)
        if not has_ended:
            parser.close()
    except BrokenStream as error:
        raise click.ClickException(f"the stream broke: {error}") from error
