"""The journal."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from narthex.ledger.journal import Journal, JournalFull, Segment, abandoned, left_in


def left(root: Path) -> list[bytes]:
    """Return what processes that are gone have left, and leave it there."""
    found: list[bytes] = []
    for one in abandoned(root):
        found += one.records()
        one.close(remove=False)
    return found


def test_records_are_found_when_their_process_is_gone(tmp_path: Path) -> None:
    """In order, from every file."""
    journal = Journal(tmp_path, segment_bytes=128)
    written = [b"record %d" % number * 3 for number in range(20)]
    for record in written:
        segment, at = journal.append(record)
        segment.taken += 1
        assert segment.read(at) == record
    journal.close(remove=False)
    assert left(tmp_path) == written


def test_a_living_process_keeps_its_journal(tmp_path: Path) -> None:
    """Nobody takes over what somebody is still writing."""
    journal = Journal(tmp_path)
    journal.append(b"mine")
    assert left(tmp_path) == []
    journal.close(remove=True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_goes_when_it_is_full_and_all_is_done(tmp_path: Path) -> None:
    """Not before: one call that takes long holds its file alone. One is kept for what comes."""
    journal = Journal(tmp_path, segment_bytes=64)
    held = [journal.append(b"x" * 40)[0] for _ in range(3)]
    for segment in held:
        segment.taken += 1
    journal.append(b"y" * 40)
    journal.sweep()
    assert len(list(journal.folder.glob("*.journal"))) == 4
    for segment in held:
        segment.done += 1
    journal.sweep()
    assert len(list(journal.folder.glob("*.journal"))) == 2
    journal.close(remove=True)


def done_with(journal: Journal, record: bytes) -> None:
    """Write a record about which all is done at once."""
    segment, _ = journal.append(record)
    segment.taken += 1
    segment.done += 1


def test_a_file_is_used_again_and_has_new_records_alone(tmp_path: Path) -> None:
    """Its pages are in memory; what is left in it of longer records is not taken for one."""
    journal = Journal(tmp_path, segment_bytes=128)
    for number in range(50):
        done_with(journal, b"%d long enough" % number * 2)
        journal.sweep()
    assert len(list(journal.folder.glob("*.journal"))) <= 2
    written = [b"%d" % number for number in range(12)]
    for record in written:
        journal.append(record)[0].taken += 1
    journal.close(remove=False)
    found = left(tmp_path)
    assert found[-len(written) :] == written
    # Before these, what the file at hand still had.
    assert all(record.endswith(b"long enough") for record in found[: -len(written)])
    assert len(found) <= len(written) + 3


@settings(deadline=None, max_examples=50)
@given(lengths=some.lists(some.integers(1, 40), min_size=1, max_size=60))
def test_nothing_of_earlier_records_is_left(tmp_path_factory: pytest.TempPathFactory, lengths: list[int]) -> None:
    """However long they were: in a file that is used again stands what was written since, and nothing else."""
    root = tmp_path_factory.mktemp("journal")
    path = root / "1" / "1.journal"
    path.parent.mkdir()
    segment = Segment(path, 512)
    while segment.write(b"x" * 9) is not None:
        pass
    segment.reuse(path.with_name("2.journal"))
    written = [b"y" * length for length in lengths]
    fitting = [record for record in written if segment.write(record) is not None]
    segment.close(remove=False)
    assert not path.exists()
    ((_, found),) = left_in(root)
    assert found == fitting


def test_a_large_file_is_cleared_to_its_last_byte(tmp_path: Path) -> None:
    """Also what stands behind the first pieces that it is cleared by, and in the middle of the last one."""
    path = tmp_path / "1.journal"
    segment = Segment(path, 300_000)
    while segment.write(b"x" * 999) is not None:
        pass
    assert segment.at > 4 * 64 * 1024
    again = path.with_name("2.journal")
    segment.reuse(again)
    assert not any(again.read_bytes())
    segment.close(remove=True)


@settings(deadline=None, max_examples=60)
@given(
    chance=some.randoms(use_true_random=False), used_again=some.integers(0, 3), lengths=some.lists(some.integers(1, 60))
)
def test_whatever_pages_were_written_back_no_record_is_invented(
    tmp_path_factory: pytest.TempPathFactory, chance: random.Random, used_again: int, lengths: list[int]
) -> None:
    """Power is lost: each page of a file is that of any moment, of before it was used again too."""
    root = tmp_path_factory.mktemp("journal")
    path = root / "1" / "0.journal"
    path.parent.mkdir()
    segment = Segment(path, 640)
    moments, written = [path.read_bytes()], set[bytes]()
    for number in range(used_again + 1):
        if number:
            segment.reuse(path := path.with_name(f"{number}.journal"))
            moments.append(path.read_bytes())
        for place, length in enumerate(lengths):
            record = b"%d-%d." % (number, place) * length
            if segment.write(record) is not None:
                written.add(record)
                moments.append(path.read_bytes())
    segment.close(remove=False)
    pages = [chance.choice(moments)[at : at + 64] for at in range(0, 640, 64)]
    path.write_bytes(b"".join(pages))
    ((_, found),) = left_in(root)
    assert set(found) <= written


def test_killed_before_a_file_is_empty_its_records_are_found_again(tmp_path: Path) -> None:
    """They are in the database already; the next who comes finds them whole."""
    journal = Journal(tmp_path, segment_bytes=64)
    for number in range(2):
        done_with(journal, b"%d" % number * 40)
    (full,) = journal._full
    renamed = full._path.with_name("00000009.journal")
    full._path.rename(renamed)
    assert [record for _, records in left_in(tmp_path) for record in records] == [b"1" * 40, b"0" * 40]
    journal.close(remove=False)


def test_a_record_larger_than_a_file_has_one_of_its_own(tmp_path: Path) -> None:
    """Nothing is too large to be written down."""
    journal = Journal(tmp_path, segment_bytes=64)
    segment, at = journal.append(b"z" * 1_000)
    assert segment.read(at) == b"z" * 1_000
    journal.close(remove=False)
    assert left(tmp_path) == [b"z" * 1_000]


def wants(journal: Journal) -> bool:
    """Return whether it wants a file made ready."""
    return journal.wants_spare


def test_the_next_file_is_made_ready_in_time(tmp_path: Path) -> None:
    """Off the path of any call, when the one at hand is half full."""
    journal = Journal(tmp_path, segment_bytes=256)
    assert not wants(journal)
    journal.append(b"x" * 150)
    assert wants(journal)
    journal.make_spare()
    assert not wants(journal)
    before = len(list(journal.folder.glob("*.journal")))
    journal.append(b"x" * 150)
    assert len(list(journal.folder.glob("*.journal"))) == before
    journal.close(remove=True)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a file is made, and not by a signal in the middle of a record."""
    journal = Journal(tmp_path, segment_bytes=64)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    journal.append(b"x" * 40)
    with pytest.raises(JournalFull, match="No space left"):
        journal.append(b"y" * 40)
    monkeypatch.undo()
    journal.append(b"y" * 40)
    journal.close(remove=False)
    assert left(tmp_path) == [b"x" * 40, b"y" * 40]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The remedy is in the message of the system."""
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalFull, match="cannot be written"):
        Journal(tmp_path / "file")


@settings(deadline=None, max_examples=100)
@given(cut=some.integers(0, 200), flipped=some.none() | some.integers(0, 199))
def test_what_is_cut_or_spoiled_ends_the_records(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flipped: int | None
) -> None:
    """Whatever becomes of the bytes: what is read is what was written, up to the first spoiled record."""
    root = tmp_path_factory.mktemp("journal")
    journal = Journal(root, segment_bytes=256)
    written = [b"%02d" % number * 8 for number in range(8)]
    for record in written:
        journal.append(record)
    journal.close(remove=False)
    (path,) = journal.folder.glob("*.journal")
    data = bytearray(path.read_bytes()[:cut])
    if flipped is not None and flipped < len(data):
        data[flipped] ^= 0x40
    path.write_bytes(data)
    found = left(root)
    assert found == written[: len(found)]
    if flipped is None:
        assert len(found) == min(8, cut // 24)


_WRITER = """
import sys
from pathlib import Path
from narthex.ledger.journal import Journal
journal = Journal(Path(sys.argv[1]), segment_bytes=4096)
number = 0
while True:
    segment, _ = journal.append(b"%d" % number)
    segment.taken += 1
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    number += 1
"""


@pytest.mark.parametrize("after", [1, 7, 300, 900])
def test_kill_loses_nothing(tmp_path: Path, after: int) -> None:
    """What the process had told of before it was killed is all there, in order."""
    command = [sys.executable, "-c", _WRITER, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = 0
    for _ in range(after):
        told = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    told = max([told, *(int(line) for line in process.stdout.read().split("\n")[:-1] if line)])
    process.stdout.close()
    numbers = [int(record) for record in left(tmp_path)]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > told


def test_a_folder_that_is_removed_is_made_again(tmp_path: Path) -> None:
    """What is written from the next file on is found again."""
    root = tmp_path / "ledger"
    journal = Journal(root, segment_bytes=200)
    journal.append(b"a" * 50)
    shutil.rmtree(root)
    for number in range(20):
        journal.append(b"%04d" % number * 10)
    assert not list(abandoned(root))
    journal.close(remove=False)
    (left,) = abandoned(root)
    assert list(left.records())[-1] == b"0019" * 10
    left.close(remove=True)


def test_one_who_is_taken_for_gone_at_once_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the moment before a new folder is locked somebody else may lock it, to clear it away."""
    lock = fcntl.flock
    refusals = iter([BlockingIOError(), None])

    def busy(descriptor: int, how: int) -> None:
        refusal = next(refusals, None)
        if refusal is not None:
            raise refusal
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", busy)
    journal = Journal(tmp_path)
    journal.append(b"one")
    monkeypatch.undo()
    journal.close(remove=False)
    assert journal.folder.is_dir()


def test_files_made_by_two_threads_have_names_of_their_own(tmp_path: Path) -> None:
    """None of them is taken for the other, or removed in its place."""
    journal = Journal(tmp_path, segment_bytes=200)
    made: list[Segment] = []

    def make() -> None:
        made.extend(journal._new() for _ in range(100))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one._path for one in made}) == 400
    assert all(one._path.exists() for one in made)
    for one in made:
        one.close(remove=True)
    journal.close(remove=True)
    assert list(tmp_path.iterdir()) == []
