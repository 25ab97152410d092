"""What of a stream goes into its recording beside its events."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from narthex.errors import StreamNotKept
from narthex.pipeline.owned import Owned
from narthex.pipeline.timeline import seams_of, spans_of
from narthex.streams.recording import RecordingHead
from narthex.streams.recording_files import Ending
from narthex.streams.recordings import Recordings


class Recorder:
    """Records streams of which that is asked."""

    def __init__(self, recordings: Recordings, *, now: Callable[[], float] = time.time) -> None:
        """Take where recordings are kept, and what says the time."""
        self.recordings = recordings
        self._now = now

    def record(self, owned: Owned) -> None:
        """Record a stream, from the oldest event that is held to its end.

        Raises:
            StreamNotKept: Its events are not kept.
            PermissionDenied: Nothing is recorded here.
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
        )

        def ending() -> Ending:
            return spans_of(owned), seams_of(log), msgspec.Raw(msgspec.json.encode(owned.report()))

        self.recordings.begin(log, head, ending)
