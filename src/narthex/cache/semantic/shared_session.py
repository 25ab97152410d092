"""The life of the questions that all nodes know: opens the database, writes what waits, and comes back by itself."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple, TypeVar

from narthex.cache.entries import Entry
from narthex.cache.semantic.pgvector import Owned, VectorRows
from narthex.cache.semantic.shared import SharedIndex, SharedQuestion
from narthex.cache.semantic.vector_graphs import GRAPH_FROM, REMEDY, VectorGraphs, extension
from narthex.cache.tiers.sql_rows import Driver

logger = logging.getLogger(__name__)

TURN_S: Final = 5.0
"""The longest time between two turns."""
GROUP_S: Final = 0.1
"""For so long questions are gathered before they are written."""
SWEEP_S: Final = 60.0
"""How often it is looked what has ended, and what there is no room for."""
GROW_S: Final = 600.0
"""How often it is looked which scopes are large."""
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 30.0
ABSENT_S: Final = 300.0
"""How long until it is looked again whether there is pgvector."""

T = TypeVar("T")


class _Erasing(NamedTuple):
    concerns: Callable[[Entry], bool]
    until_ms: int


class NoVectors(Exception):
    """The database has no pgvector."""


class SharedSession:
    """Keeps the questions in the database within reach for as long as `run` runs.

    Attributes:
        index: Finds them, and knows what waits to be written.
    """

    def __init__(
        self,
        connect: Callable[[], Driver],
        index: SharedIndex,
        *,
        name: str,
        most: int,
        graph_from: int = GRAPH_FROM,
    ) -> None:
        """Prepare; nothing is opened before `run`.

        Args:
            connect: Makes a connection, in a thread.
            index: Finds questions there.
            name: What the embedding model is called.
            most: Questions that are held there.
            graph_from: Rows from which a scope has a graph.
        """
        self.index = index
        self._connect, self._name = connect, name
        self._most, self._graph_from = most, graph_from
        self._writer = ThreadPoolExecutor(1, "narthex-meaning-writes")
        self._reader = ThreadPoolExecutor(1, "narthex-meaning-reads")
        # As the threads have made them: whoever ends this meanwhile closes them all the same.
        self._made: list[VectorRows] = []
        self._reading: VectorRows | None = None
        self._probed: tuple[str, bytes] | None = None
        self._erasing: _Erasing | None = None
        self._swept_at = self._grown_at = -GROW_S
        self._pause_s = FIRST_PAUSE_S
        self._is_told = False

    def recognise(self, namespace: str, probe: bytes) -> None:
        """Have it looked, soon, which model it is that made the vector of the sentence that is always the same."""
        self._probed = (namespace, probe)
        self.index.waits.set()

    def erase(self, concerns: Callable[[Entry], bool], until_ms: int) -> None:
        """Take away, soon, what is somebody's.

        Args:
            concerns: Tells whether an answer is theirs.
            until_ms: When the last of them was erased; nothing is done where that has been done.
        """
        # On every node: what waits would be written behind the rows that another one has looked through.
        self.index.let_go(lambda one: concerns(_as_entry(one)))
        self._erasing = _Erasing(concerns, until_ms)
        self.index.waits.set()

    async def run(self) -> None:
        """Do so until cancelled; what waits then is written still."""
        try:
            while True:
                pause_s = self._pause_s
                try:
                    await self._session()
                except NoVectors as absent:
                    self._tell_absent(absent)
                    pause_s = ABSENT_S
                except Exception as error:  # noqa: BLE001 - the edge of this task: the database may do what it likes
                    self.index.failed(error)
                await self._close()
                await asyncio.sleep(pause_s)
                self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        finally:
            await self._end()

    def _tell_absent(self, absent: NoVectors) -> None:
        if not self._is_told:
            self._is_told = True
            said = "semantic cache: %s; each process knows only its own questions. For all to know them, %s"
            logger.warning(said, absent, REMEDY)

    async def _session(self) -> None:
        rows = await self._in_thread(self._opened)
        reading = await self._reads(self._connected)
        await self._reads(reading.to_read)
        self._reading = reading
        self.index.opened(reading, self._reader)
        logger.info("semantic cache: questions are known to all nodes, in the database")
        while True:
            if self.index.broken is not None:
                raise self.index.broken
            await self._turn(rows)
            self._pause_s = FIRST_PAUSE_S
            with suppress(TimeoutError):
                async with asyncio.timeout(TURN_S):
                    await self.index.waits.wait()
            await asyncio.sleep(GROUP_S)

    def _opened(self) -> VectorRows:
        """Connect, and make what is not there yet."""
        driver = self._connect()
        rows = VectorRows(driver)
        self._made.append(rows)
        state = extension(driver)
        if state == "missing":
            raise NoVectors("the database's server has no pgvector")
        if state == "refused":
            raise NoVectors("the database's user may not turn on the extension `vector`")
        rows.make()
        return rows

    def _connected(self) -> VectorRows:
        rows = VectorRows(self._connect())
        self._made.append(rows)
        return rows

    async def _turn(self, rows: VectorRows) -> None:
        """Do what there is to do."""
        if self._probed is not None:
            namespace, probe = self._probed
            self.index.recognised(namespace, await self._in_thread(partial(rows.embedder, self._name, probe)))
            self._probed = None
        await self.index.write(rows, self._in_thread)
        if self._erasing is not None:
            await self._erase(rows, self._erasing)
        if time.monotonic() - self._swept_at >= SWEEP_S:
            self._swept_at = time.monotonic()
            await self._in_thread(partial(rows.keep_within, self._most, int(time.time() * 1_000)))
            if self._reading is not None:
                await self._reads(self._reading.to_read)

    async def _erase(self, rows: VectorRows, erasing: _Erasing) -> None:
        if await self._in_thread(rows.erased_ms) < erasing.until_ms:
            after = 0
            while page := await self._in_thread(partial(rows.page, after)):
                after = page[-1].number
                gone = [one.number for one in page if erasing.concerns(_as_entry(one))]
                if gone:
                    await self._in_thread(partial(rows.erase, gone))
            await self._in_thread(partial(rows.note_erased, erasing.until_ms))
        if self._erasing is erasing:
            self._erasing = None

    # -- graphs ----------------------------------------------------------------------------------------------------

    async def keep_growing(self) -> None:
        """Have large scopes have graphs, until cancelled; over a connection of its own, as that takes long."""
        while True:
            if self.index.is_open:
                try:
                    await self.grow()
                except Exception as error:  # noqa: BLE001 - the edge of this task: the database may do what it likes
                    logger.warning("semantic cache: no graph was made of a large scope: %s", error)
                await asyncio.sleep(GROW_S)
            await asyncio.sleep(TURN_S)

    async def grow(self) -> int:
        """Make the graphs that are missing; return how many."""
        driver = await asyncio.to_thread(self._connect)
        try:
            made = await asyncio.to_thread(VectorGraphs(driver).grow, self._graph_from)
        except asyncio.CancelledError:
            driver.stop()
            raise
        finally:
            await asyncio.to_thread(driver.close)
        self._swept_at = -GROW_S
        self.index.waits.set()
        return made

    # -- its end ---------------------------------------------------------------------------------------------------

    async def _end(self) -> None:
        if self._made and self.index.is_open:
            with suppress(Exception):
                await self.index.write(self._made[0], self._in_thread)
        await self._close()
        self._writer.shutdown(wait=False)
        self._reader.shutdown(wait=False)

    async def _close(self) -> None:
        self.index.left()
        self._reading = None
        # Behind what the threads are doing.
        await self._reads(lambda: None)
        await self._in_thread(lambda: None)
        made, self._made = self._made, []
        for rows in made:
            with suppress(Exception):
                await self._in_thread(rows.close)

    def _in_thread(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._writer, work)

    def _reads(self, work: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._reader, work)


def _as_entry(one: Owned | SharedQuestion) -> Entry:
    """Return as much of an answer as says whose it is."""
    return Entry(
        key=one.key,
        scope="",
        model="",
        form="answer",
        dialect=None,
        data=b"",
        input_tokens=0,
        output_tokens=0,
        cost_picousd=0,
        made_ms=one.begun_ms,
        fresh_ms=0,
        stale_ms=0,
        error_ms=0,
        took_ms=0,
        tags=one.tags,
        number=0,
        maker="",
    )
