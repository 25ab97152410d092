"""A recording that is played is the stream that it was, but for the stream's name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import msgspec
import pytest

from narthex.errors import Cancelled, Failure, NarthexError, TruncatedAnswer
from narthex.streams.log import Log
from narthex.streams.playing import Playing, reading, renamed
from narthex.streams.recording import (
    DIGEST_BYTES,
    RecordingEnd,
    RecordingHead,
    RecordingReader,
    end_line,
    event_line,
    head_line,
)
from narthex.streams.tempo import Tempo
from narthex.types.dialects import Dialect

HEAD = RecordingHead(
    id="old", owner="key:a", dialect="openai.chat", model="m", created_at=1, recorded_at=1, first_seq=1
)
TIMES_MS = (100, 150, 1_150)


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.slept.append(round(seconds, 3))
        await asyncio.sleep(0)
        self.now_s += seconds


def event(number: int, name: str = "old") -> bytes:
    """Return an event as it is kept."""
    return b"%bid: %b:%d\ndata: {id: old:%d}\n\n" % (
        b"retry: 3000\n" if number == 1 else b"",
        name.encode(),
        number,
        number,
    )


def recording(*, whole: bool = True) -> RecordingReader:
    """Return one of three events."""
    lines = [event_line(number, time_ms, event(number)) for number, time_ms in enumerate(TIMES_MS, 1)]
    digest = blake2b(b"".join(lines), digest_size=DIGEST_BYTES).hexdigest()
    end = end_line(RecordingEnd(whole=True, events=3, last_seq=3, digest=digest))
    return RecordingReader([head_line(HEAD), *lines, *([end] if whole else [])])


def playing(log: Log, reader: RecordingReader, clock: Clock, speed: float = 1.0) -> Playing:
    """Return the producer of a log."""
    tempo = Tempo(speed, sleep=clock.sleep, clock=clock)
    return Playing(log, reader, name="new", tempo=tempo, last_words=lambda _error: b"data: broke\n\n")


def how(reader: RecordingReader) -> NarthexError | None:
    """Tell why a recording is not whole."""
    return None if reader.whole else TruncatedAnswer("cut", provider="recording", failure=Failure.TRUNCATED)


@pytest.mark.parametrize(("speed", "slept"), [(1.0, [0.1, 0.05, 1.0]), (2.0, [0.05, 0.025, 0.5]), (0.0, [])])
async def test_it_is_played_at_its_pace(speed: float, slept: list[float]) -> None:
    """Or at another, or at once; only the stream's name differs."""
    clock, log = Clock(), Log(Dialect.OPENAI_CHAT)
    await playing(log, recording(), clock, speed).run(0, how)
    assert clock.slept == slept
    assert list(log.held) == [event(number, "new") for number in (1, 2, 3)]
    assert (log.closed, log.error) == (True, None)


async def test_from_the_middle_on() -> None:
    """Numbers stay, and what came before is not waited for."""
    clock, log = Clock(), Log(Dialect.OPENAI_CHAT, first_number=3)
    await playing(log, recording(), clock).run(2, how)
    assert (list(log.held), clock.slept) == ([event(3, "new")], [1.0])


async def test_one_that_is_not_whole_ends_in_an_error() -> None:
    """Which is its last event, with the next number."""
    log = Log(Dialect.OPENAI_CHAT)
    await playing(log, recording(whole=False), Clock(), 0).run(0, how)
    assert isinstance(log.error, TruncatedAnswer)
    assert log.held[-1] == b"id: new:4\ndata: broke\n\n"


async def test_one_whose_beginning_was_forgotten_begins_at_once() -> None:
    """Nobody waits for what is not there."""
    lines = [event_line(number, time_ms, event(number)) for number, time_ms in ((7, 90_000), (8, 90_500))]
    reader = RecordingReader([head_line(msgspec.structs.replace(HEAD, first_seq=7)), *lines])
    clock, log = Clock(), Log(Dialect.OPENAI_CHAT, first_number=7)
    await playing(log, reader, clock).run(6, how)
    assert clock.slept == [0.5]


async def test_a_file_that_cannot_be_read_on_is_told_as_that() -> None:
    """And not as if somebody had ended it."""

    def lines() -> Iterator[bytes]:
        yield head_line(HEAD)
        raise OSError("the disk is gone")

    log = Log(Dialect.OPENAI_CHAT)
    await playing(log, RecordingReader(lines()), Clock(), 0).run(0, how)
    assert isinstance(log.error, TruncatedAnswer)
    assert log.held[-1] == b"id: new:1\ndata: broke\n\n"


def test_a_file_is_closed_with_its_reader(tmp_path: Path) -> None:
    """Read to its end or not."""
    (tmp_path / "a").write_bytes(head_line(HEAD) + b"x\n")
    for all_ in (True, False):
        file = (tmp_path / "a").open("rb")
        reader = reading(file)
        if all_:
            list(reader)
        reader.close()
        assert file.closed


async def test_paused_it_stands_still() -> None:
    """Nothing is played meanwhile, and the pauses behind it are as long as they were."""
    clock, log = Clock(), Log(Dialect.OPENAI_CHAT)
    reader = log.reader()
    player = playing(log, recording(), clock)
    log.pause_delivery()
    work = asyncio.ensure_future(player.run(0, how))
    for _ in range(200):
        await asyncio.sleep(0.001)
        if log._paused:
            clock.now_s += 1
    assert log.last_number == 0
    log.resume_delivery()
    await work
    assert clock.slept == [0.1, 0.05, 1.0]
    assert len(reader.take()) == 3


async def test_its_last_reader_ends_it() -> None:
    """And whoever ends it by its handle."""
    for end in ("leave", "stop"):
        log = Log(Dialect.OPENAI_CHAT)
        reader = log.reader()
        playing(log, recording(), Clock())
        if end == "leave":
            reader.leave()
        else:
            assert log.stop is not None
            log.stop(Cancelled())
        assert isinstance(log.error, Cancelled)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b"id: a:1\ndata: x\n\n", b"id: b:1\ndata: x\n\n"),
        (b"retry: 3000\nid: a:1\nevent: e\ndata: id: a:1\n\n", b"retry: 3000\nid: b:1\nevent: e\ndata: id: a:1\n\n"),
        (b"data: id: a:1\n\n", b"data: id: a:1\n\n"),
    ],
)
def test_only_the_name_of_the_stream_changes(written: bytes, told: bytes) -> None:
    """In the line that is ours, and nowhere else."""
    assert renamed(written, b"b") == told
