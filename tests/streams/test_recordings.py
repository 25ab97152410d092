"""Streams are recorded while they go on, within bounds, and found by their owner alone."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from narthex.errors import PermissionDenied, RecordingNotFound
from narthex.streams.log import Log, LogBounds
from narthex.streams.playing import reading
from narthex.streams.recording import RecordingHead
from narthex.streams.recording_files import Ending, RecordingFile, files_in
from narthex.streams.recordings import RecordingLimits, Recordings
from narthex.types.dialects import Dialect

NOTHING: Ending = ((), (), msgspec.Raw(b"null"))


def head(name: str = "answer-1", owner: str = "key:a", *, at: int = 1, first_seq: int = 1) -> RecordingHead:
    """Return the first line of a recording."""
    return RecordingHead(
        id=name, owner=owner, dialect="openai.chat", model="m", created_at=at, recorded_at=at, first_seq=first_seq
    )


@asynccontextmanager
async def recordings(folder: Path, **limits: int) -> AsyncIterator[Recordings]:
    """Open the recordings in a folder."""
    opened_ = Recordings(folder, RecordingLimits(**limits))
    yield opened_
    await opened_.aclose()


async def written(recordings: Recordings, first: RecordingHead, *events: bytes) -> None:
    """Record a stream of these events to its end."""
    log = Log(Dialect.OPENAI_CHAT)
    recordings.begin(log, first, lambda: NOTHING)
    for event in events:
        log.append(event)
    log.close()
    await asyncio.sleep(0)


async def test_what_came_before_and_comes_then_is_recorded(tmp_path: Path) -> None:
    """From the oldest event that is held to the end; the file is its owner's, and nobody else may read it."""
    now = [0.0]
    async with recordings(tmp_path / "recordings") as all_:
        log = Log(Dialect.OPENAI_CHAT, clock=lambda: now[0])
        for now[0] in (0.1, 0.25):
            log.append(b"data: %d\n\n" % int(now[0] * 100))
        all_.begin(log, head(), lambda: NOTHING)
        all_.begin(log, head(), lambda: NOTHING)
        running = await all_.report("key:a", "answer-1")
        assert (running.status, running.last_seq) == ("recording", 2)
        now[0] = 3
        log.close(last=b"data: \xff\n\n")
        await asyncio.sleep(0)
        file = await all_.find("key:a", "answer-1")
        report = await all_.report("key:a", "answer-1")
    assert (report.status, report.last_seq, report.duration_ms) == ("whole", 3, 3_000)
    assert file.stat().st_mode & 0o777 == 0o600
    reader = reading(file.open("rb"))
    assert [(one.seq, one.t_ms, one.event) for one in reader] == [
        (1, 100, b"data: 10\n\n"),
        (2, 250, b"data: 25\n\n"),
        (3, 3_000, b"data: \xff\n\n"),
    ]
    assert reader.whole


async def test_what_was_forgotten_before_is_not_made_up(tmp_path: Path) -> None:
    """The numbers stay those of the stream."""
    async with recordings(tmp_path) as all_:
        log = Log(Dialect.OPENAI_CHAT, LogBounds(max_bytes=100))
        for _ in range(10):
            log.append(b"x" * 20)
        all_.begin(log, head(first_seq=log.first_number), lambda: NOTHING)
        for _ in range(10):
            log.append(b"y" * 20)
        log.close()
        await asyncio.sleep(0)
        reader = reading((await all_.find("key:a", "answer-1")).open("rb"))
        assert [one.seq for one in reader] == list(range(reader.head.first_seq, 21))
        assert reader.head.first_seq > 1
        assert reader.whole


async def test_one_that_grows_too_large_ends_and_says_so(tmp_path: Path) -> None:
    """The stream goes on; the recording is readable and not whole."""
    async with recordings(tmp_path, max_bytes=500) as all_:
        await written(all_, head(), *[b"x" * 60] * 20)
        (report,) = await all_.of("key:a")
    assert (report.status, report.reason, report.last_seq) == ("truncated", "too_large", 5)


async def test_of_one_that_was_too_large_already_there_is_the_beginning(tmp_path: Path) -> None:
    """As much of what is held as may be."""
    async with recordings(tmp_path, max_bytes=500) as all_:
        log = Log(Dialect.OPENAI_CHAT)
        for _ in range(20):
            log.append(b"x" * 60)
        all_.begin(log, head(), lambda: NOTHING)
        log.append(b"more")
        (report,) = await all_.of("key:a")
    assert (report.status, report.reason, report.last_seq) == ("truncated", "too_large", 5)


async def go_on(log: Log, count: int) -> None:
    """Let so many events come, one by one."""
    for _ in range(count):
        log.append(b"x" * 100)
        await asyncio.sleep(0.005)


async def test_what_waits_for_the_disk_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often some is handed over before the disk has taken any: then the recording ends, and says why."""
    monkeypatch.setattr("narthex.streams.recordings.FLUSH_S", 0.001)
    monkeypatch.setattr("narthex.streams.recordings.MAX_WAITING_BYTES", 2_000)
    stuck, append = threading.Event(), RecordingFile.append

    def slow(file: RecordingFile, events: Iterable[tuple[int, int, bytes]]) -> None:
        stuck.wait(10)
        append(file, events)

    log = Log(Dialect.OPENAI_CHAT)
    async with recordings(tmp_path) as all_:
        all_.begin(log, head(), lambda: NOTHING)
        await all_.of("key:a")
        monkeypatch.setattr(RecordingFile, "append", slow)
        for _ in range(2):
            # The disk catches up: what it was behind by does not count for later.
            await go_on(log, 8)
            stuck.set()
            assert (await all_.of("key:a"))[0].status == "recording"
            stuck.clear()
        await go_on(log, 20)
        stuck.set()
        (report,) = await all_.of("key:a")
    assert (report.status, report.reason) == ("truncated", "disk")


async def test_an_open_file_stays_what_it_is(tmp_path: Path) -> None:
    """Also if its recording ends, or is deleted, meanwhile."""
    async with recordings(tmp_path) as all_:
        log = Log(Dialect.OPENAI_CHAT)
        all_.begin(log, head(), lambda: NOTHING)
        log.append(b"x")
        with await all_.open("key:a", "answer-1") as file:
            await all_.delete("key:a", "answer-1")
            assert len(file.readlines()) == 2
        with pytest.raises(RecordingNotFound):
            await all_.open("key:a", "answer-1")


async def test_nobody_finds_anothers(tmp_path: Path) -> None:
    """Whatever the ID looks like, and though both have the same."""
    async with recordings(tmp_path) as all_:
        await written(all_, head(owner="tenant:a"), b"data: a\n\n")
        await written(all_, head(owner="tenant:b"), b"data: b\n\n")
        assert [one.event for one in reading((await all_.find("tenant:b", "answer-1")).open("rb"))] == [b"data: b\n\n"]
        assert len(await all_.of("tenant:a")) == 1
        assert await all_.of("tenant:c") == []
        secret = tmp_path.parent / "secret.jsonl"
        secret.write_text("secret")
        for name in ("answer-2", "../secret", "..", "", "a/b", "answer-1\0", "x" * 200, "answer-1.jsonl", "*"):
            for owner in ("tenant:a", "tenant:c"):
                with pytest.raises(RecordingNotFound):
                    await all_.find(owner, name)
                with pytest.raises(RecordingNotFound):
                    await all_.delete(owner, name)
        with pytest.raises(RecordingNotFound):
            await all_.report("tenant:c", "answer-1")


async def test_a_file_under_anothers_name_is_not_given(tmp_path: Path) -> None:
    """Whoever moved it there: its first line says whose it is."""
    async with recordings(tmp_path) as all_:
        await written(all_, head(owner="tenant:a"), b"x")
        await written(all_, head(owner="tenant:b"), b"y")
        (await all_.find("tenant:a", "answer-1")).replace(await all_.find("tenant:b", "answer-1"))
        assert await all_.of("tenant:b") == []


async def test_the_oldest_of_an_owner_go_first(tmp_path: Path) -> None:
    """By number; another owner's stay."""
    async with recordings(tmp_path, max_recordings=2) as all_:
        await written(all_, head(owner="tenant:b"), b"x")
        for number in range(4):
            await written(all_, head(f"answer-{number}", at=number), b"x")
            file = await all_.find("key:a", f"answer-{number}")
            os.utime(file, (number, number))
        assert [one.id for one in await all_.of("key:a")] == ["answer-3", "answer-2"]
        assert len(await all_.of("tenant:b")) == 1


async def test_the_oldest_of_all_go_where_there_is_too_much(tmp_path: Path) -> None:
    """By bytes, whoever's they are."""
    async with recordings(tmp_path, max_bytes=2_000, max_total_bytes=4_000) as all_:
        for number in range(4):
            await written(all_, head(f"answer-{number}", owner=f"key:{number}", at=number), b"x" * 1_000)
            file = await all_.find(f"key:{number}", f"answer-{number}")
            os.utime(file, (number, number))
        left = [bool(await all_.of(f"key:{number}")) for number in range(4)]
    assert left == [False, False, True, True]
    assert len(list(files_in(tmp_path))) == 2


async def test_where_nothing_is_recorded_it_says_so(tmp_path: Path) -> None:
    """With the setting."""
    async with recordings(tmp_path, max_recordings=0) as all_:
        with pytest.raises(PermissionDenied, match="max_recordings"):
            await written(all_, head())


async def test_a_deleted_one_is_gone_though_its_stream_goes_on(tmp_path: Path) -> None:
    """Nothing of it is left, and nothing comes back."""
    async with recordings(tmp_path) as all_:
        log = Log(Dialect.OPENAI_CHAT)
        all_.begin(log, head(), lambda: NOTHING)
        log.append(b"x")
        await all_.delete("key:a", "answer-1")
        log.append(b"y")
        log.close()
        await asyncio.sleep(0)
        assert await all_.of("key:a") == []
    assert list(files_in(tmp_path)) == []


async def test_at_a_stop_what_runs_ends_and_says_so(tmp_path: Path) -> None:
    """What has ended by then is whole."""
    async with recordings(tmp_path) as all_:
        for name in ("answer-1", "answer-2"):
            log = Log(Dialect.OPENAI_CHAT)
            all_.begin(log, head(name), lambda: NOTHING)
            log.append(b"x")
        log.close()
    reports = {one.id: (one.status, one.reason) for one in await Recordings(tmp_path).of("key:a")}
    assert reports == {"answer-1": ("truncated", "stopped"), "answer-2": ("whole", None)}


async def test_a_disk_that_fails_ends_the_recording_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody who reads the stream hears of it."""
    blocked = tmp_path / "recordings"
    blocked.write_text("no folder")
    async with recordings(blocked) as all_:
        await written(all_, head(), b"x")
    assert "cannot be written" in caplog.text


async def test_a_new_stream_of_the_name_takes_its_place(tmp_path: Path) -> None:
    """The ID means the newest one, also while the older is still being written."""
    async with recordings(tmp_path) as all_:
        old = Log(Dialect.OPENAI_CHAT)
        all_.begin(old, head(), lambda: NOTHING)
        old.append(b"old")
        await written(all_, head(at=2), b"new")
        old.append(b"older")
        old.close()
        await asyncio.sleep(0)
        assert [one.event for one in reading((await all_.find("key:a", "answer-1")).open("rb"))] == [b"new"]
