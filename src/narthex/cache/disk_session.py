"""The life of the tier on disk: opens it, writes what waits, hears what is void there, and comes back by itself.

Where no Redis numbers declarations the database does: they are there again after a start, and all who use it hear of
them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple, TypeVar

import msgspec

from narthex.cache.coherence import Coherence, Declaration, Told
from narthex.cache.entries import Entry
from narthex.cache.tiers.disk import DiskTier
from narthex.cache.tiers.packing import Packing
from narthex.cache.tiers.presence import Presence
from narthex.cache.tiers.sql_rows import Driver, Said, SqlRows

logger = logging.getLogger(__name__)

FOLLOW_S: Final = 0.5
"""How often it is looked what others have declared void."""
GROUP_S: Final = 0.1
"""For so long entries are gathered before they are written."""
SWEEP_S: Final = 30.0
"""How often it is looked what has ended, and what there is no room for."""
OPEN_S: Final = 60.0
"""How long it is waited for to be open where somebody is to be erased."""
FIRST_PAUSE_S: Final = 0.1
"""How long, at first, until it is tried again; it doubles each time up to the longest."""
LONGEST_PAUSE_S: Final = 30.0

T = TypeVar("T")
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Declaration).decode


class Place(NamedTuple):
    """Where the database is."""

    kind: str
    """`sqlite` or `postgresql`."""
    connect: Callable[[bool], Driver]
    """Makes a connection, one that writes or one that reads; in a thread."""
    mend: Callable[[Exception], bool]
    """Does something about a database that is damaged; tells whether it has."""
    line: str
    """Who gives out the numbers of declarations."""


class DiskSession:
    """Keeps the tier open for as long as `run` runs.

    Attributes:
        is_open: Whether it is.
    """

    def __init__(
        self,
        place: Place,
        tier: DiskTier,
        packing: Packing,
        coherence: Coherence | None,
        *,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1_000),
        group_s: float = GROUP_S,
    ) -> None:
        """Prepare; nothing is opened before `run`.

        Args:
            place: Where the database is.
            tier: The entries there.
            packing: Reads them.
            coherence: Knows what is void, if that is numbered there; None where others do it.
            now_ms: Says the milliseconds of Unix time.
            group_s: For how long entries are gathered before they are written.
        """
        self._place = place
        self._tier = tier
        self._packing = packing
        self._coherence = coherence
        self._writer = ThreadPoolExecutor(1, "narthex-cache-writes")
        self._reader = ThreadPoolExecutor(1, "narthex-cache-reads")
        self._rows: SqlRows | None = None
        # As the threads have made them: whoever ends this meanwhile closes them all the same.
        self._made: SqlRows | None = None
        self._reading: SqlRows | None = None
        self._swept_at = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._lock = asyncio.Lock()
        self._begun = asyncio.Event()
        self._now_ms, self._group_s = now_ms, group_s
        if coherence is not None:
            coherence.when_told = tier.waits.set
            tier.known = lambda: coherence.number
            # Of a file all who number are of this machine.
            coherence.began_us = 0 if tier.is_shared else int(time.time() * 1e6)

    @property
    def is_open(self) -> bool:
        """Whether entries may be found and written."""
        return self._rows is not None

    @property
    def has_begun(self) -> bool:
        """Whether all that waited for it was written once."""
        return self._swept_at > 0

    async def run(self) -> None:
        """Do so until cancelled; what waits then is written still."""
        try:
            while True:
                try:
                    await self._session()
                except Exception as error:  # noqa: BLE001 - the edge of this task: the database may do what it likes
                    is_mended = await self._broke(error)
                    await asyncio.sleep(FIRST_PAUSE_S if is_mended else self._pause_s)
                self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        finally:
            await self._end()

    async def _session(self) -> None:
        rows = await self._open()
        while True:
            if self._tier.broken is not None:
                raise self._tier.broken
            async with self._lock:
                await self._turn(rows)
            self._pause_s = FIRST_PAUSE_S
            with suppress(TimeoutError):
                async with asyncio.timeout(FOLLOW_S):
                    await self._tier.waits.wait()
            if self._coherence is None or not self._coherence.waiting:
                await asyncio.sleep(self._group_s)

    async def _open(self) -> SqlRows:
        """Connect, and hear what is void before anything is given."""
        rows, keys = await self._in_thread(self._connected)
        self._rows = rows
        if self._coherence is not None:
            await self._declare(rows, join=True)
            self._coherence.joined()
        reading = await asyncio.get_running_loop().run_in_executor(self._reader, self._connected_to_read)
        self._tier.opened(reading, self._reader, keys)
        self._swept_at = -SWEEP_S
        self._begun.set()
        return rows

    def _connected(self) -> tuple[SqlRows, Presence | None]:
        rows = SqlRows(self._place.connect(True))
        keys = None if self._tier.is_shared else Presence()
        try:
            rows.make(self._place.line)
            if keys is not None:
                keys.renew(rows.keys())
        except BaseException:
            rows.close()
            raise
        self._made = rows
        return rows, keys

    def _connected_to_read(self) -> SqlRows:
        self._reading = rows = SqlRows(self._place.connect(False))
        return rows

    async def _turn(self, rows: SqlRows) -> None:
        """Do what there is to do."""
        if self._coherence is not None:
            await self._declare(rows, join=False)
        await self._tier.write(rows, self._in_thread)
        if time.monotonic() - self._swept_at >= SWEEP_S:
            self._swept_at = time.monotonic()
            await self._sweep(rows)

    async def sweep(self) -> None:
        """Take away what has ended, and what there is no room for."""
        async with self._lock:
            if self._rows is not None:
                await self._sweep(self._rows)

    async def _sweep(self, rows: SqlRows) -> None:
        held, gone = await self._in_thread(partial(rows.keep_within, self._tier.max_bytes, self._now_ms()))
        figures = self._tier.figures
        figures.bytes, figures.entries, figures.evicted = held.bytes, held.entries, (figures.evicted or 0) + gone

    async def _declare(self, rows: SqlRows, *, join: bool) -> None:
        """Tell what was declared void here, and hear what was elsewhere."""
        coherence = self._coherence
        assert coherence is not None
        said, known = [_encode(one) for one in coherence.waiting], coherence.number
        anew = _encode(coherence.anew())

        def work() -> list[Said]:
            if said or join:
                rows.declare(said, known=known, now_us=int(time.time() * 1e6), everything=anew)
            return rows.declared(known)

        coherence.hear([_told(one) for one in await self._in_thread(work)])

    # -- erasing ---------------------------------------------------------------------------------------------------

    async def erase(self, concerns: Callable[[Entry], bool], until_ms: int) -> int:
        """Take away all entries that are somebody's, leave nothing of them behind, and return how many they were.

        Args:
            concerns: Tells whether an entry is.
            until_ms: When the last of them was erased; nothing is done where that has been done.
        """
        try:
            async with asyncio.timeout(OPEN_S):
                await self._begun.wait()
        except TimeoutError:
            # It is done after the next start; nobody is given any of it meanwhile.
            return 0
        async with self._lock:
            rows = self._rows
            return 0 if rows is None else await self._erase(rows, concerns, until_ms)

    async def _erase(self, rows: SqlRows, concerns: Callable[[Entry], bool], until_ms: int) -> int:
        self._tier.let_go(concerns)
        if await self._in_thread(rows.erased_ms) >= until_ms:
            return 0
        await self._in_thread(partial(rows.forget_dictionaries, until_ms))
        count, after = 0, b""
        while page := await self._in_thread(partial(rows.page, after)):
            after = page[-1][0]
            gone = [key for key, value in page if await self._packing.concerns(value, key, concerns)]
            count += len(gone)
            await self._tier.remove(gone)
            await self._tier.write(rows, self._in_thread)
        await self._in_thread(rows.tidy)
        await self._in_thread(partial(rows.note_erased, until_ms))
        return count

    # -- its end ---------------------------------------------------------------------------------------------------

    async def _broke(self, error: Exception) -> bool:
        """Close everything; tell whether what was broken is mended."""
        self._tier.failed(error)
        await self._close()
        try:
            return await self._in_thread(partial(self._place.mend, error))
        except OSError as failed:
            self._tier.failed(failed)
            return False

    async def _end(self) -> None:
        rows = self._rows
        if rows is not None:
            with suppress(Exception):
                await self._turn(rows)
        await self._close()
        self._writer.shutdown(wait=False)
        self._reader.shutdown(wait=False)

    async def _close(self) -> None:
        self._tier.left()
        self._rows = None
        loop = asyncio.get_running_loop()
        # Each in its thread, behind what that is doing.
        await loop.run_in_executor(self._writer, lambda: _closed(self._made))
        await loop.run_in_executor(self._reader, lambda: _closed(self._reading))
        self._made = self._reading = None

    def _in_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._writer, work)


def _told(one: Said) -> Told:
    """Read a declaration; one that cannot be read declares everything void."""
    try:
        return Told(one.number, one.previous, _decode(one.said))
    except msgspec.MsgspecError as error:
        logger.warning("cache: a declaration cannot be read (%s): everything is void", error)
        return Told(one.number, one.number, Declaration(everything=True))


def _closed(rows: SqlRows | None) -> None:
    if rows is not None:
        with suppress(Exception):
            rows.close()
