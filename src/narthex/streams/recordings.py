"""Recordings of streams, a file each in one folder: written while the stream goes on, found by their owner alone."""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, Final, TypeVar, cast

from narthex.errors import LimitExceeded, PermissionDenied, RecordingNotFound
from narthex.streams.log import Log
from narthex.streams.recording import SUFFIX, Reason, RecordingHead, head_line
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
from narthex.streams.recording_sizes import Found, RecordingSizes, found_in
from narthex.types.accounts import Account
from narthex.types.ids import files_of, mark_of
from narthex.types.stocks import Held

T = TypeVar("T")

FLUSH_S: Final = 0.1
MAX_WAITING_BYTES: Final = 8_388_608
"""What may wait for a slow disk, of one recording."""
_LINE_BYTES: Final = 40
"""What the line of an event takes up beside it."""
_LEAST_BYTES: Final = 512
"""Without room for so much nothing is begun: it is what the first and the last line take up."""
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
        *,
        held: Held,
    ) -> None:
        self.file = file
        self.held = held
        self.ended = False
        self.log = log
        self._submit = submit
        self._limits = limits
        self._ending = ending
        self._events: list[tuple[int, int, bytes]] = []
        self._total_bytes = 0
        self._handed_bytes = 0
        self._written_bytes = 0
        """Changed by the writer's thread alone, and the others by none but the loop's: neither waits for the other."""
        self._timer: asyncio.TimerHandle | None = None

    def catch_up(self, first: int) -> None:
        """Take in what the stream holds.

        Args:
            first: Number of the first event of it.

        There may be tens of thousands: they are looked at one by one where they are written.
        """
        times, events = self.log.times_ms[:], cast("tuple[bytes, ...]", self.log.held)
        count, self._total_bytes = len(events), sum(map(len, events)) + _LINE_BYTES * len(events)
        if self._total_bytes > self._limits.max_bytes:
            sums = [0, *accumulate(len(event) + _LINE_BYTES for event in events)]
            count = bisect_right(sums, self._limits.max_bytes) - 1
            self._total_bytes = sums[count]
        if not self.held.grow(self._total_bytes):
            self._total_bytes = 0
            self.finish("no_room")
            return
        self._hand_over(zip(range(first, first + count), times, events, strict=False))
        if count < len(events):
            self.finish("too_large")

    def note(self, seq: int, t_ms: int, event: bytes) -> None:
        """Take an event in."""
        size = len(event) + _LINE_BYTES
        if self._total_bytes + size > self._limits.max_bytes:
            self.finish("too_large")
            return
        if not self.held.grow(size):
            self.finish("no_room")
            return
        self._total_bytes += size
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
        if self.file.failed or self._total_bytes - self._written_bytes > MAX_WAITING_BYTES:
            self.finish("disk")
            return
        self.hand_over()

    def hand_over(self) -> None:
        """Have written what is there."""
        events, self._events = self._events, []
        if events:
            self._hand_over(events)

    def _hand_over(self, events: Iterable[tuple[int, int, bytes]]) -> None:
        size, self._handed_bytes = self._total_bytes - self._handed_bytes, self._total_bytes
        self._submit(self._write, events, size)

    def _write(self, events: Iterable[tuple[int, int, bytes]], size: int) -> None:
        self.file.append(events)
        self._written_bytes += size


class Recordings:
    """All recordings of this server."""

    def __init__(self, folder: Path, limits: RecordingLimits | None = None) -> None:
        """Take the folder, which need not be there, and what may be in it."""
        self.limits = limits or RecordingLimits()
        self.sizes = RecordingSizes()
        self.folder = self._folder = folder
        self._active: dict[Path, _Recording] = {}
        self._past: list[Held] = []
        """What was held for recordings that are written no further, until their files are counted."""
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
            LimitExceeded: There is no room for more.
        """
        self.check()
        path = self._path(head.owner, head.id)
        known = self._active.get(path)
        if known is not None and known.log is log:
            return
        held = self.sizes.storage.hold(head.account, len(head_line(head)))
        if known is not None:
            known.stop()
            self._past.append(known.held)
        file = RecordingFile(path, head)
        recording = self._active[path] = _Recording(log, file, self._submit, self.limits, ending, held=held)
        self._submit(self._make_room, head.owner, self._being_written())
        self._submit(file.open)
        self._look()
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
        # Behind all that is to be written by now, so that one that has ended is whole in its file.
        reports = await asyncio.wrap_future(self._submit(self._reports, owner, self._being_written()))
        return sorted(reports, key=lambda one: (one.recorded_at, one.id), reverse=True)

    async def find(self, owner: str, id: str) -> Path:  # noqa: A002 - its name
        """Return the file of a recording; if it is being written, with all there is by now.

        Raises:
            RecordingNotFound: There is none, or it is another's.
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
        raise RecordingNotFound

    async def open(self, owner: str, id: str) -> BinaryIO:  # noqa: A002 - its name
        """Return the file of a recording, opened: it stays what it is, also if it ends or is deleted meanwhile.

        Raises:
            RecordingNotFound: There is none, or it is another's.
        """
        for _ in range(2):
            path = await self.find(owner, id)
            with suppress(FileNotFoundError):
                return await asyncio.to_thread(path.open, "rb")
        raise RecordingNotFound

    async def report(self, owner: str, id: str) -> RecordingReport:  # noqa: A002 - its name
        """Return how a recording stands.

        Raises:
            RecordingNotFound: There is none, or it is another's.
        """
        for _ in range(2):
            path = await self.find(owner, id)
            is_active = path in self._being_written()
            report = await asyncio.wrap_future(self._submit(partial(report_of, path, owner, is_active=is_active)))
            if report is not None:
                return report
        raise RecordingNotFound

    async def delete(self, owner: str, id: str) -> None:  # noqa: A002 - its name
        """Delete a recording; one that is being written ends with that.

        Raises:
            RecordingNotFound: There is none, or it is another's.
        """
        await self.find(owner, id)
        path = self._path(owner, id)
        recording = self._active.pop(path, None)
        if recording is not None:
            recording.leave()
            self._past.append(recording.held)
            self._submit(recording.file.discard)
        self._submit(remove, path)
        await self.look()

    async def room(self, account: Account) -> None:
        """Make sure that there is room for one more.

        Raises:
            LimitExceeded: There is none; what is being recorded is counted as far as it is.
        """
        try:
            self.sizes.storage.hold(account, _LEAST_BYTES).release()
        except LimitExceeded:
            # Others may have taken files away.
            await self.look()
            self.sizes.storage.hold(account, _LEAST_BYTES).release()

    async def look(self) -> None:
        """Count what is there by now."""
        if self._writer is not None or await asyncio.to_thread(self._folder.is_dir):
            # The loop is told what was found before it is told that the look is over.
            await asyncio.wrap_future(self._look())

    async def aclose(self) -> None:
        """End what is being recorded, and wait until it is written."""
        for recording in list(self._active.values()):
            recording.stop()
        self._active.clear()
        if self._writer is not None:
            await asyncio.to_thread(self._writer.shutdown)

    # -- what is being written -------------------------------------------------------------------------------------

    def _follow(self, log: Log, recording: _Recording, path: Path) -> None:
        recording.catch_up(log.first_number)
        if not recording.ended:
            log.on_event = recording.note
        loop = asyncio.get_running_loop()
        # Later: whoever settles the call still finds out what it consumed.

        def ended(_log: object) -> None:
            loop.call_soon(self._end, recording, path)

        log.on_close(ended)

    def _end(self, recording: _Recording, path: Path) -> None:
        recording.finish(None)
        if self._active.get(path) is recording:
            del self._active[path]
            self._past.append(recording.held)
            self._look()

    def _look(self) -> Future[None]:
        """Have the files counted when all is written that was to be by now."""
        known, past, self._past = self.sizes.known, self._past, []
        spared = self._being_written()
        loop = asyncio.get_running_loop()

        def look() -> None:
            found = found_in(self._folder, known, spared)
            with suppress(RuntimeError):
                # A loop that is closed counts nothing any more.
                loop.call_soon_threadsafe(self._looked, found, past)

        return self._submit(look)

    def _looked(self, found: Found, past: list[Held]) -> None:
        for held in past:
            held.release()
        being_written = self._being_written()
        self.sizes.adopt({file: one for file, one in found.items() if file not in being_written})

    def _submit(self, work: Callable[..., T], *values: object) -> Future[T]:
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
            RecordingNotFound: No stream has such an ID.
        """
        if not _ID.fullmatch(id):
            raise RecordingNotFound
        # Some file systems take `A` for `a`: the digest does not.
        return self._folder / f"{files_of(owner)}{id}-{mark_of(id, 4)}{SUFFIX}"

    def _reports(self, owner: str, active: set[Path]) -> list[RecordingReport]:
        files = files_in(self._folder, files_of(owner))
        found = (report_of(file, owner, is_active=file in active) for file in files)
        return [one for one in found if one is not None]

    def _being_written(self) -> set[Path]:
        return {one.file.part for one in self._active.values()}

    def _make_room(self, owner: str, active: set[Path]) -> None:
        """Delete the oldest recordings beyond what there may be, beside those that are being written."""
        limits, mine = self.limits, files_of(owner)
        make_room(
            self._folder,
            mine,
            spared=active,
            keep=max(0, limits.max_recordings - sum(one.name.startswith(mine) for one in active)),
            free_below_bytes=max(0, limits.max_total_bytes - len(active) * limits.max_bytes),
        )


def _nothing() -> None:
    """Be done when everything before it is."""
