"""What of a stream goes into its recording beside its events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from time import monotonic

import msgspec

from narthex.errors import StreamNotKept
from narthex.pipeline.handles import Answer, Question
from narthex.pipeline.owned import Owned
from narthex.pipeline.timeline import passage_of, seams_of, spans_of, timeline
from narthex.streams.recording import RecordingHead
from narthex.streams.recording_files import Ending
from narthex.streams.recordings import Recordings
from narthex.tenancy.keeping import check_keeping
from narthex.tenancy.keys import Caller


class Recorder:
    """Records streams of which that is asked."""

    def __init__(self, recordings: Recordings, *, now: Callable[[], float] = time.time) -> None:
        """Take where recordings are kept, and what says the time."""
        self.recordings = recordings
        self._now = now

    async def check(self, caller: Caller | None) -> None:
        """Make sure that a stream of a caller can be recorded.

        Raises:
            PermissionDenied: Nothing is recorded here, or its workspace keeps nothing.
            LimitExceeded: Its workspace or organisation has as much stored as it may have.
        """
        self.recordings.check()
        if caller is not None:
            check_keeping(caller)
            await self.recordings.room(caller.account)

    def record(self, owned: Owned) -> None:
        """Record a stream, from the oldest event that is held to its end.

        Raises:
            StreamNotKept: Its events are not kept.
            PermissionDenied: Nothing is recorded here.
            LimitExceeded: There is no room for it.
        """
        log = owned.log
        if log is None:
            raise StreamNotKept
        report = owned.report()
        head = RecordingHead(
            id=owned.id,
            owner=owned.owner,
            dialect=report.dialect,
            model=report.model,
            created_at=owned.created_at,
            recorded_at=int(self._now()),
            first_seq=log.first_number,
            organisation_id=owned.account.organisation_id,
            workspace_id=owned.account.workspace_id,
        )

        def ending() -> Ending:
            return spans_of(owned), seams_of(log), msgspec.Raw(msgspec.json.encode(owned.report()))

        self.recordings.begin(log, head, ending)

    def answers(self) -> Mapping[Question, Answer]:
        """Return what answers questions about how streams go."""
        return {"timeline": _told, "record": self._recorded}

    async def _recorded(self, owned: Owned, _: int) -> bytes:
        self.record(owned)
        return msgspec.json.encode(await self.recordings.report(owned.owner, owned.id))


async def _told(owned: Owned, buckets: int) -> bytes:
    passage = passage_of(owned, clock_s=monotonic())
    return await asyncio.to_thread(lambda: msgspec.json.encode(timeline(passage, buckets=buckets)))
