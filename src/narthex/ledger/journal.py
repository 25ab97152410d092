"""What is not in the database yet, in memory-mapped files: a process that is killed leaves every record behind.

A record is written by two copies into a mapping, which costs about a microsecond and no call of the system. The pages
belong to the kernel, so `kill -9` at any instant loses nothing; the loss of power may lose what the kernel had not
written back, at most some seconds.

A record is its length and its checksum, each four bytes, then its payload. The head is written last: a record that was
cut by the end of its process is not there at all. Zeros end a file's records.

A file is used again when all in it is done, as its pages are in memory then, where those of a new file cost a fault
each. Zeros are written over it first: nothing is left there of persons who were erased. Whoever is killed in between,
or loses power when some of its pages were written back and others not, may leave earlier records to be found again.
These are in the database, and are never written there twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import mmap
import os
import secrets
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from zlib import crc32

SEGMENT_BYTES: Final = 4 * 1024 * 1024
_HEAD: Final = struct.Struct("<II")
_ZEROS: Final = bytes(64 * 1024)
"""In pieces of this size files are cleared: as much memory as a file is would be asked of the system each time."""
_LOCK: Final = "lock"
_SUFFIX: Final = ".journal"


class JournalFull(Exception):
    """There is no room on the disk for the journal, or it cannot be written."""


class Segment:
    """One file of a journal.

    Attributes:
        taken: Records in it that something is to be done about; counted by who writes.
        done: Those of them for which it is done; counted by who does it, so that nobody counts against another.
    """

    __slots__ = ("_map", "_path", "at", "done", "size", "taken")

    def __init__(self, path: Path, size: int) -> None:
        """Make a file of this size, all of it on the disk.

        Raises:
            JournalFull: There is no room for it.
        """
        self._path = path
        self.size = size
        self.at = self.taken = self.done = 0
        try:
            self._map = _mapped(path, size)
        except OSError as error:
            with contextlib.suppress(OSError):
                path.unlink()
            raise JournalFull(f"the journal of the ledger cannot be written: {error}") from error

    def write(self, payload: bytes | bytearray) -> int | None:
        """Write a record and return where it stands; None if it does not fit any more."""
        at, length = self.at, len(payload)
        end = at + 8 + length
        if end > self.size:
            return None
        mapped = self._map
        mapped[at + 8 : end] = payload
        _HEAD.pack_into(mapped, at, length, crc32(payload))
        self.at = end
        return at

    def read(self, at: int) -> bytes:
        """Return the record that stands there."""
        length, _ = _HEAD.unpack_from(self._map, at)
        return self._map[at + 8 : at + 8 + length]

    def reuse(self, path: Path) -> None:
        """Begin anew, under another name; only once all in it is done.

        Raises:
            OSError: It cannot be renamed.
        """
        self._path = self._path.rename(path)
        for start in range(0, self.at, len(_ZEROS)):
            end = min(start + len(_ZEROS), self.at)
            self._map[start:end] = _ZEROS[: end - start]
        self.at = self.taken = self.done = 0

    def close(self, *, remove: bool) -> None:
        """Let it go, and the file with it if that is wanted."""
        # Whoever comes late finds no room in it.
        self.size = 0
        self._map.close()
        if remove:
            self._path.unlink(missing_ok=True)


class Journal:
    """The journal of this process: a folder of its own, locked while the process lives."""

    def __init__(self, root: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Begin an empty one beside those of other processes.

        Raises:
            JournalFull: It cannot be written there.
        """
        self._segment_bytes = segment_bytes
        # Taken by two threads.
        self._numbers = itertools.count(1)
        self._closed = False
        self.folder, self._lock = _own(root)
        self._spare: Segment | None = None
        self._full: list[Segment] = []
        self.segment = self._new()

    def append(self, payload: bytes | bytearray) -> tuple[Segment, int]:
        """Write a record and return where it stands.

        Raises:
            JournalFull: There is no room for it.
        """
        segment = self.segment
        at = segment.write(payload)
        return self._turn(payload) if at is None else (segment, at)

    def turn(self) -> None:
        """Go on in another file, so that this one is removed when all in it is done.

        Raises:
            JournalFull: There is no room for it.
        """
        if self.segment.at:
            spare, self._spare = self._spare, None
            fresh = self._new() if spare is None else spare
            self._full.append(self.segment)
            self.segment = fresh

    @property
    def wants_spare(self) -> bool:
        """Whether the file at hand is so full that the next one is better made now, off the path of any call."""
        return self._spare is None and self.segment.at * 2 > self.segment.size

    def make_spare(self) -> None:
        """Make the next file ready; called by one thread only.

        Raises:
            JournalFull: There is no room for it.
        """
        self._spare = self._new()

    def sweep(self) -> None:
        """Use full files again for which all is done, or remove them; called by the one who does it."""
        for segment in [one for one in self._full if one.taken == one.done]:
            self._full.remove(segment)
            if self._spare is None and segment.size == self._segment_bytes:
                with contextlib.suppress(OSError):
                    segment.reuse(self._next_path())
                    self._spare = segment
                    continue
            segment.close(remove=True)

    def close(self, *, remove: bool) -> None:
        """Let everything go; the folder too if nothing in it is needed."""
        self._closed = True
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.close(remove=True)
        for segment in self._full:
            segment.close(remove=remove)
        self.segment.close(remove=remove)
        if remove:
            _remove(self.folder)
        os.close(self._lock)

    def _turn(self, payload: bytes | bytearray) -> tuple[Segment, int]:
        """Go on in the next file."""
        if self._closed:
            raise JournalFull("the journal of the ledger is closed")
        spare, self._spare = self._spare, None
        needed = len(payload) + 8
        if spare is not None and spare.size < needed:
            spare.close(remove=True)
            spare = None
        fresh = self._new(needed) if spare is None else spare
        self._full.append(self.segment)
        self.segment = fresh
        at = fresh.write(payload)
        assert at is not None
        return fresh, at

    def _next_path(self) -> Path:
        return self.folder / f"{next(self._numbers):08d}{_SUFFIX}"

    def _new(self, needed: int = 0) -> Segment:
        if not self.folder.is_dir():
            # Removed under us: what was in it is lost should we be killed, what comes is not.
            self.folder, self._lock = _again(self.folder, self._lock)
        return Segment(self._next_path(), max(self._segment_bytes, needed))


class Abandoned:
    """The journal of a process that is gone."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock

    def records(self) -> Iterator[bytes]:
        """Yield every whole record, in the order in which they were written."""
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            yield from _records(path.read_bytes())

    def close(self, *, remove: bool) -> None:
        """Let it go, and everything in it if that is in the database now."""
        if remove:
            for path in self.folder.glob(f"*{_SUFFIX}"):
                path.unlink(missing_ok=True)
            _remove(self.folder)
        os.close(self._lock)


def abandoned(root: Path) -> Iterator[Abandoned]:
    """Yield the journals of processes that are gone, each locked against others who look for them too."""
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        lock = _locked(folder)
        if lock is not None:
            yield Abandoned(folder, lock)


def left_in(root: Path) -> Iterator[tuple[Path, list[bytes]]]:
    """Yield every file of every journal with its whole records, of processes that live as well; nothing is changed."""
    for path in sorted(root.glob(f"*/*{_SUFFIX}")):
        with contextlib.suppress(FileNotFoundError):
            yield path, list(_records(path.read_bytes()))


def ends(path: Path) -> bool:
    """Tell whether there is nothing behind the whole records of a file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return True
    length = sum(len(record) + 8 for record in _records(data))
    # A record that is being written, or was when its process was killed, has no head yet.
    return not any(data[length : length + 8])


def _own(root: Path) -> tuple[Path, int]:
    """Make a folder that is locked by us, and return it with its lock.

    Raises:
        JournalFull: It cannot be made.
    """
    while True:
        folder = root / f"{os.getpid()}-{secrets.token_hex(6)}"
        try:
            folder.mkdir(parents=True, mode=0o700)
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise JournalFull(f"the journal of the ledger cannot be written: {error}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Taken for one of a process that is gone, in the moment before it was locked; it is removed then.
            os.close(lock)
            continue
        if (folder / _LOCK).exists():
            return folder, lock
        os.close(lock)


def _again(folder: Path, lock: int) -> tuple[Path, int]:
    """Return another folder of our own in place of one that is gone, with its lock."""
    found = _own(folder.parent)
    os.close(lock)
    return found


def _locked(folder: Path) -> int | None:
    """Lock a folder; None if its process lives, or somebody else takes care of it."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    if not (folder / _LOCK).exists():
        # Somebody took care of it between the two steps.
        os.close(lock)
        return None
    return lock


def _records(data: bytes) -> Iterator[bytes]:
    at, size = 0, len(data)
    while at + 8 <= size:
        length, checksum = _HEAD.unpack_from(data, at)
        payload = data[at + 8 : at + 8 + length]
        if not length or len(payload) != length or crc32(payload) != checksum:
            return
        yield payload
        at += 8 + length


def _mapped(path: Path, size: int) -> mmap.mmap:
    """Return the mapping of a new file whose every block is on the disk: a full one is told now, not by a signal."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, size)
        else:
            os.write(descriptor, bytes(size))
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    (folder / _LOCK).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
