"""Copies what this process writes to where the others find it, in groups, and without anybody waiting for it.

Events are taken from the logs themselves: while the store is away they stay there, as long as logs hold them, and are
written down when it is back. What the store says it has is believed, whatever was believed before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

import msgspec

from narthex.pipeline.owned import Owned
from narthex.stores.link import raise_if_cancelled
from narthex.stores.redis_streams import ENDED, FOREIGN, Addition, Outcome, StreamStore
from narthex.stores.stream_records import Names, StreamKey
from narthex.streams.log import Log, events_behind

logger = logging.getLogger(__name__)

LINGER_S: Final = 0.01
"""How long events wait for others to go with them."""
_REPORT_EVERY_S: Final = 1.0
_MAX_GROUP: Final = 64
"""Streams written at one stroke."""
_MAX_EVENTS_BYTES: Final = 65_536
"""Of one stream at one stroke."""
_encode = msgspec.json.Encoder().encode


class Copy:
    """How far one stream is copied."""

    __slots__ = ("_dirty", "copied", "done", "fenced", "key", "log", "owned", "told_at", "unwatch")

    def __init__(self, owned: Owned, log: Log, key: StreamKey, dirty: Callable[[Copy], None]) -> None:
        self.owned = owned
        self.log = log
        self.key = key
        self.copied = 0
        """Number of the last event that is there."""
        self.told_at = 0.0
        """When it was last told how it stands."""
        self.done = False
        """Whether its end is there."""
        self.fenced = False
        """Whether others hold it for ended, or as theirs."""
        self._dirty = dirty
        self.unwatch = log.watch(self.wake)

    def wake(self) -> None:
        """Take note that there is more to be told."""
        self._dirty(self)

    @property
    def behind(self) -> int:
        """How many events are not there."""
        return 0 if self.fenced else max(0, self.log.given_number - self.copied)

    def addition(self, keep_s: float) -> Addition:
        """Return what is to be written down next."""
        log, owned = self.log, self.owned
        first, events = events_behind(log, self.copied, _MAX_EVENTS_BYTES)
        if log.halted and not log.closed:
            # Nobody is given more, here or elsewhere.
            events = events[: max(0, log.given_number - first + 1)]
        # Without events it is behind those that are forgotten, or never were: a log need not begin at 1.
        last = first + len(events) - 1
        ends = log.closed and last == log.last_number
        return Addition(
            key=self.key,
            expected=self.copied,
            last=last,
            held=log.first_number,
            events=events,
            digest=owned.digest,
            dialect=owned.dialect,
            request=owned.request_id,
            created_at=owned.created_at,
            began=owned.began,
            report=self._report(due=ends),
            keep_s=max(0.001, keep_s - owned.ended_for_s) if ends else None,
        )

    def _report(self, *, due: bool) -> bytes:
        now = monotonic()
        if not due and now - self.told_at < _REPORT_EVERY_S:
            return b""
        self.told_at = now
        # In between without what takes the longer to work out, the longer the stream is.
        return _encode(self.owned.report(with_gaps=due))


class Copying:
    """All that this process writes, on its way to the store.

    Attributes:
        events_total: Events that were written down.
    """

    def __init__(
        self,
        names: Names,
        node: str,
        *,
        keep_s: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Begin without any.

        Args:
            names: Where things are.
            node: Name of this process.
            keep_s: Says how long streams are held after their end.
            sleep: Waits for more to go with what there is.
        """
        self._names = names
        self._node = node
        self._keep_s = keep_s
        self._sleep = sleep
        self._copies: dict[StreamKey, Copy] = {}
        self._dirty: dict[StreamKey, Copy] = {}
        self._gone: dict[StreamKey, None] = {}
        self._work = asyncio.Event()
        self._busy = False
        self._letting_go = asyncio.Lock()
        self.events_total = 0

    # -- what is to be copied --------------------------------------------------------------------------------------

    def add(self, owned: Owned) -> None:
        """Copy a stream from now on."""
        log = owned.log
        assert log is not None, "what is not kept is not copied"
        key = self._names.key(owned.owner, owned.id)
        copy = self._copies[key] = Copy(owned, log, key, self._mark)
        copy.wake()

    def touch(self, owned: Owned) -> None:
        """Tell at once how a stream stands."""
        copy = self._copies.get(self._names.key(owned.owner, owned.id))
        if copy is not None:
            copy.told_at = 0.0
            copy.wake()

    def forget(self, key: StreamKey) -> None:
        """Hold a stream no longer, here or there."""
        copy = self._copies.pop(key, None)
        self._dirty.pop(key, None)
        if copy is not None:
            copy.unwatch()
        if copy is None or not copy.fenced:
            self._gone[key] = None
            self._work.set()

    def of(self, key: StreamKey) -> Owned | None:
        """Return a stream of this process."""
        copy = self._copies.get(key)
        return None if copy is None else copy.owned

    def recheck(self) -> None:
        """Look whether all is still there: the store was away, and may have lost what it had."""
        for copy in self._copies.values():
            copy.told_at, copy.done = 0.0, False
            self._mark(copy)
        if self._gone:
            self._work.set()

    @property
    def idle(self) -> bool:
        """Whether the store has been told everything."""
        return not (self._work.is_set() or self._dirty or self._gone or self._busy)

    @property
    def behind(self) -> tuple[int, int]:
        """How many streams are not wholly copied, and how many events of them."""
        lags = [copy.behind for copy in self._copies.values() if copy.behind or not copy.done]
        lags = [lag for lag in lags if lag]
        return len(lags), sum(lags)

    def _mark(self, copy: Copy) -> None:
        if not copy.fenced:
            self._dirty[copy.key] = copy
            self._work.set()

    # -- copying it ------------------------------------------------------------------------------------------------

    async def run(self, store: StreamStore) -> None:
        """Copy what there is, and what comes, until cancelled or the store fails."""
        while True:
            raise_if_cancelled()
            await self._work.wait()
            await self._sleep(LINGER_S)
            await self.flush(store)

    async def flush(self, store: StreamStore) -> None:
        """Copy what there is."""
        self._busy = True
        try:
            while self._work.is_set():
                self._work.clear()
                await self.let_go(store)
                while self._dirty:
                    await self._write(store)
                    # Before an ID is written anew, what it stood for is to be gone.
                    await self.let_go(store)
        finally:
            self._busy = False

    async def let_go(self, store: StreamStore) -> None:
        """Have the store forget what is forgotten here."""
        if not self._gone:
            return
        async with self._letting_go:
            while self._gone:
                gone, self._gone = self._gone, {}
                try:
                    await store.forget(self._node, list(gone))
                except BaseException:
                    self._gone = {**gone, **self._gone}
                    raise

    async def _write(self, store: StreamStore) -> None:
        """Write one group down."""
        copies = list(self._dirty.values())[:_MAX_GROUP]
        keep_s = self._keep_s()
        additions = [copy.addition(keep_s) for copy in copies]
        for copy in copies:
            del self._dirty[copy.key]
        try:
            told = await store.append(self._node, additions)
        except BaseException:
            for copy in copies:
                self._again(copy)
            raise
        for copy, addition, outcome in zip(copies, additions, told, strict=True):
            self._written(copy, addition, outcome)

    def _written(self, copy: Copy, addition: Addition, outcome: Outcome) -> None:
        """Go by what the store has."""
        there, taken = outcome
        if there in (FOREIGN, ENDED):
            self._fence(copy, there)
            return
        self.events_total += len(addition.events) if taken else 0
        copy.copied = there
        if not taken:
            copy.told_at = 0.0
        copy.done = taken and addition.keep_s is not None
        left = copy.log.closed and not copy.done
        if not taken or left or copy.behind:
            self._again(copy)

    def _fence(self, copy: Copy, there: int) -> None:
        copy.fenced = True
        why = "is another process's" if there == FOREIGN else "was ended there, while this process gave no sign of life"
        logger.warning("stream %s is not copied any more: in Redis it %s", copy.owned.id, why)

    def _again(self, copy: Copy) -> None:
        # Its ID may stand for another stream by now.
        if self._copies.get(copy.key) is copy:
            self._mark(copy)
