"""Recordings are played as streams of their own, from where it is wanted, for as long as somebody reads."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from narthex.errors import Cancelled, CursorAhead, EventsForgotten, PausedTooLong, RecordingNotFound
from narthex.pipeline.gateway import TaskKeeper
from narthex.pipeline.owned import Owned
from narthex.pipeline.playback import Player
from narthex.pipeline.recorder import Recorder
from narthex.pipeline.registry import KeepPolicy, Registry
from narthex.streams.log import Log, LogBounds
from narthex.streams.recording import RecordingHead
from narthex.streams.recordings import Recordings
from narthex.tenancy.keys import LOCAL, Caller
from narthex.types.dialects import Dialect

REPORT = b'{"usage":{"input_tokens":3,"output_tokens":2},"error":%b,"more":1}'
KNOWN = b'{"code":"provider_timeout","message":"it stood still"}'
NEW = b'{"code":"of_a_later_version","message":"who knows"}'


class Room:
    """Where one recording is played, in no time."""

    def __init__(self, folder: Path) -> None:
        self.recordings = Recordings(folder)
        self.registry = Registry(KeepPolicy(), {})
        self.tasks = TaskKeeper()
        self.slept: list[float] = []
        self.player = Player(
            self.registry, Recorder(self.recordings), self.tasks.spawn, sleep=self._sleep, clock=lambda: 0.0
        )

    async def record(self, *, forgotten: bool = False, error: bytes = b"null", dialect: str = "openai.chat") -> Log:
        """Record a stream of 20 events, two seconds apart."""
        now = [0.0]
        log = Log(Dialect.OPENAI_CHAT, LogBounds(max_bytes=200 if forgotten else 100_000), clock=lambda: now[0])
        for number in range(1, 21):
            now[0] = 2.0 * number
            log.append(b"id: answer-1:%d\ndata: x\n\n" % number)
        head = RecordingHead(
            id="answer-1",
            owner=LOCAL.owner,
            dialect=dialect,
            model="up/m",
            created_at=1,
            recorded_at=1,
            first_seq=log.first_number,
        )
        self.recordings.begin(log, head, lambda: ((), (), msgspec.Raw(REPORT % error)))
        log.close()
        await asyncio.sleep(0)
        return log

    async def played(self, owned: Owned) -> bytes:
        """Read a replay to its end."""
        assert owned.log is not None
        reader = owned.log.reader(after=owned.log.first_number - 1)
        while await reader.wait():
            reader.take()
        return b"".join(one for one in owned.log.held if isinstance(one, bytes))

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        await asyncio.sleep(0)


async def test_it_is_a_stream_like_any_other(tmp_path: Path) -> None:
    """Listed, with what the stream consumed, and its events under a name of its own."""
    room = Room(tmp_path)
    log = await room.record()
    owned = await room.player.play(LOCAL, "answer-1", speed=2)
    assert [one.id for one in room.registry.of(LOCAL.owner)] == [owned.id]
    assert owned.report().replay_of == "answer-1"
    written = b"".join(one for one in log.held if isinstance(one, bytes))
    assert await room.played(owned) == written.replace(b"answer-1", owned.id.encode())
    report = owned.report()
    assert (report.status, report.model, report.usage and report.usage.output_tokens) == ("done", "up/m", 2)
    assert room.slept == [number * 1.0 for number in range(1, 21)]


async def test_from_an_event_on_that_was_recorded(tmp_path: Path) -> None:
    """Neither before the first, nor behind the last."""
    room = Room(tmp_path)
    log = await room.record(forgotten=True)
    assert log.first_number > 2
    owned = await room.player.play(LOCAL, "answer-1", speed=0)
    assert owned.log is not None
    assert (await room.played(owned)).startswith(b"id: %b:%d\n" % (owned.id.encode(), log.first_number))
    last = await room.player.play(LOCAL, "answer-1", speed=0, after=20)
    assert await room.played(last) == b""
    with pytest.raises(CursorAhead):
        await room.player.play(LOCAL, "answer-1", speed=0, after=21)
    with pytest.raises(EventsForgotten):
        await room.player.play(LOCAL, "answer-1", speed=0, after=0)


@pytest.mark.parametrize(("error", "code"), [(KNOWN, "provider_timeout"), (NEW, "error")])
async def test_what_failed_fails_again(tmp_path: Path, error: bytes, code: str) -> None:
    """With the same words; its error is among its events already."""
    room = Room(tmp_path)
    await room.record(error=error)
    owned = await room.player.play(LOCAL, "answer-1", speed=0)
    assert (await room.played(owned)).count(b"data:") == 20
    report = owned.report()
    assert report.error is not None
    assert (report.status, report.error.code) == ("failed", code)


async def test_an_end_of_another_version_is_no_fault(tmp_path: Path) -> None:
    """All its events are there: it is played to its end, and what it consumed is not known."""
    room = Room(tmp_path)
    await room.record(error=b'"in other words"')
    owned = await room.player.play(LOCAL, "answer-1", speed=0)
    assert (await room.played(owned)).count(b"data:") == 20
    assert (owned.report().status, owned.report().usage) == ("done", None)


async def test_another_owner_finds_nothing(tmp_path: Path) -> None:
    """Nor does anybody find what cannot be played."""
    room = Room(tmp_path)
    await room.record(dialect="of.a.later.version")
    for caller in (LOCAL, Caller(name="other")):
        with pytest.raises(RecordingNotFound):
            await room.player.play(caller, "answer-1", speed=0)


async def test_one_that_nobody_reads_any_more_is_not_played_on(tmp_path: Path) -> None:
    """Its task ends at once, and when it is ended by its handle."""
    room = Room(tmp_path)
    await room.record()
    for end in ("leave", "cancel", "limit"):
        owned = await room.player.play(LOCAL, "answer-1", speed=0.001)
        assert owned.log is not None
        reader = owned.log.reader()
        if end == "leave":
            reader.leave()
        elif end == "cancel":
            owned.cancel()
        else:
            owned.cancel(PausedTooLong())
        kind = PausedTooLong if end == "limit" else Cancelled
        assert isinstance(owned.log.error, kind)
        await asyncio.sleep(0.05)
        assert not len(room.tasks)
