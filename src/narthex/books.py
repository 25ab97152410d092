"""Puts the ledger together: journal, prices, limits, and who reads what was used of these."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, cast

from narthex.config.cap_settings import caps
from narthex.config.settings import Settings
from narthex.errors import LimitsUnreachable, NarthexError, StoreUnavailable
from narthex.ledger.book import Book
from narthex.ledger.entries import Entry
from narthex.ledger.limits.alerts import Alerts
from narthex.ledger.limits.in_force import InForce
from narthex.ledger.limits.meters import Meters
from narthex.ledger.limits.restoring import Restorer
from narthex.ledger.limits.shared import SharedMeters, SharedPolicy
from narthex.ledger.limits.uses import Passed
from narthex.ledger.periods import kept_since
from narthex.ledger.prices import Prices, PriceVersion
from narthex.pipeline.billing import Billing
from narthex.pipeline.contract import Spawn
from narthex.pipeline.early_calls import budget_limit
from narthex.pipeline.usage_desk import UsageDesk
from narthex.stores.database.erasures import ErasedNames, Erasure, read_erased
from narthex.stores.link import LinkSettings
from narthex.telemetry.redaction import rename_keys
from narthex.telemetry.request_log import RequestLog
from narthex.tenancy.limit_records import follow_limits
from narthex.tenancy.listening import Listener
from narthex.tenancy.office import AGAIN_S
from narthex.types.catalog import Price

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from narthex.stores.database import Database
    from narthex.stores.sealing import Sealer
    from narthex.tenancy.office import Office

logger = logging.getLogger(__name__)

T = TypeVar("T")
WhenErased = Callable[[ErasedNames, Callable[[str], str]], None]
"""Is told who was erased, and what tells the organisation of a workspace."""
OPENING_S: Final = 5.0
"""How long a stop waits for a database that is still being opened, in seconds."""
PROGRESS_S: Final = 1.0
"""How often it is written down how far streamed answers have come, in seconds."""


class Books:
    """Everything that tells who pays for what.

    Attributes:
        billing: Writes the bills of all calls.
        book: Takes calls in as they begin and end.
        limits: Those in force.
        usage: Tells what was used.
    """

    def __init__(self, root: Path, price: Callable[[str], Price | None]) -> None:
        """Open the journal; the database comes later.

        Args:
            root: Folder of the journals.
            price: What a model costs, as configured or as its provider tells.
        """
        self._rows = _Rows()
        self._office: Office | None = None
        self._log: RequestLog | None = None
        self._spawn: Spawn | None = None
        self._when_erased: WhenErased | None = None
        self.book = Book(root, self._rows)
        self.prices = Prices(price)
        self.meters = Meters()
        self.limits = InForce(self.meters)
        self.billing = Billing(self.book, self.prices, self.meters)
        self.billing.ready.clear()
        self.usage = UsageDesk(price)

    def adopt(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        self.prices.forget()
        days = settings.retention.ledger_days
        self.book.kept_since = lambda: kept_since(days, int(time.time() * 1_000))
        self.limits.configure((*caps(settings.caps), *budget_limit(settings.cache.predictive)))
        if self.limits.shared is not None:
            self.limits.shared.adopt(_policy(settings))

    def heed(self, office: Office, settings: Settings, where: LinkSettings | None) -> None:
        """Go by the limits of the configuration and of the database, before anything is called.

        Args:
            office: Where the database is; it is not open yet.
            settings: Those at the start.
            where: The Redis over which several processes count together; None if each counts alone.
        """
        if where is not None:
            self.limits.shared = self.billing.shared = SharedMeters(where, self.meters, _policy(settings))
            self.limits.quotas.shared = self.limits.shared
        self.adopt(settings)
        follow_limits(office, self.limits.store)

    def follow(
        self, office: Office, spawn: Spawn, log: RequestLog | None = None, *, when_erased: WhenErased | None = None
    ) -> None:
        """Begin to write to the database as soon as it is open, and to read there what was used of limits.

        Args:
            office: Where the database is.
            spawn: Keeps tasks.
            log: The request log, in which as in the ledger nobody stands who was erased.
            when_erased: Told of who was erased, at the start and each time.
        """
        self._office, self._log, self._spawn = office, log, spawn
        self._when_erased = when_erased
        office.settle = self._settle
        self.billing.prices_read.clear()
        spawn(self._run(spawn))
        spawn(self._note_progress())

    def lines(self) -> Iterator[str]:
        """Yield the state in Prometheus's text format."""
        yield from self.book.lines()
        yield from self.usage.lines()
        if self.limits.shared is not None:
            yield from self.limits.shared.courier.lines()
        if self._rows.database is not None:
            yield from self._rows.database.lines()

    async def aclose(self) -> None:
        """Write what waits, as far as the database can be used; what cannot be written stays in the journal."""
        if self._rows.database is None and self.book.under_way:
            with contextlib.suppress(NarthexError, TimeoutError):
                await asyncio.wait_for(self._start(), OPENING_S)
        await asyncio.to_thread(self.book.close)

    async def _settle(self) -> None:
        """Wait until what has ended is in the database, and with it what processes that are gone have left behind."""
        if self._rows.database is not None:
            await asyncio.to_thread(self.book.flush)
            await asyncio.to_thread(self._recover)

    async def _start(self) -> Database:
        """Begin to write as soon as the database is open."""
        assert self._office is not None
        database = await self._office.database()
        self._rows.sealer = await self._office.sealer()
        self._rows.database = database
        await self._follow_prices(self._office)
        await self._follow_erasures(self._office)
        self._follow_corrections(self._office)
        # Before anything is read: what a process that was killed has left behind counts.
        await asyncio.to_thread(self._recover)
        self.book.start()
        return database

    async def _follow_prices(self, office: Office) -> None:
        # Loaded with the database.
        from narthex.ledger.price_book import all_versions  # noqa: PLC0415

        is_told = False

        def take(_: Sequence[str], found: object) -> None:
            nonlocal is_told
            is_told = True
            self.prices.adopt(cast("Sequence[PriceVersion]", found))

        # First to be told of changes: one that comes while the others are read is read again.
        listener = Listener(read=lambda connection, _: all_versions(connection), take=take)
        # The office has read all before; what it reads when it was away is taken over as any change is.
        office.also(["price"], listener, lambda connection: partial(take, (), all_versions(connection)))
        versions = await office.read(all_versions)
        if not is_told:  # else what was told meanwhile is newer
            self.prices.adopt(versions)
        self.billing.prices_read.set()

    async def _follow_erasures(self, office: Office) -> None:
        names = self.book.erased = ErasedNames(await office.sealer())

        def key_named(name: str, at: float) -> str:
            return names.instead("key", name, int(at * 1_000))

        def take(_: Sequence[str], found: object) -> None:
            names.adopt(cast("Sequence[Erasure]", found))
            # Nothing of them stays behind with the calls that are in the database, or came in while they were erased.
            self.book.turn()
            self._tell_erased(office, names)
            if self._log is not None and self._spawn is not None:
                self._spawn(_rename_keys(self._log.path.parent, key_named))

        if self._log is not None:
            self._log.key_named = key_named
        listener = Listener(read=lambda connection, _: read_erased(connection), take=take)
        office.also(["erasure"], listener, lambda connection: partial(take, (), read_erased(connection)))
        names.adopt(await office.read(read_erased))
        self._tell_erased(office, names)

    def _tell_erased(self, office: Office, names: ErasedNames) -> None:
        def organisation_of(workspace_id: str) -> str:
            known = office.directory.workspaces.get(workspace_id)
            return "" if known is None else known.organisation_id

        if self._when_erased is not None:
            self._when_erased(names, organisation_of)

    def _follow_corrections(self, office: Office) -> None:
        # Loaded with the database.
        from narthex.ledger.limits.correcting import count_corrections  # noqa: PLC0415
        from narthex.ledger.listing import named  # noqa: PLC0415

        def take(_: Sequence[str], found: object) -> None:
            entries = cast("Sequence[Entry]", found)
            counted = set(count_corrections(entries, self.meters, self.limits.shared, now=time.time()))
            logger.info("the ledger has %d corrections more; limits that count them: %s", len(entries), sorted(counted))

        office.also(["correction"], Listener(read=named, take=take), lambda _: _nothing)

    async def _run(self, spawn: Spawn) -> None:
        try:
            await self._until_open()
            database = await self._start_at_last()
        except NarthexError:
            # Said by the office; no waiting mends it.
            return
        alerts = Alerts(database)
        alerts.erased = self.book.erased
        self.limits.quotas.on_passed = _from_threads(alerts)
        spawn(alerts.run())
        _fold(database, spawn)
        restorer = await self._restore(database, alerts, spawn)
        self.billing.ready.set()
        spawn(restorer.run())

    async def _restore(self, database: Database, alerts: Alerts, spawn: Spawn) -> Restorer:
        """Have what was used of limits read where it is counted, and told where it passes a threshold."""
        shared = self.limits.shared
        if shared is None:
            self.meters.on_passed = alerts.note
            restorer = Restorer(database, self.meters.taking, pause=self.book.pause)
            self.meters.on_unknown, self.billing.restorer = restorer.want, restorer
            for limit in self.meters.matching.limits:
                if limit.lasts:
                    restorer.want(limit, None)
            await restorer.catch_up()
        else:
            shared.on_passed = alerts.note
            restorer = Restorer(database, lambda limit, _: partial(shared.restored, limit))
            shared.on_unknown = restorer.want
            spawn(shared.courier.run())
        return restorer

    async def _until_open(self) -> None:
        """Wait for the database; while it is away who has limits is refused, and the journal keeps what is spent."""
        assert self._office is not None
        try:
            await self._office.database()
        except NarthexError as error:
            with self._refusing(error):
                await self._office.database_at_last()

    async def _start_at_last(self) -> Database:
        """Begin to write, however often the database is away again before that is done."""
        while True:
            try:
                return await self._start()
            except StoreUnavailable as error:
                with self._refusing(error):
                    await asyncio.sleep(AGAIN_S)

    @contextlib.contextmanager
    def _refusing(self, error: NarthexError) -> Iterator[None]:
        """Refuse who has limits, for this reason, until the block has ended well: they do not wait for good."""
        message = f"what was used of limits cannot be read: {error.message}"
        self.billing.broken = LimitsUnreachable(message, retry_after_s=AGAIN_S)
        self.billing.ready.set()
        self.billing.prices_read.set()
        yield
        self.billing.ready.clear()
        self.billing.broken = None

    def _recover(self) -> None:
        try:
            found = self.book.recover()
        except Exception:  # the database may be away again; the book tries until it is not
            logger.exception("what a process that was killed has left in the ledger's journal could not be written yet")
            return
        if found:
            logger.warning("the ledger had %d entries of processes that were killed", found)

    async def _note_progress(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_S)
            self.billing.note_progress()


def _fold(database: Database, spawn: Spawn) -> None:
    # Loaded with the database.
    from narthex.ledger.days import Folding  # noqa: PLC0415

    spawn(Folding(database).run())


async def _rename_keys(folder: Path, named: Callable[[str, float], str]) -> None:
    await asyncio.to_thread(rename_keys, folder, named)


def _nothing() -> None:
    """Take over nothing."""


def _policy(settings: Settings) -> SharedPolicy:
    given = settings.metering
    return SharedPolicy(money=given.money_when_away, rates=given.rates_when_away, hold_s=given.hold_s)


def _from_threads(alerts: Alerts) -> Callable[[Passed], None]:
    """Return what notes alerts from any thread: what is stored is counted in some."""
    loop = asyncio.get_running_loop()

    def note(passed: Passed) -> None:
        # A server that has ended tells nobody.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(alerts.note, passed)

    return note


class _Rows:
    """The entries in the database, once that is open."""

    database: Database | None = None
    sealer: Sealer | None = None

    def add(self, entries: Sequence[Entry]) -> int:
        """Write entries; see `narthex.ledger.rows.LedgerRows`."""
        # Loaded with the database.
        from narthex.ledger.rows import LedgerRows  # noqa: PLC0415

        return LedgerRows(self._write, self.sealer).add(entries)

    def forgotten(self, entry: Entry) -> Entry:
        """Return an entry without the names of those who were erased."""
        from narthex.ledger.rows import LedgerRows  # noqa: PLC0415 - as above

        return LedgerRows(self._write, self.sealer).forgotten(entry)

    def _write(self, work: Callable[[Connection], int]) -> int:
        assert self.database is not None, "the book is started when the database is open"
        return self.database.write_now(work)
