"""Long checks of what is kept: in a thread, one at a time, and for as long as somebody waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeVar

from narthex.errors import Conflict, DeadlineExceeded

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from narthex.stores.database import Database
    from narthex.tenancy.office import Office

T = TypeVar("T")

LONGEST_S: Final = 600.0
"""How long a check may take; the command takes as long as it needs."""


class _GivenUp(Exception):
    """Nobody waits for the check any more."""


class Reads:
    """A database that is read until nobody waits any more."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.given_up = threading.Event()

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """Read, in this thread."""
        if self.given_up.is_set():
            raise _GivenUp
        return self._database.read_now(work)


Check = Callable[[Reads], Mapping[str, object]]


class Checks:
    """Checks in threads, one at a time and none for too long."""

    def __init__(self, office: Office, *, longest_s: float = LONGEST_S) -> None:
        self._office = office
        self._longest_s = longest_s
        self._under_way = asyncio.Lock()

    async def run(self, check: Check) -> Mapping[str, object]:
        """Check, and return what is told of it.

        Raises:
            Conflict: Another check is under way.
            DeadlineExceeded: It takes too long.

        If cancelled, what is under way ends with what it reads at that moment.
        """
        if self._under_way.locked():
            raise Conflict("another check is under way: wait until it has ended")
        async with self._under_way:
            database = await self._office.database()
            reads = Reads(database)
            try:
                async with asyncio.timeout(self._longest_s):
                    return await asyncio.to_thread(check, reads)
            except TimeoutError as error:
                message = f"the check took longer than {self._longest_s:g} s; the command line has no such bound"
                raise DeadlineExceeded(message) from error
            finally:
                reads.given_up.set()
