"""The streams of other processes that are read here, each followed once, for as long as somebody reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import Final

import msgspec

from narthex.errors import NarthexError, Overloaded, ProducerLost, StreamExpired, StreamNotFound, StreamUnreachable
from narthex.pipeline.handles import error_of
from narthex.pipeline.owned import StreamReport
from narthex.pipeline.writing import error_frames
from narthex.stores.redis_streams import StreamStore
from narthex.stores.stream_records import Entry, StreamFacts, StreamKey
from narthex.streams.keeping import numbered
from narthex.streams.log import Log, LogBounds
from narthex.streams.mirror import Mirror
from narthex.types.dialects import Dialect

IDLE_S: Final = 10.0
"""How long one is followed that nobody reads."""
MAX_FOLLOWED: Final = 2_000
_AT_ONCE: Final = 1_000
"""Events that are taken in before others have their turn: a millisecond and a half."""
decode_report = msgspec.json.Decoder(StreamReport).decode


class Followed:
    """A stream of another process that is read here."""

    __slots__ = ("facts", "mirror", "read_at", "seen")

    def __init__(self, facts: StreamFacts, mirror: Mirror, clock: Callable[[], float]) -> None:
        self.facts = facts
        self.mirror = mirror
        self.seen = f"{mirror.last}-0"
        """The last entry that came of it."""
        self.read_at = clock()
        """When somebody was last known to read it."""

    def take(self, entries: Sequence[Entry]) -> bool:
        """Take in what is new; False if what was between that and what came before is gone."""
        for entry in entries:
            if entry.report is not None:
                told = decode_report(entry.report).error
                self.mirror.end(None if told is None else error_of(told))
            elif not self.mirror.feed(entry.first, entry.events):
                return False
            self.seen = f"{entry.last}-{int(entry.report is not None)}"
        return True


class Mirroring:
    """All that are followed."""

    def __init__(
        self,
        *,
        bounds: Callable[[], LogBounds],
        weigh: Callable[[int], object],
        woken: Callable[[], None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Begin without any.

        Args:
            bounds: Says what may be held of one.
            weigh: Told how many bytes of memory are taken up more, or fewer.
            woken: Called when there is more to follow than a moment before.
            clock: Says the seconds.
        """
        self._bounds = bounds
        self._weigh = weigh
        self._woken = woken
        self._clock = clock
        self._followed: dict[StreamKey, Followed] = {}

    def __len__(self) -> int:
        return len(self._followed)

    async def open(self, store: StreamStore, key: StreamKey) -> Followed:
        """Follow a stream, if that is not done yet, and return it with all that is there of it.

        Raises:
            StreamNotFound: There is none.
            StreamExpired: Its events are gone.
            Overloaded: As many are followed as may be.
        """
        known = self._followed.get(key)
        if known is None:
            if len(self._followed) >= MAX_FOLLOWED:
                raise Overloaded("this server reads as many streams of others as it may", retry_after_s=1)
            facts, entries = await store.whole(key)
            if facts is None:
                raise StreamNotFound
            if not entries and facts.ended:
                raise StreamExpired
            known = self._followed.get(key) or await self._begin(key, facts, entries)
        known.read_at = self._clock()
        return known

    def wanted(self) -> dict[StreamKey, str]:
        """Return what is waited for, with the last entry of each that came."""
        return {
            key: one.seen for key, one in self._followed.items() if not one.mirror.log.closed and not one.mirror.held
        }

    def took(self, key: StreamKey, entries: Sequence[Entry]) -> None:
        """Take in what is new of a stream."""
        one = self._followed.get(key)
        if one is not None and not one.take(entries):
            self._drop(key)

    def by_node(self) -> dict[str, list[tuple[StreamKey, StreamFacts]]]:
        """Return those that have not ended, by the processes that write them."""
        found: dict[str, list[tuple[StreamKey, StreamFacts]]] = {}
        for key, one in self._followed.items():
            if not one.mirror.log.closed:
                found.setdefault(one.facts.node, []).append((key, one.facts))
        return found

    def lost(self, key: StreamKey) -> None:
        """End one of which nothing is left anywhere."""
        one = self._followed.get(key)
        if one is not None and not one.mirror.log.closed:
            log, error = one.mirror.log, ProducerLost()
            log.append(last_words(key.id, one.facts, log.last_number + 1, error))
            log.close(error)

    def tidy(self) -> None:
        """Let go of those that nobody reads."""
        now = self._clock()
        for key, one in list(self._followed.items()):
            if one.mirror.log.readers:
                one.read_at = now
            elif now - one.read_at > IDLE_S:
                self._drop(key)

    def drop_all(self) -> None:
        """Let all readers of streams go that have not ended: nobody knows how those go on."""
        for key, one in list(self._followed.items()):
            if not one.mirror.log.closed:
                self._drop(key)

    def forget(self, key: StreamKey) -> None:
        """Hold a stream no longer."""
        if key in self._followed:
            self._drop(key)

    async def _begin(self, key: StreamKey, facts: StreamFacts, entries: Sequence[Entry]) -> Followed:
        run = list(_last_run(entries))
        after = run[0].first - 1 if run else facts.last
        log = Log(Dialect(facts.dialect), self._bounds(), first_number=after + 1, weigh=self._weigh)
        one = Followed(facts, Mirror(log, self._woken), self._clock)
        known = None
        try:
            for part in _parts(run):
                one.take(part)
                # A long one takes a while, in which others have their turn.
                await asyncio.sleep(0)
            known = self._followed.setdefault(key, one)
        finally:
            if known is not one:
                # Another was quicker, or nobody wants it any more.
                self._weigh(-log.held_bytes)
        self._woken()
        assert known is not None
        return known

    def _drop(self, key: StreamKey) -> None:
        one = self._followed.pop(key)
        log = one.mirror.log
        one.mirror.drop()
        if not log.closed:
            # Whoever comes to it now is to hear that this is no end.
            log.tells_error = False
            log.close(StreamUnreachable())
        self._weigh(-log.held_bytes)


def _last_run(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Return the entries behind the last gap."""
    start, last = 0, -1
    for index, entry in enumerate(entries):
        if entry.report is None:
            if entry.first > last + 1:
                start = index
            last = entry.last
    return iter(entries[start:])


def _parts(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Cut entries into parts of some events each."""
    start = size = 0
    for index, entry in enumerate(entries, 1):
        size += len(entry.events)
        if size >= _AT_ONCE:
            yield entries[start:index]
            start, size = index, 0
    if start < len(entries):
        yield entries[start:]


def last_words(name: str, facts: StreamFacts, number: int, error: NarthexError) -> bytes:
    """Return the event that ends a stream with an error, in its caller's dialect."""
    return numbered(name.encode(), number, error_frames(Dialect(facts.dialect), error, facts.request))


def beyond(name: str, facts: StreamFacts, after: int) -> Log:
    """Return the end of a stream whose process died, for one who has read more of it than was ever copied."""
    log, error = Log(Dialect(facts.dialect), first_number=after + 1), ProducerLost()
    log.append(last_words(name, facts, after + 1, error))
    log.close(error)
    return log
