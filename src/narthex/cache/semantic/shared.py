"""Questions that all nodes know: looked up in a database within a budget, and written there beside the calls.

What this process knows itself is asked first; only where that has no answer is it looked here. What is found becomes
an entry of this process like one of its own, under the same guards. Nobody waits longer than the budget, and no call
fails: a database that is slow or away finds nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from narthex.cache.semantic.contract import Question
from narthex.cache.semantic.entries import Entry

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 1_024
"""Questions that wait to be written; further ones are known to this process alone."""
SLOW_TIMES: Final = 3
"""After so many looks in succession that took too long it is left alone."""
REST_S: Final = 5.0
"""For so long."""
DOUBTED_S: Final = 60.0
"""An answer that was not to be had may be there again after so long; if it is not, what leads to it goes."""
_MAX_DOUBTED: Final = 10_000
_MAX_ASKED: Final = 16
"""Looks at once; further ones find nothing."""
_GROUP: Final = 128
_LOGGED_EVERY_S: Final = 60.0
_KEPT_TAGS: Final = ("user:", "key:", "end-user:")
"""Of an answer's tags those that say whose it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedQuestion:
    """A question whose answer is kept, as all nodes find it."""

    tenant: str
    scope: bytes
    text: str
    key: bytes
    """Under which its answer is kept."""
    principal: str | None
    is_sighted: bool
    vector: bytes
    """Float32 in this machine's byte order, of length one."""
    embedder: int
    """Which model made the vector; see `VectorRows.embedder`."""
    tags: tuple[str, ...] = ()
    """Whose answer it is: what is erased with them."""
    begun_ms: int = 0
    """When the answer was asked for, in milliseconds of Unix time."""
    ends_ms: int = 0
    """Until when it may be given at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a question's answer says of itself."""

    key: bytes
    tags: Iterable[str]
    begun_ms: int
    ends_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Within what is looked, and for what: all of it stands in the statement."""

    tenant: str
    scope: bytes
    embedder: int
    vector: bytes
    count: int
    now_ms: int


class Rows(Protocol):
    """Questions as rows; each method does its work in the thread that calls it."""

    def nearest(self, wanted: Wanted) -> list[SharedQuestion]:
        """Return the nearest of a tenant's scope, best first; of vectors that one model made."""
        ...

    def put(self, rows: Sequence[SharedQuestion], now_ms: int) -> None:
        """Write questions; one that is there is renewed as `Entries.put` renews it."""
        ...

    def vouch(self, vouched: Iterable[tuple[bytes, str]]) -> None:
        """Take note that somebody else asked the very same: keys and texts."""
        ...

    def use(self, keys: Iterable[bytes], now_ms: int) -> None:
        """Take note that answers were given."""
        ...

    def remove(self, keys: Iterable[bytes]) -> None:
        """Take away what leads to these answers."""
        ...


class SharedIndex:
    """Finds questions of all nodes.

    Attributes:
        waits: Set while there is something to write.
        broken: What went wrong with a look, until it is open again.
        embedders: By the namespace of vectors the number of the model that makes them; what is in none is looked for
            nowhere.
        looks, found, late: How often it was asked, found a question that this process did not know, and did not answer
            in time.
    """

    def __init__(
        self,
        *,
        budget_s: float,
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1_000),
    ) -> None:
        """Prepare; it finds something while it is open."""
        self.waits = asyncio.Event()
        self.broken: Exception | None = None
        self.embedders: dict[str, int] = {}
        self.looks = self.found = self.late = 0
        self._budget_s, self._clock, self._now_ms = budget_s, clock, now_ms
        self._rows: Rows | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._asked: set[asyncio.Future[list[SharedQuestion]]] = set()
        self._slow, self._rests_until = 0, 0.0
        self._logged_at = -_LOGGED_EVERY_S
        self._waiting: dict[tuple[bytes, int, str], SharedQuestion] = {}
        self._removed: set[bytes] = set()
        self._vouched: set[tuple[bytes, str]] = set()
        self._used: set[bytes] = set()
        self._doubted: dict[bytes, float] = {}
        self._unsure: set[bytes] = set()

    # -- its life --------------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether questions may be found."""
        return self._rows is not None

    @property
    def has_waiting(self) -> bool:
        """Whether there is something to write that is of use to others."""
        return bool(self._waiting or self._removed or self._vouched)

    def opened(self, rows: Rows, readers: ThreadPoolExecutor) -> None:
        """Look there from now on, over a connection that a thread of `readers` alone uses."""
        self._rows, self._readers, self.broken = rows, readers, None
        self._slow, self._rests_until = 0, 0.0

    def left(self) -> None:
        """Look there no more."""
        self._rows = None

    def failed(self, error: Exception) -> None:
        """Say in the log that something went wrong, once in a while."""
        if self._clock() - self._logged_at >= _LOGGED_EVERY_S:
            self._logged_at = self._clock()
            logger.warning("semantic cache: the questions in the database are not found until it is well: %s", error)

    def recognised(self, namespace: str, embedder: int) -> None:
        """Take note which model it is that makes the vectors of a namespace now.

        If it is another one than before, what was put since it was looked at last may have vectors by either: it goes.
        """
        if self.embedders and self.embedders.get(namespace) != embedder:
            self.remove(self._unsure)
        self._unsure.clear()
        self.embedders = {namespace: embedder}

    # -- looking ---------------------------------------------------------------------------------------------------

    async def nearest(self, question: Question, count: int) -> list[SharedQuestion]:
        """Return the nearest questions of the same scope, best first; none where they do not come within the budget."""
        rows, readers, embedder = self._rows, self._readers, self.embedders.get(question.namespace)
        if rows is None or readers is None or embedder is None or question.vector is None:
            return []
        if len(self._asked) >= _MAX_ASKED or self._clock() < self._rests_until:
            return []
        self.looks += 1
        wanted = Wanted(
            tenant=question.tenant,
            scope=question.scope,
            embedder=embedder,
            vector=question.vector,
            count=count,
            now_ms=self._now_ms(),
        )
        found = await self._within_budget(asyncio.get_running_loop().run_in_executor(readers, rows.nearest, wanted))
        # What is about to go is not brought back, and what leads to nothing is left alone for a while.
        return [one for one in found if one.key not in self._removed and not self._is_doubted(one.key)]

    async def _within_budget(self, asked: asyncio.Future[list[SharedQuestion]]) -> list[SharedQuestion]:
        self._asked.add(asked)
        asked.add_done_callback(self._answered)
        done, _ = await asyncio.wait((asked,), timeout=self._budget_s)
        if not done:
            self._was_late()
            return []
        self._slow = 0
        return [] if asked.cancelled() or asked.exception() is not None else asked.result()

    def _answered(self, asked: asyncio.Future[list[SharedQuestion]]) -> None:
        self._asked.discard(asked)
        error = None if asked.cancelled() else asked.exception()
        if isinstance(error, Exception):
            self.broken = error
            self.waits.set()

    def _was_late(self) -> None:
        self.late += 1
        self._slow += 1
        if self._slow >= SLOW_TIMES:
            self._slow, self._rests_until = 0, self._clock() + REST_S
            said = "semantic cache: the database does not find a question within %g ms; it is left alone for a while"
            logger.warning(said, self._budget_s * 1_000)

    def _is_doubted(self, key: bytes) -> bool:
        since = self._doubted.get(key)
        return since is not None and self._clock() - since < DOUBTED_S

    def doubt(self, key: bytes) -> None:
        """Take note that an answer was not to be had: once may be an outage of where it lies, twice is not."""
        since = self._doubted.pop(key, None)
        if since is not None and self._clock() - since >= DOUBTED_S:
            self.remove([key])
            return
        self._doubted[key] = self._clock() if since is None else since
        if len(self._doubted) > _MAX_DOUBTED:
            del self._doubted[next(iter(self._doubted))]

    # -- writing ---------------------------------------------------------------------------------------------------

    def put(self, question: Question, kept: Kept) -> None:
        """Have all nodes know a question soon, if it has a vector by a model that is known there."""
        embedder = self.embedders.get(question.namespace)
        if embedder is None or question.vector is None or len(self._waiting) >= MAX_WAITING:
            return
        self._doubted.pop(kept.key, None)
        self._removed.discard(kept.key)
        self._unsure.add(kept.key)
        self._waiting[(question.scope, embedder, question.marks.folded)] = SharedQuestion(
            tenant=question.tenant,
            scope=question.scope,
            text=question.text,
            key=kept.key,
            principal=question.principal,
            is_sighted=False,
            vector=question.vector,
            embedder=embedder,
            tags=tuple(tag for tag in kept.tags if tag.startswith(_KEPT_TAGS)),
            begun_ms=kept.begun_ms,
            ends_ms=kept.ends_ms,
        )
        self.waits.set()

    def vouched(self, entry: Entry) -> None:
        """Take note that somebody else asked the very same as an entry."""
        if self.embedders and len(self._vouched) < MAX_WAITING:
            self._vouched.add((entry.key, entry.marks.folded))
            self.waits.set()

    def used(self, key: bytes) -> None:
        """Take note that an answer was given; those that are given least lately go first."""
        if self.embedders and len(self._used) < MAX_WAITING:
            self._used.add(key)

    def remove(self, keys: Iterable[bytes]) -> None:
        """Let nobody find what leads to these answers, soon; this process at once."""
        gone = set(keys)
        self._removed |= gone
        for place in [place for place, one in self._waiting.items() if one.key in gone]:
            del self._waiting[place]
        if gone:
            self.waits.set()

    def let_go(self, concerns: Callable[[SharedQuestion], bool]) -> None:
        """Write nothing of somebody that waits."""
        for place in [place for place, one in self._waiting.items() if concerns(one)]:
            del self._waiting[place]

    async def write(self, rows: Rows, in_thread: Callable[[Callable[[], None]], asyncio.Future[None]]) -> None:
        """Write what waits; what cannot be written waits on.

        Args:
            rows: A connection that writes.
            in_thread: Does something in the thread that uses it.
        """
        self.waits.clear()
        removed = frozenset(self._removed)
        if removed:
            await in_thread(partial(rows.remove, removed))
            self._removed -= removed
        while self._waiting:
            group = dict(list(self._waiting.items())[:_GROUP])
            await in_thread(partial(rows.put, tuple(group.values()), self._now_ms()))
            for place, one in group.items():
                if self._waiting.get(place) is one:
                    del self._waiting[place]
        if self._vouched:
            vouched, self._vouched = self._vouched, set()
            await in_thread(partial(rows.vouch, vouched))
        if self._used:
            used, self._used = self._used, set()
            await in_thread(partial(rows.use, used, self._now_ms()))
