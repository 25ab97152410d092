"""Answers to named questions about what is kept, which are costly to find: held until what they rest on changes.

Never stale: who writes invalidates what rests on that, after it is written. Whatever began to be read before an
invalidation is not kept when it is there, and nobody who asks afterwards is given it; who asked before may still get
it, as if they had been answered in time. Who asks the same at once is answered by one reading.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar, cast

T = TypeVar("T")
Key = tuple[str, Hashable]
ENTRY_BYTES: Final = 256
"""What holding an answer takes up beside it."""
_COUNTED: Final = (
    ("hits", "Questions about what the database has that were answered from memory."),
    ("joined", "Those that were answered by the reading of others."),
    ("misses", "Those that were read in the database."),
    ("spoiled", "Readings that were overtaken by a change, and not kept."),
    ("evicted", "Answers to such questions that had to go as there was no room."),
)


@dataclass(slots=True)
class _Held:
    value: object
    size: int
    tags: frozenset[str]


@dataclass(slots=True, eq=False)
class _Flight:
    """One reading that is under way."""

    task: asyncio.Task[object]
    tags: frozenset[str]
    waiting: int = 0
    spoiled: bool = field(default=False)
    """Whether what it rests on has changed since it began."""


class Queries:
    """The answers that are held in this process.

    Attributes:
        hits: Questions that were answered from what is held.
        joined: Questions that were answered by a reading of others.
        misses: Questions that were read.
        spoiled: Readings that were overtaken by an invalidation, and not kept.
        evicted: Answers that made room for others.
        when_invalidated: Called with each tag after an invalidation here, to tell other processes of it.
    """

    def __init__(self, *, max_bytes: int) -> None:
        """Hold nothing yet.

        Args:
            max_bytes: Most that all answers take up; those that have rested longest go first.
        """
        self.hits = self.joined = self.misses = self.spoiled = self.evicted = 0
        self.bytes = 0
        self.when_invalidated: Callable[[str], None] = lambda _: None
        self._max_bytes = max_bytes
        self._held: OrderedDict[Key, _Held] = OrderedDict()
        self._by_tag: dict[str, set[Key]] = {}
        self._flights: dict[Key, _Flight] = {}

    async def read(
        self,
        name: str,
        arguments: Hashable,
        produce: Callable[[], Awaitable[T]],
        *,
        tags: Iterable[str] = (),
        size: Callable[[T], int] = lambda _: 1_024,
    ) -> T:
        """Return the answer to a question.

        Args:
            name: Of the question; a tag of all its answers.
            arguments: What it is asked about, with everything that the answer depends on, its caller's rights too.
            produce: Reads the answer. What is returned is shared, and must not be changed.
            tags: What the answer rests on beside its name.
            size: Tells how many bytes an answer takes up.

        Raises whatever `produce` does, and holds nothing then. One who leaves does not end a reading that others
        wait for; one that nobody waits for any more is ended.
        """
        key = (name, arguments)
        held = self._held.get(key)
        if held is not None:
            self.hits += 1
            self._held.move_to_end(key)
            return cast("T", held.value)
        flight = self._flights.get(key)
        if flight is None:
            self.misses += 1
            flight = self._depart(key, produce, frozenset((name, *tags)), cast("Callable[[object], int]", size))
        else:
            self.joined += 1
        return cast("T", await self._wait(key, flight))

    def invalidate(self, name: str, arguments: Hashable | None = None) -> None:
        """Let go of the answers to a question, or of that about `arguments` alone; call it after what was written."""
        if arguments is None:
            self.invalidate_tag(name)
            return
        key = (name, arguments)
        self._drop(key)
        self._spoil(key)
        # Others cannot tell what it was about.
        self.when_invalidated(name)

    def invalidate_tag(self, tag: str) -> None:
        """Let go of everything that rests on something; call it after that was written."""
        self.forget(tag)
        self.when_invalidated(tag)

    def forget(self, tag: str) -> None:
        """Let go as `invalidate_tag` does, and tell nobody: for what others have told."""
        for key in list(self._by_tag.get(tag, ())):
            self._drop(key)
        for key in [key for key, flight in self._flights.items() if tag in flight.tags]:
            self._spoil(key)

    def clear(self) -> None:
        """Let go of everything: for when it is not known what others have changed."""
        for key in list(self._held):
            self._drop(key)
        for key in list(self._flights):
            self._spoil(key)

    def lines(self) -> Iterator[str]:
        """Yield the counters for Prometheus."""
        for word, says in _COUNTED:
            yield f"# HELP narthex_query_cache_{word}_total {says}"
            yield f"# TYPE narthex_query_cache_{word}_total counter"
            yield f"narthex_query_cache_{word}_total {getattr(self, word)}"
        yield "# HELP narthex_query_cache_bytes Bytes of answers to such questions, about."
        yield "# TYPE narthex_query_cache_bytes gauge"
        yield f"narthex_query_cache_bytes {self.bytes}"

    def _depart(
        self, key: Key, produce: Callable[[], Awaitable[object]], tags: frozenset[str], size: Callable[[object], int]
    ) -> _Flight:
        async def run() -> object:
            value = await produce()
            if flight.spoiled:
                self.spoiled += 1
            else:
                self._hold(key, _Held(value, ENTRY_BYTES + size(value), tags))
            return value

        def landed(_: object) -> None:
            if self._flights.get(key) is flight:
                del self._flights[key]
            if not flight.task.cancelled():
                # Whoever waits is told; if nobody does, nobody is to be told.
                flight.task.exception()

        flight = self._flights[key] = _Flight(asyncio.get_running_loop().create_task(run()), tags)
        flight.task.add_done_callback(landed)
        return flight

    async def _wait(self, key: Key, flight: _Flight) -> object:
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                if self._flights.get(key) is flight:
                    del self._flights[key]
                flight.task.cancel()

    def _spoil(self, key: Key) -> None:
        """Keep nothing of a reading that is under way, and give it to nobody who asks from now on."""
        flight = self._flights.pop(key, None)
        if flight is not None:
            flight.spoiled = True

    def _hold(self, key: Key, held: _Held) -> None:
        if held.size > self._max_bytes:
            return
        self._drop(key)
        self._held[key] = held
        self.bytes += held.size
        for tag in held.tags:
            self._by_tag.setdefault(tag, set()).add(key)
        while self.bytes > self._max_bytes:
            self.evicted += 1
            self._drop(next(iter(self._held)))

    def _drop(self, key: Key) -> None:
        held = self._held.pop(key, None)
        if held is None:
            return
        self.bytes -= held.size
        for tag in held.tags:
            keys = self._by_tag[tag]
            keys.discard(key)
            if not keys:
                del self._by_tag[tag]
