"""Answers to named questions about the database, which are costly to find: held while the database stays as it is.

Never stale, over any number of processes: whoever asks is answered from what is held only if the database says, after
it was asked, that nobody has committed anything since before that was read. So nothing that writes has to say so. What
an answer rests on in memory beside the database, its asker holds against what is so now.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterator
from typing import TypeVar

from narthex.cache.queries import Queries

T = TypeVar("T")


class ReadModels:
    """The answers that are held in this process.

    Attributes:
        queries: Holds them.
    """

    def __init__(self, *, max_bytes: int) -> None:
        """Hold nothing yet.

        Args:
            max_bytes: Most that all answers take up; those that have rested longest go first.
        """
        self.queries = Queries(max_bytes=max_bytes)
        self._stamp: str | None = None

    async def read(
        self,
        name: str,
        arguments: Hashable,
        produce: Callable[[], Awaitable[T]],
        *,
        stamp: Callable[[], Awaitable[str]],
        holds: Callable[[T], bool] = lambda _: True,
        size: Callable[[T], int] = lambda _: 1_024,
    ) -> T:
        """Return the answer to a question, as it is now or became while it was asked.

        Args:
            name: Of the question.
            arguments: What it is asked about, with everything that the answer depends on.
            produce: Reads the answer from the database. What is returned is shared, and must not be changed.
            stamp: Returns what is another text as soon as anybody has committed anything.
            holds: Tells whether an answer still holds, for all that lies beside the database.
            size: Tells how many bytes an answer takes up.

        Raises whatever `stamp` and `produce` do.
        """
        now = await stamp()
        if now != self._stamp:
            # Before it is read: what is read under this stamp is nothing older.
            self.queries.clear()
            self._stamp = now
        found = await self.queries.read(name, arguments, produce, size=size)
        if holds(found):
            return found
        self.queries.invalidate(name, arguments)
        return await self.queries.read(name, arguments, produce, size=size)

    def lines(self) -> Iterator[str]:
        """Yield the counters for Prometheus."""
        yield from self.queries.lines()
