"""The third tier: entries in a file of SQLite or in a PostgreSQL, which are there again after a start.

Nobody waits for it beyond its budget, and a call never fails for it: a look is done in a thread, what is put is written
beside the calls, in groups. Of a file only this process's own keys are looked up: what it does not know is not there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from narthex.cache.entries import CorruptEntry, Entry
from narthex.cache.tier_figures import TierFigures
from narthex.cache.tiers.disk_dictionaries import DiskDictionaries
from narthex.cache.tiers.packing import Packing, dictionary_from
from narthex.cache.tiers.presence import Presence
from narthex.cache.tiers.sql_rows import Changes, Row, SqlRows
from narthex.errors import DictionaryMissing, FrameUnreadable

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 1_024
"""Entries that wait to be written."""
MAX_WAITING_BYTES: Final = 33_554_432
SLOW_TIMES: Final = 3
"""After so many looks in succession that took too long it is left alone."""
REST_S: Final = 5.0
"""For so long."""
_MAX_ASKED: Final = 32
"""Looks at once; further ones find nothing."""
_GROUP: Final = 256
_LOGGED_EVERY_S: Final = 60.0

T = TypeVar("T")


class _Unread(Exception):
    """A look took too long, or failed."""


class DiskTier:
    """Entries in a database.

    Attributes:
        known: Tells the last declaration that is known; what lies where there is a later one is not given before.
        max_bytes: Of entries, as they lie there.
        is_shared: Whether other processes put entries there, too.
        broken: What went wrong with a look, until it is open again.
        waits: Set while there is something to write.
    """

    def __init__(
        self,
        packing: Packing,
        *,
        name: str,
        max_bytes: int,
        budget_s: float,
        shared: bool,
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1_000),
    ) -> None:
        """Prepare; it is of use while it is open.

        Args:
            packing: Makes entries smaller.
            name: `sqlite` or `postgresql`.
            max_bytes: Of entries, as they lie there.
            budget_s: How long a look may take.
            shared: Whether other processes put entries there, too.
            clock: Says the seconds.
            now_ms: Says the milliseconds of Unix time.
        """
        self.name = name
        self.figures = TierFigures()
        self.figures.max_bytes = max_bytes
        self.budget_s, self.max_bytes = budget_s, max_bytes
        self.known: Callable[[], int] | None = None
        self.waits = asyncio.Event()
        self._packing = packing
        self._clock, self._now_ms = clock, now_ms
        self.is_shared = shared
        self.broken: Exception | None = None
        self._presence = None if shared else Presence()
        self._rows: SqlRows | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._waiting: dict[bytes, Entry] = {}
        self._waiting_bytes = 0
        self._removed: set[bytes] = set()
        self._used: dict[bytes, int] = {}
        self._cleared: list[str | None] = []
        self._dictionaries = DiskDictionaries(packing, shared=shared)
        self._asking = 0
        self._slow, self._rests_until = 0, 0.0
        self._logged_at = -_LOGGED_EVERY_S

    # -- its life --------------------------------------------------------------------------------------------------

    def opened(self, rows: SqlRows, readers: ThreadPoolExecutor, keys: Presence | None) -> None:
        """Look there from now on.

        Args:
            rows: A connection that only reads.
            readers: The thread that uses it.
            keys: What is there; None where others put entries there, too.
        """
        self._rows, self._readers = rows, readers
        if self._presence is not None and keys is not None:
            self._presence = keys
        self._slow, self._rests_until, self.broken = 0, 0.0, None

    @property
    def is_open(self) -> bool:
        """Whether entries may be found."""
        return self._rows is not None

    @property
    def has_waiting(self) -> bool:
        """Whether there is something to write."""
        return bool(self._waiting or self._removed or self._cleared or self._used)

    def left(self) -> None:
        """Look there no more."""
        self._rows = None

    def failed(self, error: Exception) -> None:
        """Say in the log that something went wrong, once in a while."""
        self.figures.failures += 1
        if self._clock() - self._logged_at >= _LOGGED_EVERY_S:
            self._logged_at = self._clock()
            logger.warning("cache: %s: %s; what lies there is not given until it is well again", self.name, error)

    # -- looking -----------------------------------------------------------------------------------------------------

    async def get(self, key: bytes) -> Entry | None:
        """See `Tier`."""
        waiting = self._waiting.get(key)
        if waiting is not None:
            return waiting
        rows = self._rows
        if rows is None or key in self._removed or self._asking >= _MAX_ASKED or self._clock() < self._rests_until:
            return None
        if self._presence is not None and not self._presence.may_have(key):
            return None
        cleared = tuple(self._cleared)
        try:
            entry = await self._found(rows, key)
        except _Unread:
            return None
        if entry is None or any(scope in {None, entry.scope} for scope in (*cleared, *self._cleared)):
            # It is about to go.
            return None
        return entry

    async def _found(self, rows: SqlRows, key: bytes) -> Entry | None:
        found = await self._read(rows.get, key)
        if found is None or (self.known is not None and found[1] > self.known()):
            # What others have declared void since is heard in a moment.
            return None
        try:
            entry = await self._unpacked(rows, found[0], key)
        except (CorruptEntry, FrameUnreadable) as error:
            self.figures.failures += 1
            logger.warning("cache: an entry in %s is given up: %s", self.name, error)
            await self.remove([key])
            return None
        self._used[key] = self._now_ms()
        return entry

    async def _unpacked(self, rows: SqlRows, value: bytes, key: bytes) -> Entry:
        """Read an entry, if need be with the dictionary of another process; raises as `Packing.read` does."""
        try:
            return await self._packing.read(value, key)
        except DictionaryMissing:
            name = self._packing.dictionary_name(value)
            told = await self._read(rows.dictionary, name) if self.is_shared else None
            if told is None:
                raise
            await self._packing.learn(dictionary_from(told, name))
            return await self._packing.read(value, key)

    async def _read(self, look: Callable[[bytes], T], key: bytes) -> T:
        """Look there in the thread for that.

        Raises:
            _Unread: It took too long, or failed.
        """
        asked = asyncio.get_running_loop().run_in_executor(self._readers, look, key)
        self._asking += 1
        asked.add_done_callback(self._answered)
        done, _ = await asyncio.wait((asked,), timeout=self.budget_s)
        if not done:
            self._late()
            raise _Unread
        self._slow = 0
        if asked.cancelled() or asked.exception() is not None:
            raise _Unread
        return asked.result()

    def _answered(self, asked: asyncio.Future[T]) -> None:
        self._asking -= 1
        error = None if asked.cancelled() else asked.exception()
        if isinstance(error, Exception):
            self.broken = error
            self.waits.set()

    def _late(self) -> None:
        self.figures.failures += 1
        self._slow += 1
        if self._slow >= SLOW_TIMES:
            self._slow, self._rests_until = 0, self._clock() + REST_S
            late_ms = self.budget_s * 1_000
            logger.warning("cache: %s does not answer within %g ms; it is left alone for a while", self.name, late_ms)

    # -- putting -----------------------------------------------------------------------------------------------------

    async def put(self, entry: Entry) -> None:
        """See `Tier`; it is written in a moment."""
        self._unwait(entry.key)
        size = entry.size_bytes
        if len(self._waiting) >= MAX_WAITING or self._waiting_bytes + size > MAX_WAITING_BYTES:
            self.figures.dropped += 1
            return
        self._waiting[entry.key] = entry
        self._waiting_bytes += size
        self.waits.set()

    async def remove(self, keys: Sequence[bytes]) -> None:
        """See `Tier`."""
        for key in keys:
            self._unwait(key)
            if self._presence is None or self._presence.may_have(key):
                self._removed.add(key)
        if self._removed:
            self.waits.set()

    async def clear(self, scope: str | None = None) -> None:
        """See `Tier`; until that is done nothing is given that lies there."""
        for entry in tuple(self._waiting.values()):
            if scope is None or entry.scope == scope:
                self._unwait(entry.key)
        self._cleared.append(scope)
        self.waits.set()

    def let_go(self, concerns: Callable[[Entry], bool]) -> None:
        """Write nothing of somebody that waits, and with no dictionary that others are thought to have."""
        for entry in tuple(self._waiting.values()):
            if concerns(entry):
                self._unwait(entry.key)
        self._dictionaries.forget()

    def _unwait(self, key: bytes) -> None:
        waiting = self._waiting.pop(key, None)
        if waiting is not None:
            self._waiting_bytes -= waiting.size_bytes

    async def write(self, rows: SqlRows, in_thread: Callable[[Callable[[], None]], asyncio.Future[None]]) -> None:
        """Write what waits.

        Args:
            rows: The connection that writes.
            in_thread: Does something in the thread that uses it.
        """
        self.waits.clear()
        while self._cleared:
            await in_thread(partial(rows.clear, self._cleared[0]))
            del self._cleared[0]
        while self._waiting or self._removed:
            await self._write_group(rows, in_thread)
        if self._used:
            used, self._used = self._used, {}
            await in_thread(partial(rows.write, Changes(used=[(at, key) for key, at in used.items()])))

    async def _write_group(
        self, rows: SqlRows, in_thread: Callable[[Callable[[], None]], asyncio.Future[None]]
    ) -> None:
        group, now_ms = list(self._waiting.values())[:_GROUP], self._now_ms()
        removed, put = tuple(self._removed), list[Row]()
        for entry in group:
            ends_ms = entry.made_ms + entry.kept_ms
            if ends_ms > now_ms:
                put.append(Row(entry.key, entry.scope, await self._packing.written(entry), ends_ms, now_ms))
        dictionaries = self._dictionaries.unwritten((row.value for row in put), now_ms)
        await in_thread(partial(rows.write, Changes(removed=removed, put=put, dictionaries=dictionaries)))
        self._dictionaries.written(dictionaries)
        self._removed.difference_update(removed)
        for entry in group:
            if self._presence is not None:
                self._presence.add(entry.key)
            if self._waiting.get(entry.key) is entry:
                self._unwait(entry.key)
        self.figures.written += len(put)
