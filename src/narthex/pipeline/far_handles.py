"""A stream of another process in its owner's hand: read from what was copied, controlled by asking that process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from narthex.errors import NodeSilent, StreamEnded, StreamNotKept, StreamUnreachable
from narthex.pipeline.handles import Handle, Question, Word
from narthex.pipeline.mirroring import beyond, decode_report
from narthex.pipeline.owned import StreamReport
from narthex.stores.stream_records import StreamFacts, StreamKey
from narthex.streams.log import Log
from narthex.streams.mirror import Mirror

if TYPE_CHECKING:
    from narthex.pipeline.shared_streams import SharedStreams

COPIED_S: Final = 6.0
"""How long an event is waited for that was delivered, and not copied yet: longer than a dead process seems to live."""


class FarHandle:
    """A stream that another process writes, or wrote."""

    def __init__(self, streams: SharedStreams, key: StreamKey, facts: StreamFacts) -> None:
        self._streams = streams
        self._key = key
        self._facts = facts

    @property
    def id(self) -> str:
        """See `Handle`."""
        return self._key.id

    @property
    def digest(self) -> bytes:
        """See `Handle`."""
        return self._facts.digest

    @property
    def made_by(self) -> str:
        """See `Handle`."""
        return decode_report(self._facts.report).key_id if self._facts.report else ""

    async def read(self, after: int) -> Log:
        """See `Handle`.

        What was delivered by its process, and not copied yet, is waited for.
        """
        mirror = await self._streams.mirror(self._key)
        log = mirror.log
        if after > log.last_number and (not self._facts.ended or after <= self._facts.last):
            await self._caught_up(mirror, after)
            self._facts = await self._streams.facts(self._key)
        if self._facts.ended == "lost" and after >= self._facts.last:
            return beyond(self.id, self._facts, after)
        if after > log.last_number and isinstance(log.error, StreamUnreachable):
            # It was let go meanwhile: nobody knows what there is.
            raise StreamUnreachable(retry_after_s=1)
        log.check(after)
        return log

    async def tell(self, word: Word) -> StreamReport:
        """See `Handle`."""
        facts = self._facts
        if facts.ended:
            ended = decode_report(facts.report)
            if word != "report":
                raise StreamEnded(f"this stream has ended ({ended.status}): there is nothing left to control")
            return ended
        try:
            report = (await self._streams.ask(facts.node, self._key, word)).report
        except NodeSilent:
            if word != "report" or not facts.report:
                raise
            return decode_report(facts.report)
        assert report is not None, "only what is deleted has no report"
        return report

    async def ask(self, question: Question, number: int = 0) -> bytes:
        """See `Handle`."""
        node = self._facts.node
        if await self._streams.is_dead(node):
            raise StreamNotKept(
                f"that is known only to the process that wrote this stream, {node}, which is no more; its events, if "
                f"they are held, can be read at `GET /v1/streams/{self.id}?after=0`"
            )
        try:
            return (await self._streams.ask(node, self._key, question, number)).told
        except NodeSilent:
            raise NodeSilent(f"the process {node}, which has this stream, did not answer in time") from None

    async def _caught_up(self, mirror: Mirror, after: int) -> None:
        """Wait until there is such an event, or the end.

        Raises:
            CursorAhead: There is no such event yet.
            StreamUnreachable: It was not copied in time.
        """
        log = mirror.log
        if not self._facts.ended:
            await self._check_there(log, after)
        mirror.want(after)
        try:
            async with asyncio.timeout(COPIED_S):
                while log.last_number < after and not log.closed:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise StreamUnreachable(
                "this event was not copied by the process that writes the stream; try again in a moment",
                retry_after_s=1,
            ) from None

    async def _check_there(self, log: Log, after: int) -> None:
        """Make sure that there is such an event, as far as its process says."""
        try:
            report = (await self._streams.ask(self._facts.node, self._key, "report")).report
        except NodeSilent:
            # It may have died: that shows when its sign of life lapses.
            return
        if report is not None and report.last_seq < after:
            log.check(after)


_conforms: type[Handle] = FarHandle
