"""Recordings of streams, a file each in one folder: written while the stream goes on, found by their owner alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

from narthex.errors import PermissionDenied, StreamNotFound
from narthex.streams.log import Log
from narthex.streams.recording import SUFFIX, Reason, RecordingHead
from narthex.streams.recording_files import (
    Ending,
    RecordingFile,
    RecordingReport,
    file_at,
    files_in,
    make_room,
    remove,
    report_of,
)

FLUSH_S: Final = 0.1
MAX_WAITING_BYTES: Final = 8_388_608
"""What may wait for a slow disk, of one recording."""
_LINE_BYTES: Final = 40
"""What the line of an event takes up beside it."""
_NONE: Final = "no such recording of yours; `GET /v1/recordings` lists those there are"
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingLimits:
    """How much is recorded."""

    max_recordings: int = 100
    """Of one owner; the oldest go first. With none nothing is recorded."""
    max_bytes: int = 16_777_216
    """Of one recording."""
    max_total_bytes: int = 1_073_741_824
    """Of all; the oldest go first."""


class _Recording:
    """One stream that is being recorded."""

    def __init__(
        self,
        log: Log,
        file: RecordingFile,
        submit: Callable[..., object],
        limits: RecordingLimits,
        ending: Callable[[], Ending],
    ) -> None:
        self.file = file
        self.ended = False
        self.log = log
        self._submit = submit
        self._limits = limits
        self._ending = ending
        self._events: list[tuple[int, int, bytes]] = []
        self._waiting_bytes = self._total_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def note(self, seq: int, t_ms: int, event: bytes) -> None:
        """Take an event in."""
        size = len(event) + _LINE_BYTES
        if self._total_bytes + size > self._limits.max_bytes:
            self.finish("too_large")
            return
        self._total_bytes += size
        self._waiting_bytes += size
        self._events.append((seq, t_ms, event))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush)

    def finish(self, reason: Reason | None) -> None:
        """Record no further."""
        if self.ended:
            return
        self.leave()
        self.hand_over()
        self._submit(self.file.finish, reason, self._ending())

    def stop(self) -> None:
        """Record no further, wherever the stream is."""
        self.finish(None if self.log.closed else "stopped")

    def leave(self) -> None:
        """Follow the stream no longer."""
        self.ended = True
        self.log.on_event = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _flush(self) -> None:
        self._timer = None
        if self.file.failed or self._waiting_bytes > MAX_WAITING_BYTES:
            self.finish("disk")
            return
        self.hand_over()

    def hand_over(self) -> None:
        """Have written what is there."""
        events, self._events = self._events, []
        if events:
            self._submit(self._write, events, self._waiting_bytes)

    def _write(self, events: list[tuple[int, int, bytes]], size: int) -> None:
        self.file.append(events)
        self._waiting_bytes -= size


class Recordings:
    """All recordings of this server."""

    def __init__(self, folder: Path, limits: RecordingLimits | None = None) -> None:
        """Take the folder, which need not be there, and what may be in it."""
        self.limits = limits or RecordingLimits()
        self._folder = folder
        self._active: dict[Path, _Recording] = {}
        # One thread, so that what is written keeps its order; made when there is something to write.
        self._writer: ThreadPoolExecutor | None = None

    def begin(self, log: Log, head: RecordingHead, ending: Callable[[], Ending]) -> None:
        """Record a stream: what is held of it, and what comes; one that is being recorded goes on so.

        Args:
            log: The stream.
            head: Its first line.
            ending: Says what its last line tells of it.

        Raises:
            PermissionDenied: Nothing is recorded here.
        """
        self.check()
        path = self._path(head.owner, head.id)
        known = self._active.get(path)
        if known is not None and known.log is log:
            return
        if known is not None:
            known.stop()
        file = RecordingFile(path, head)
        recording = self._active[path] = _Recording(log, file, self._submit, self.limits, ending)
        self._submit(self._make_room, head.owner, {one.file.part for one in self._active.values()})
        self._submit(file.open)
        self._follow(log, recording, path)

    def check(self) -> None:
        """Make sure that streams are recorded at all.

        Raises:
            PermissionDenied: They are not.
        """
        if not self.limits.max_recordings:
            raise PermissionDenied("streams are not recorded on this server: `streams.max_recordings` is 0")

    async def of(self, owner: str) -> list[RecordingReport]:
        """Return an owner's recordings, the newest first."""
        await self._written()
        reports = await asyncio.to_thread(self._reports, owner)
        return sorted(reports, key=lambda one: (one.recorded_at, one.id), reverse=True)

    async def find(self, owner: str, id: str) -> Path:  # noqa: A002 - its name
        """Return the file of a recording; if it is being written, with all there is by now.

        Raises:
            StreamNotFound: There is none, or it is another's.
        """
        path = self._path(owner, id)
        # Twice: one that ends just now changes its name between the two questions.
        for _ in range(2):
            recording = self._active.get(path)
            if recording is not None:
                recording.hand_over()
            await self._written()
            found = await asyncio.to_thread(file_at, path, is_active=recording is not None)
            if found is not None:
                return found
        raise StreamNotFound(_NONE)

    async def report(self, owner: str, id: str) -> RecordingReport:  # noqa: A002 - its name
        """Return how a recording stands.

        Raises:
            StreamNotFound: There is none, or it is another's.
        """
        for _ in range(2):
            path = await self.find(owner, id)
            report = await asyncio.to_thread(report_of, path, owner, is_active=self._is_active(path))
            if report is not None:
                return report
        raise StreamNotFound(_NONE)

    async def delete(self, owner: str, id: str) -> None:  # noqa: A002 - its name
        """Delete a recording; one that is being written ends with that.

        Raises:
            StreamNotFound: There is none, or it is another's.
        """
        await self.find(owner, id)
        path = self._path(owner, id)
        recording = self._active.pop(path, None)
        if recording is not None:
            recording.leave()
            self._submit(recording.file.discard)
        await asyncio.wrap_future(self._submit(remove, path))

    async def aclose(self) -> None:
        """End what is being recorded, and wait until it is written."""
        for recording in list(self._active.values()):
            recording.stop()
        self._active.clear()
        if self._writer is not None:
            await asyncio.to_thread(self._writer.shutdown)

    # -- what is being written -------------------------------------------------------------------------------------

    def _follow(self, log: Log, recording: _Recording, path: Path) -> None:
        log.on_event = recording.note
        for number, (t_ms, event) in enumerate(zip(log.times_ms, log.held, strict=True), log.first_number):
            if not recording.ended and isinstance(event, bytes):
                recording.note(number, t_ms, event)
        loop = asyncio.get_running_loop()
        # Later: whoever settles the call still finds out what it consumed.

        def ended(_log: object) -> None:
            loop.call_soon(self._end, recording, path)

        log.on_close(ended)

    def _end(self, recording: _Recording, path: Path) -> None:
        recording.finish(None)
        if self._active.get(path) is recording:
            del self._active[path]

    def _submit(self, work: Callable[..., object], *values: object) -> Future[object]:
        if self._writer is None:
            self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recordings")
        return self._writer.submit(work, *values)

    async def _written(self) -> None:
        """Wait until all is in the files that was to be written by now."""
        if self._writer is not None:
            await asyncio.wrap_future(self._writer.submit(_nothing))

    # -- files -----------------------------------------------------------------------------------------------------

    def _path(self, owner: str, id: str) -> Path:  # noqa: A002 - its name
        """Return where a recording is: under a name that no ID leads out of, and no other owner's ID to.

        Raises:
            StreamNotFound: No stream has such an ID.
        """
        if not _ID.fullmatch(id):
            raise StreamNotFound(_NONE)
        # Some file systems take `A` for `a`: the digest does not.
        return self._folder / f"{_prefix(owner)}{id}-{_mark(id, 4)}{SUFFIX}"

    def _reports(self, owner: str) -> list[RecordingReport]:
        files = files_in(self._folder, _prefix(owner))
        found = (report_of(file, owner, is_active=self._is_active(file)) for file in files)
        return [one for one in found if one is not None]

    def _is_active(self, file: Path) -> bool:
        return any(one.file.part == file for one in list(self._active.values()))

    def _make_room(self, owner: str, active: set[Path]) -> None:
        """Delete the oldest recordings beyond what there may be, beside those that are being written."""
        limits, mine = self.limits, _prefix(owner)
        make_room(
            self._folder,
            mine,
            spared=active,
            keep=max(0, limits.max_recordings - sum(one.name.startswith(mine) for one in active)),
            free_below_bytes=max(0, limits.max_total_bytes - len(active) * limits.max_bytes),
        )


def _nothing() -> None:
    """Be done when everything before it is."""


def _prefix(owner: str) -> str:
    """Return how the names of all files of an owner's recordings begin."""
    return f"{_mark(owner, 8)}-"


def _mark(text: str, size_bytes: int) -> str:
    return blake2b(text.encode(), digest_size=size_bytes).hexdigest()
