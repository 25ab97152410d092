"""Where the accounts are kept: the database behind the directory, opened beside the start of the server.

Opening takes longer than everything else at start together, and calls with a key of the configuration need none of it:
they are served at once. What needs the accounts waits the moment that is left.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeVar, cast

from narthex.errors import (
    ConfigError,
    InternalError,
    MasterKeyUnusable,
    NarthexError,
    Overloaded,
    SchemaNewer,
    SealBroken,
)
from narthex.tenancy.auditing import AuditNotes
from narthex.tenancy.directory import Directory, Held, Kind
from narthex.tenancy.listening import Listener

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from narthex.stores.database import Database
    from narthex.stores.sealing import Sealer
    from narthex.tenancy.sign_in.reception import Reception

logger = logging.getLogger(__name__)

T = TypeVar("T")
AGAIN_S: Final = 1.0
"""Pause before a database that is away is opened again, in seconds."""
_POLL_S: Final = 0.5
_FOR_GOOD: Final = (ConfigError, SchemaNewer, MasterKeyUnusable, SealBroken)
"""What no waiting mends."""

State = Literal["opening", "up", "down"]
_KINDS: Final[tuple[Kind, ...]] = ("organisation", "workspace", "user", "role", "member", "key")


class Opening(NamedTuple):
    """How the accounts are opened."""

    database: Callable[[], Awaitable[Database]]
    """Opens the database."""
    begin: Callable[[Connection], Sealer]
    """Writes what must be there at the first start, and returns what seals secrets."""
    ready: Callable[[Database, Sealer], None]
    """Told of both, before what was read is taken over."""


class Office:
    """The database, and the directory that follows it.

    Attributes:
        directory: Who is who, in memory.
        audit: Where it is written what was done.
        failure: Why the database cannot be used at the moment; None while that is not so.
    """

    def __init__(self, directory: Directory, audit: AuditNotes, opening: Opening) -> None:
        """Take what is needed to open it.

        Args:
            directory: Held in step with the database.
            audit: Where it is written what was done.
            opening: How it is opened.
        """
        self.directory = directory
        self.audit = audit
        self.failure: NarthexError | None = None
        self.reception: Reception | None = None
        """Who is signed in; it sees to that itself."""
        self.wake = asyncio.Event()
        """Set by whoever learns that another process has changed something."""
        self.when_changed: Callable[[], None] = lambda: None
        """Called after this process has changed something."""
        self.settle: Callable[[], Awaitable[None]] = _nothing
        """Waits until the calls that have ended are in the database."""
        self.when_closing: list[Callable[[], None]] = []
        """Called in a thread before the database is closed, the last first."""
        self.patience_s = 10.0
        """How long a database that is being opened is waited for when all ends, in seconds."""
        self._settled = asyncio.Event()
        self._how = opening
        self._sealer: Sealer | None = None
        self._database: Database | None = None
        self._opening: asyncio.Task[None] | None = None
        self._listeners: dict[str, Listener] = {}
        self._loads: list[Callable[[Connection], Callable[[], None]]] = []
        self._last = 0
        self._catching_up = asyncio.Lock()

    @property
    def opened(self) -> Database | None:
        """The database, once it is open."""
        return self._database

    @property
    def is_open(self) -> bool:
        """Whether the directory knows everything."""
        return self._database is not None

    @property
    def state(self) -> State:
        """Whether the database can be used."""
        if self.failure is not None:
            return "down"
        return "opening" if self._database is None else "up"

    def start(self) -> None:
        """Begin to open the database."""
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._run())

    async def aclose(self) -> None:
        """Stop following, and close the database; one that is being opened is opened first, or given up."""
        if self._opening is not None:
            # What opens it runs in a thread that nothing stops: left alone it would stay open for ever.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._settled.wait(), self.patience_s)
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        for ended in reversed(self.when_closing):
            await asyncio.to_thread(ended)
        if self.reception is not None:
            self.reception.close()
        if self._database is not None:
            await self._database.close()

    def also(self, kinds: Iterable[str], listener: Listener, load: Callable[[Connection], Callable[[], None]]) -> None:
        """Have others follow the database too, before it is opened.

        Args:
            kinds: Of the changes that concern them.
            listener: Told of these.
            load: Reads all at the start, in a thread; what it returns takes that over, on the event loop.
        """
        for kind in kinds:
            self._listeners[kind] = listener
        self._loads.append(load)

    async def sealer(self) -> Sealer:
        """Return what seals secrets, once the database is open; raises as `database` does."""
        await self.database()
        assert self._sealer is not None
        return self._sealer

    async def database(self) -> Database:
        """Return the database once it is open.

        Raises:
            NarthexError: It cannot be opened, for this reason.
        """
        self.start()
        while self._database is None:
            if self.failure is not None:
                raise self.failure
            assert self._opening is not None
            if self._opening.done():
                raise Overloaded("this server is stopping; try again in a moment", retry_after_s=1)
            await asyncio.sleep(0.01)
        return self._database

    async def database_at_last(self) -> Database:
        """Return the database once it is open, however long it is away.

        Raises:
            NarthexError: It cannot be opened, for this reason, which no waiting mends.
        """
        while True:
            try:
                return await self.database()
            except NarthexError:
                if self._opening is None or self._opening.done():
                    raise
                await asyncio.sleep(_POLL_S)

    async def given_up(self) -> NarthexError:
        """Wait until it is clear that the database cannot be opened, whatever is waited for, and return why."""
        self.start()
        assert self._opening is not None
        await asyncio.wait([self._opening])
        if self.failure is None:
            # It was closed.
            await asyncio.Event().wait()
        assert self.failure is not None
        return self.failure

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Read from the database."""
        return await (await self.database()).read(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Write in one transaction; when this returns the directory of this process knows of it.

        Where the database is away again by then it learns of it later: what is written is told as written.
        """
        database = await self.database()
        result = await database.write(_alone(database, work))
        try:
            await self.catch_up()
        except Exception as error:  # noqa: BLE001 - it is written: whoever is told otherwise does it again
            self._failed(error)
            self.wake.set()
        self.when_changed()
        return result

    async def catch_up(self) -> None:
        """Take over what has changed in the database until now."""
        from narthex.tenancy.changes import read_changes  # noqa: PLC0415 - loaded with the database

        database = await self.database()
        async with self._catching_up:
            while True:
                news = await database.read(lambda connection: read_changes(connection, self._last, self._listeners))
                if not news.is_whole:
                    logger.warning("what was changed while this process was away is there no more: all is read anew")
                    for take in await self._load(database):
                        take()
                    return
                for listener, subjects, rows in news.told:
                    listener.take(subjects, rows)
                if news.last == self._last:
                    return
                self._last = news.last

    async def _run(self) -> None:
        while self._database is None:
            self._settled.clear()
            try:
                self._database = await self._opened()
            except Exception as error:  # noqa: BLE001 - the edge of a task: who waits is told
                self._failed(error)
                if not isinstance(error, NarthexError) or isinstance(error, _FOR_GOOD):
                    return
                self._settled.set()
                await asyncio.sleep(AGAIN_S)
            finally:
                self._settled.set()
        self.failure = None
        while True:
            # Not `wait_for`: before 3.12 that keeps to itself a cancellation in the turn in which it was woken.
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self.wake.wait()
            self.wake.clear()
            try:
                await self.catch_up()
            except Exception as error:  # noqa: BLE001 - as above; it is followed later
                self._failed(error)
            else:
                self._went_well()

    def _went_well(self) -> None:
        if self.failure is not None:
            logger.warning("the database can be used again")
        self.failure = None

    def _failed(self, error: Exception) -> None:
        """Say it, once, that the database cannot be used."""
        known = error if isinstance(error, NarthexError) else InternalError()
        if self.failure is None or self.failure.code != known.code:
            logger.error("the database cannot be used: %s", error, exc_info=None if known is error else error)
        self.failure = known

    async def _opened(self) -> Database:
        database = await self._how.database()
        try:
            self._sealer = await database.write(_alone(database, self._how.begin))
            known = await self._load(database)
            # In a thread: what opens sealed secrets is slow to load.
            await asyncio.to_thread(self._how.ready, database, self._sealer)
            for take in known:
                take()
        except BaseException:
            await database.close()
            raise
        return database

    async def _load(self, database: Database) -> list[Callable[[], None]]:
        """Read everything; return what takes it over."""
        from narthex.tenancy.changes import last_change  # noqa: PLC0415 - as above
        from narthex.tenancy.rows import read_all, read_some  # noqa: PLC0415 - as above

        def listener(kind: Kind) -> Listener:
            return Listener(
                read=lambda connection, subjects: read_some(connection, kind, subjects),
                take=lambda subjects, found: self.directory.apply(kind, subjects, cast("Sequence[Held]", found)),
            )

        self._listeners.update({kind: listener(kind) for kind in _KINDS})

        def everything(connection: Connection) -> tuple[int, Callable[[], None], list[Callable[[], None]]]:
            # First the number: what changes while the rest is read is read again.
            last = last_change(connection)
            held = read_all(connection)
            return last, lambda: self.directory.load(held), [load(connection) for load in self._loads]

        self._last, take, others = await database.read(everything)
        return [take, *others]


async def _nothing() -> None:
    """Wait for nothing."""


def _alone(database: Database, work: Callable[[Connection], T]) -> Callable[[Connection], T]:
    """Return a work that no other change of the accounts runs beside: what it reads stays so until it has written."""

    def alone(connection: Connection) -> T:
        database.exclusively(connection, "accounts")
        return work(connection)

    return alone
