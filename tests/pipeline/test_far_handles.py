"""A stream of another process in the hand of its owner, over a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from narthex.errors import CursorAhead, NodeSilent, PermissionDenied, StreamNotKept, StreamUnreachable
from narthex.pipeline import shared_streams
from narthex.pipeline.far_handles import FarHandle
from narthex.pipeline.recorder import Recorder
from narthex.streams.recordings import RecordingLimits, Recordings
from tests.pipeline.test_registry import opened
from tests.pipeline.test_shared_streams import OWNER, sharing, until
from tests.stores.servers import RedisServer, running_redis


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A real Redis."""
    with running_redis(tmp_path) as server:
        yield server


async def test_what_only_its_process_knows_is_asked_there(redis: RedisServer, tmp_path: Path) -> None:
    """How it went, and its recording, which lies where its process records; refusals come back."""
    async with sharing(redis.url) as (here, mine), sharing(redis.url) as (there, _):
        recorder = Recorder(Recordings(tmp_path))
        here.answers = recorder.answers()
        opened(here, "name-name", size=3)
        await until(lambda: mine.copying.idle)
        handle = await there.look_up(OWNER, "name-name")
        assert isinstance(handle, FarHandle)
        told = msgspec.json.decode(await handle.ask("timeline", 7))
        assert (told["object"], told["id"], told["bytes"]) == ("stream.timeline", "name-name", 3)
        assert len(told["buckets"]) <= 7
        assert msgspec.json.decode(await handle.ask("record"))["id"] == "name-name"
        assert [one.id for one in await recorder.recordings.of(OWNER)] == ["name-name"]
        await recorder.recordings.aclose()
        here.answers = Recorder(Recordings(tmp_path, RecordingLimits(max_recordings=0))).answers()
        with pytest.raises(PermissionDenied):
            await handle.ask("record")


async def test_what_nobody_knows_any_more_is_said(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which process knew it, if that one is no more, or says nothing."""
    monkeypatch.setattr(shared_streams, "ANSWER_S", 0.05)
    async with sharing(redis.url) as (here, mine), sharing(redis.url) as (there, theirs):
        opened(here, "name-name", size=3)
        await until(lambda: mine.copying.idle)
        handle = await there.look_up(OWNER, "name-name")

        async def deaf(*_: object, **__: object) -> None:
            """Hear nothing."""

        monkeypatch.setattr(mine.calls, "heard", deaf)
        with pytest.raises(NodeSilent, match=mine.node):
            await handle.ask("timeline", 60)

        async def dead(_node: str) -> bool:
            return True

        monkeypatch.setattr(theirs, "is_dead", dead)
        with pytest.raises(StreamNotKept, match=mine.node):
            await handle.ask("timeline", 60)


async def test_a_slow_reader_keeps_nobody_from_reading_on(redis: RedisServer) -> None:
    """One who comes back with an event that the slow one's process has not taken in yet waits for it, and gets it."""
    async with sharing(redis.url) as (here, mine), sharing(redis.url) as (there, _):
        owned = opened(here, "name-name", size=1)
        assert owned.log is not None
        owned.log.detached = True
        await until(lambda: mine.copying.idle)
        handle = await there.look_up(OWNER, "name-name")
        slow = await handle.read(0)
        reader = slow.reader()
        for number in range(2, 42):
            owned.log.append(b"%02d" % number + b"x" * 20_000)
            await until(lambda: mine.copying.idle)
        assert slow.last_number < 41
        # More than the one who reads slowly may fall behind would let it go.
        again = await there.look_up(OWNER, "name-name")
        assert (await again.read(40)).reader(after=40).take() == [b"41" + b"x" * 20_000]
        owned.log.close()
        await until(lambda: mine.copying.idle)
        with pytest.raises(CursorAhead):
            await (await there.look_up(OWNER, "name-name")).read(42)
        assert len(reader.take()) == 41


async def test_let_go_meanwhile_nobody_says_that_the_event_is_not_there(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be known is not told as the fault of whoever asks."""
    async with sharing(redis.url) as (here, mine), sharing(redis.url) as (there, theirs):
        opened(here, "name-name", size=1)
        await until(lambda: mine.copying.idle)
        handle = await there.look_up(OWNER, "name-name")

        async def silent(*_: object) -> None:
            """Say nothing about how far it is."""
            raise NodeSilent

        monkeypatch.setattr(theirs, "ask", silent)
        reading = asyncio.ensure_future(handle.read(5))
        await until(lambda: len(theirs.mirrors) == 1)
        theirs.mirrors.drop_all()
        with pytest.raises(StreamUnreachable):
            await reading
