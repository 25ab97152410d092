"""The files of recordings: how one is written so that only a whole one looks whole, and what is told of one.

A file is written under another name and gets its own when it has its end. What a crash leaves behind keeps that other
name, and has no end: it can be read, as what it is.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final, Literal

import msgspec

from narthex.streams.recording import (
    DIGEST_BYTES,
    SUFFIX,
    AttemptSpan,
    BrokenRecording,
    Reason,
    RecordingEnd,
    RecordingHead,
    SeamPlace,
    end_line,
    event_line,
    head_line,
    read_end,
    read_event,
    read_head,
)

_UNFINISHED: Final = ".part"
_TAIL_BYTES: Final = 65_536
_HEAD_BYTES: Final = 65_536

Status = Literal["recording", "whole", "truncated"]
Ending = tuple[tuple[AttemptSpan, ...], tuple[SeamPlace, ...], msgspec.Raw]
"""What the last line tells of a stream: `attempts`, `seams` and `report`."""

logger = logging.getLogger(__name__)


class RecordingReport(msgspec.Struct, frozen=True, kw_only=True):
    """How a recording stands."""

    id: str
    object: Literal["recording"] = "recording"
    status: Status
    reason: Reason | None
    """Why it is not whole, where it was ended and not cut."""
    model: str
    dialect: str
    streamed: bool
    """Whether the answer was; if not, its one event is the body that was sent."""
    created_at: int
    recorded_at: int
    first_seq: int
    last_seq: int
    duration_ms: int
    """Until the last event that is in it."""
    bytes: int


class RecordingFile:
    """The file of a recording that is being written; everything here runs in the writer's thread."""

    def __init__(self, path: Path, head: RecordingHead) -> None:
        self.path = path
        self.part = _part_of(path)
        self.failed = False
        self._head = head
        self._digest = blake2b(digest_size=DIGEST_BYTES)
        self._last_seq = head.first_seq - 1
        self._descriptor = -1

    def open(self) -> None:
        """Begin, with the first line."""
        with self._noticed():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            self._write(head_line(self._head))

    def append(self, events: Iterable[tuple[int, int, bytes]]) -> None:
        """Write events."""
        lines: list[bytes] = []
        for seq, t_ms, event in events:
            lines.append(event_line(seq, t_ms, event))
            self._last_seq = seq
        data = b"".join(lines)
        self._digest.update(data)
        with self._noticed():
            self._write(data)

    def finish(self, reason: Reason | None, ending: Ending) -> None:
        """Write the last line, and give the file its name."""
        if self.failed:
            return
        attempts, seams, report = ending
        end = RecordingEnd(
            whole=reason is None,
            reason=reason,
            events=self._last_seq - self._head.first_seq + 1,
            last_seq=self._last_seq,
            digest=self._digest.hexdigest(),
            attempts=attempts,
            seams=seams,
            report=report,
        )
        with self._noticed():
            self._write(end_line(end))
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
            self.part.replace(self.path)

    def discard(self) -> None:
        """Leave nothing behind."""
        self.close()
        self.part.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        if self.failed:
            return
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def close(self) -> None:
        """Write nothing more."""
        if self._descriptor >= 0:
            with suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1

    def _noticed(self) -> _Noticed:
        return _Noticed(self)


class _Noticed:
    """A failure of the disk ends the recording, and nothing else."""

    def __init__(self, file: RecordingFile) -> None:
        self._file = file

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, OSError):
            return False
        if not self._file.failed:
            self._file.failed = True
            self._file.close()
            logger.warning("recording %s cannot be written: %s; it stays without an end", self._file.part, error)
        return True


# -- what there is -----------------------------------------------------------------------------------------------------


def file_at(path: Path, *, is_active: bool = False) -> Path | None:
    """Return the file of a recording, whole or not; None if there is none."""
    part = _part_of(path)
    order = (part, path) if is_active else (path, part)
    return next((one for one in order if one.is_file()), None)


def remove(path: Path) -> None:
    """Delete a recording."""
    path.unlink(missing_ok=True)
    _part_of(path).unlink(missing_ok=True)


def files_in(folder: Path, prefix: str = "") -> Iterator[Path]:
    """Yield the files of recordings whose names begin so; one that a later attempt at it left behind is not told."""
    for file in folder.glob(f"{prefix}*{SUFFIX}*"):
        if file.name.endswith(SUFFIX) or (
            file.name.endswith(SUFFIX + _UNFINISHED) and not file.with_suffix("").is_file()
        ):
            yield file


def report_of(file: Path, owner: str, *, is_active: bool) -> RecordingReport | None:
    """Tell of a recording, by its first and its last lines; None if it is none of this owner's."""
    try:
        with file.open("rb") as opened:
            head = read_head(opened.readline(_HEAD_BYTES))
        lines = _last_lines(file)
    except (OSError, BrokenRecording):
        # Deleted meanwhile, or cut within its first line: there is nothing to tell of it.
        return None
    if head.owner != owner:
        return None
    end = read_end(lines[-1]) if lines else None
    last = next((event for event in map(read_event, reversed(lines)) if event is not None), None)
    return RecordingReport(
        id=head.id,
        status="recording" if is_active else "whole" if end is not None and end.whole else "truncated",
        reason=None if end is None else end.reason,
        model=head.model,
        dialect=head.dialect,
        streamed=head.streamed,
        created_at=head.created_at,
        recorded_at=head.recorded_at,
        first_seq=head.first_seq,
        last_seq=head.first_seq - 1 if last is None else last.seq,
        duration_ms=0 if last is None else last.t_ms,
        bytes=_size(file),
    )


def make_room(folder: Path, mine: str, *, spared: Collection[Path], keep: int, free_below_bytes: int) -> None:
    """Delete the oldest recordings beyond what there may be.

    Args:
        folder: Where they are.
        mine: How the names of one owner's begin.
        spared: Those that are being written.
        keep: How many that owner may have beside these.
        free_below_bytes: What all together may take up.
    """
    files = sorted((one for one in files_in(folder) if one not in spared), key=_age)
    own = [one for one in files if one.name.startswith(mine)]
    surplus = own[: max(0, len(own) - keep)]
    sizes = {one: _size(one) for one in files if one not in surplus}
    total = sum(sizes.values())
    for file, size in sizes.items():
        if total <= free_below_bytes:
            break
        surplus.append(file)
        total -= size
    for file in surplus:
        with suppress(OSError):
            file.unlink()


def _last_lines(file: Path) -> list[bytes]:
    """Return the lines at the end of a file: at least the last two, if there are, and whole."""
    size, take = _size(file), _TAIL_BYTES
    with file.open("rb") as opened:
        while True:
            opened.seek(max(0, size - take))
            lines = opened.read(take).splitlines(keepends=True)
            if take >= size:
                return lines[1:]
            # The first may lack its beginning, the last its end.
            if len(lines) > 3:
                return lines[1:]
            take *= 8


def _part_of(path: Path) -> Path:
    return path.with_name(path.name + _UNFINISHED)


def _size(file: Path) -> int:
    with suppress(OSError):
        return file.stat().st_size
    return 0


def _age(file: Path) -> float:
    with suppress(OSError):
        return file.stat().st_mtime
    return 0.0
