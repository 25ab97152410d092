"""What of a stream goes into its recording beside its events."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from time import monotonic

import msgspec

from narthex.errors import NarthexError, StreamNotKept
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.handles import Answer, Question
from narthex.pipeline.owned import Owned
from narthex.pipeline.timeline import passage_of, seams_of, spans_of, timeline
from narthex.streams.keeping import numbered
from narthex.streams.log import Log, LogBounds
from narthex.streams.recording import RecordingHead
from narthex.streams.recording_files import Ending
from narthex.streams.recordings import Recordings
from narthex.tenancy.keeping import check_keeping
from narthex.tenancy.keys import Caller
from narthex.wire.sse import encode_event

logger = logging.getLogger(__name__)


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

    def record(self, owned: Owned, *, streamed: bool = True) -> None:
        """Record a stream, from the oldest event that is held to its end.

        Args:
            owned: The stream.
            streamed: Whether its caller was told it event by event.

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
            streamed=streamed,
        )

        def ending() -> Ending:
            return spans_of(owned), seams_of(log), msgspec.Raw(msgspec.json.encode(owned.report()))

        self.recordings.begin(log, head, ending)

    def record_whole(self, exchange: Exchange) -> None:
        """Record an answer that was not streamed, as a stream of one event; without room for it not.

        Args:
            exchange: Its call, which has ended.
        """
        answer, caller = exchange.answer, exchange.caller
        if answer is None or caller is None or not answer.whole:
            return
        event = numbered(exchange.id.encode(), 1, encode_event(answer.body))
        log = Log(exchange.dialect, LogBounds(max_bytes=len(event)))
        log.opened_at = exchange.received_at
        owned = Owned(exchange, id=exchange.id, owner=caller.owner, log=log)
        log.append(event)
        log.close()
        try:
            self.record(owned, streamed=False)
        except NarthexError as error:
            # It is kept beside the call, which has its answer.
            logger.info("the answer to request %s is not recorded: %s", exchange.id, error)

    def answers(self) -> Mapping[Question, Answer]:
        """Return what answers questions about how streams go."""
        return {"timeline": _told, "record": self._recorded}

    async def _recorded(self, owned: Owned, _: int) -> bytes:
        self.record(owned)
        return msgspec.json.encode(await self.recordings.report(owned.owner, owned.id))


async def _told(owned: Owned, buckets: int) -> bytes:
    passage = passage_of(owned, clock_s=monotonic())
    return await asyncio.to_thread(lambda: msgspec.json.encode(timeline(passage, buckets=buckets)))
