"""A file that was cut is told of as cut, wherever that was, and the server killed in the middle leaves such a one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from narthex.streams.playing import reading
from narthex.streams.recording import RecordingHead
from narthex.streams.recording_files import RecordingFile, file_at, files_in, make_room, remove, report_of

HEAD = RecordingHead(
    id="answer-1", owner="key:a", dialect="openai.chat", model="m", created_at=1, recorded_at=1, first_seq=1
)
KILLED = """
import os, sys
from pathlib import Path
sys.path[:0] = {path!r}
from narthex.streams.recording import RecordingHead
from narthex.streams.recording_files import RecordingFile

head = RecordingHead(
    id="answer-1", owner="key:a", dialect="openai.chat", model="m", created_at=1, recorded_at=1, first_seq=1
)
file = RecordingFile(Path({file!r}), head)
file.open()
file.append([(number, number * 10, b"data: %d\\n\\n" % number) for number in range(1, 4)])
os.kill(os.getpid(), {signal})
"""


def written(path: Path, events: int, *, size: int = 10) -> RecordingFile:
    """Write a recording that has no end yet."""
    file = RecordingFile(path, HEAD)
    file.open()
    file.append((number, number * 10, b"x" * size) for number in range(1, events + 1))
    return file


def test_a_whole_one_has_its_name_and_no_other(tmp_path: Path) -> None:
    """Until then it has another."""
    path = tmp_path / "a.jsonl"
    file = written(path, 3)
    assert (path.exists(), file_at(path)) == (False, file.part)
    file.finish(None, ((), (), msgspec.Raw(b"null")))
    assert list(files_in(tmp_path)) == [path]
    report = report_of(path, "key:a", is_active=False)
    assert report is not None
    assert (report.status, report.last_seq, report.duration_ms) == ("whole", 3, 30)


def test_killed_in_the_middle_it_is_known_as_cut(tmp_path: Path) -> None:
    """By whoever lists it and by whoever reads it."""
    path = tmp_path / "a.jsonl"
    script = KILLED.format(path=[one for one in sys.path if one], file=str(path), signal=int(signal.SIGKILL))
    ended = subprocess.run([sys.executable, "-c", script], check=False, timeout=50)
    assert ended.returncode == -signal.SIGKILL
    (left,) = files_in(tmp_path)
    report = report_of(left, "key:a", is_active=False)
    assert report is not None
    assert (report.status, report.reason, report.last_seq) == ("truncated", None, 3)
    reader = reading(left.open("rb"))
    assert [one.seq for one in reader] == [1, 2, 3]
    assert not reader.whole


@pytest.mark.parametrize("size", [10, 100_000])
def test_cut_at_any_byte_of_its_end_it_is_not_whole(tmp_path: Path, size: int) -> None:
    """Also where its last events are larger than what is looked at first."""
    path = tmp_path / "a.jsonl"
    written(path, 3, size=size).finish(None, ((), (), msgspec.Raw(b"null")))
    length = path.stat().st_size
    for cut in (1, 2, 50, 150, 400):
        os.truncate(path, length - cut)
        report = report_of(path, "key:a", is_active=False)
        if report is not None:
            assert report.status == "truncated", cut
            assert report.last_seq <= 3
    os.truncate(path, 20)
    assert report_of(path, "key:a", is_active=False) is None


def test_what_a_later_crash_left_does_not_stand_for_a_whole_one(tmp_path: Path) -> None:
    """The whole one is found; deleted, both are gone."""
    path = tmp_path / "a.jsonl"
    written(path, 3).finish(None, ((), (), msgspec.Raw(b"null")))
    written(path, 1).close()
    assert file_at(path) == path
    assert list(files_in(tmp_path)) == [path]
    remove(path)
    assert list(tmp_path.iterdir()) == []


def test_a_discarded_one_leaves_nothing(tmp_path: Path) -> None:
    """Whatever was written."""
    written(tmp_path / "a.jsonl", 3).discard()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_behind_a_failure(tmp_path: Path) -> None:
    """What is there stays, without an end."""
    file = written(tmp_path / "a.jsonl", 1)
    os.close(file._descriptor)
    file.append([(2, 2, b"x")])
    assert file.failed
    file.append([(3, 3, b"x")])
    file.finish(None, ((), (), msgspec.Raw(b"null")))
    assert list(tmp_path.iterdir()) == [file.part]
    assert [one.seq for one in reading(file.part.open("rb"))] == [1]


def test_room_is_made_from_the_oldest_on(tmp_path: Path) -> None:
    """What is being written is spared, and counts."""
    for number in range(5):
        file = tmp_path / f"a-{number}.jsonl"
        file.write_bytes(b"x" * 100)
        os.utime(file, (number, number))
    make_room(tmp_path, "a-", spared={tmp_path / "a-0.jsonl"}, keep=3, free_below_bytes=250)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a-0.jsonl", "a-3.jsonl", "a-4.jsonl"]
