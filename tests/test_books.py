"""The ledger of a gateway, from a call to the database and over its death."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, insert

from narthex.app import Gateway
from narthex.books import Books
from narthex.config.settings import Settings
from narthex.errors import LimitExceeded, LimitsUnreachable, StoreUnavailable
from narthex.ledger.book import Book
from narthex.ledger.entries import Entry
from narthex.ledger.limits import restoring
from narthex.ledger.limits.uses import Spent
from narthex.stores.database.schema import changes, limits
from narthex.tenancy.office import Office
from narthex.types.limits import Limit, Measure, Period, SubjectKind, WindowKind
from tests.gateways import settings_for
from tests.ledger.calls import entry, opened

CAP = {"name": "month", "measure": "cost_microusd", "amount": 1_000_000, "period": "month"}


def settings(folder: Path, **changes: object) -> Settings:
    """Return settings of a gateway with a model that has a price."""
    return settings_for(
        folder,
        providers={"up": {"kind": "scripted"}},
        prices={"up/scripted": {"input_usd_per_mtok": 2.5, "output_usd_per_mtok": 10}},
        **changes,
    )


def rows(folder: Path) -> list[tuple[object, ...]]:
    """Return what is in the ledger."""
    database = sqlite3.connect(folder / "main.db")
    found = database.execute("select id, status, cost_picousd, key_id from ledger_entries order by id").fetchall()
    database.close()
    return found


async def test_a_call_is_in_the_database_when_the_gateway_has_ended(tmp_path: Path) -> None:
    """Whole, with its cost, and no journal is left."""
    async with Gateway(settings(tmp_path)) as gateway:
        answer = await gateway.chat("hello", model="up/scripted")
    ((_, status, cost, key),) = rows(tmp_path)
    assert answer.usage is not None
    assert (status, key) == ("settled", "local")
    assert cost == answer.usage.input_tokens * 2_500_000 + answer.usage.output_tokens * 10_000_000
    assert list((tmp_path / "ledger").iterdir()) == []


async def test_what_a_dead_process_has_left_is_taken_over_at_the_start(tmp_path: Path) -> None:
    """Before anything is read of what was used."""

    class Away:
        def add(self, entries: list[Entry]) -> int:
            raise AssertionError

    book = Book(tmp_path / "ledger", Away())  # type: ignore[arg-type]  # a list is a sequence
    book.opened(opened(1), None)
    book.settled("req_1", (entry(1),))
    book.opened(opened(2), None)
    book._journal.close(remove=False)
    async with Gateway(settings(tmp_path)) as gateway:
        await asyncio.wait_for(gateway.books.billing.ready.wait(), 40)
        assert [(name, status) for name, status, *_ in rows(tmp_path)] == [
            ("req_1:0", "settled"),
            ("req_2:0", "interrupted"),
        ]


async def test_what_was_used_of_a_budget_is_known_after_a_restart(tmp_path: Path) -> None:
    """It does not begin anew, and calls wait until it is known."""
    async with Gateway(settings(tmp_path)) as gateway:
        await gateway.chat("hello", model="up/scripted")
    ((_, _, cost, _),) = rows(tmp_path)
    async with Gateway(settings(tmp_path, caps=[CAP])) as gateway:
        await asyncio.wait_for(gateway.books.billing.ready.wait(), 40)
        (stands,) = gateway.books.meters.usage()
        assert stands.gauge.used == cost


async def test_no_call_goes_out_before_its_price_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long that takes at the start; where it takes too long, it goes by what is known."""
    may_read, reading = asyncio.Event(), asyncio.Event()
    follow = Books._follow_prices

    async def slowly(books: Books, office: Office) -> None:
        reading.set()
        await may_read.wait()
        await follow(books, office)

    monkeypatch.setattr(Books, "_follow_prices", slowly)
    async with Gateway(settings(tmp_path)) as gateway:
        calling = asyncio.ensure_future(gateway.chat("hello", model="up/scripted"))
        await asyncio.wait_for(reading.wait(), 40)
        done, _ = await asyncio.wait({calling}, timeout=0.2)
        assert not done
        may_read.set()
        await calling
    monkeypatch.setattr("narthex.pipeline.billing.READ_S", 0.01)
    may_read.clear()
    async with Gateway(settings(tmp_path)) as gateway:
        await gateway.chat("hello", model="up/scripted")
        may_read.set()


async def test_without_its_database_a_gateway_answers_who_has_no_limits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is spent stays in the journal; who has a budget is refused, as nobody knows what is left of it."""
    (tmp_path / "main.db").write_text("this is no database, but a text that is long enough to be taken for one" * 20)
    async with Gateway(settings(tmp_path)) as gateway:
        await gateway.chat("hello", model="up/scripted")
        await gateway.reload(settings(tmp_path, caps=[CAP]))
        with pytest.raises(LimitsUnreachable):
            await gateway.chat("hello", model="up/scripted")
    assert list((tmp_path / "ledger").glob("*/*.journal"))
    assert "database" in caplog.text
    (tmp_path / "main.db").unlink()
    async with Gateway(settings(tmp_path)) as gateway:
        await asyncio.wait_for(gateway.books.billing.ready.wait(), 40)
    assert [status for _, status, *_ in rows(tmp_path)] == ["settled"]


async def test_a_database_that_is_away_again_at_once_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has limits is refused meanwhile, and not kept waiting for good."""
    begin, away = Books._follow_prices, asyncio.Event()

    async def follow(books: Books, office: Office) -> None:
        if not away.is_set():
            raise StoreUnavailable
        await begin(books, office)

    monkeypatch.setattr(Books, "_follow_prices", follow)
    monkeypatch.setattr("narthex.books.AGAIN_S", 0.01)
    async with Gateway(settings(tmp_path, caps=[CAP])) as gateway, asyncio.timeout(30):
        with pytest.raises(LimitsUnreachable):
            await gateway.chat("hello", model="up/scripted")
        away.set()
        while gateway.books.billing.broken is not None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        await gateway.chat("hello", model="up/scripted")
    assert [status for _, status, *_ in rows(tmp_path)] == ["settled"]


async def test_a_limit_that_is_written_elsewhere_holds_here(tmp_path: Path) -> None:
    """Another process writes it in the database, and tells of it in the list of changes."""
    async with Gateway(settings(tmp_path)) as gateway:
        await gateway.chat("hello", model="up/scripted")
        row = msgspec.to_builtins(
            Limit(
                id="lim_1",
                organisation_id="org_default",
                subject_kind=SubjectKind.WORKSPACE,
                subject="ws_default",
                measure=Measure.REQUESTS,
                amount=0,
                period=Period.DAY,
            )
        )

        def write(connection: Connection) -> None:
            connection.execute(insert(limits), [{**row, "created_at": 1, "version": 1}])
            connection.execute(insert(changes), [{"kind": "limit", "subject": "lim_1", "at": 1}])

        await (await gateway.office.database()).write(write)
        await gateway.office.catch_up()
        with pytest.raises(LimitExceeded, match="lets nothing pass"):
            await gateway.chat("hello", model="up/scripted")


class LateReading:
    """The ledger is read only when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.may_go_on = threading.Event(), threading.Event()
        self._read = restoring.read_spent
        monkeypatch.setattr(restoring, "read_spent", self._read_late)

    def _read_late(self, connection: Connection, one: Limit, *, value: str | None, now: float) -> list[Spent]:
        self.begun.set()
        assert self.may_go_on.wait(20)
        return self._read(connection, one, value=value, now=now)


def cap(measure: Measure, amount: int, **given: Any) -> Limit:
    """Return a limit of a month on all workspaces."""
    kind, period = SubjectKind.WORKSPACE, Period.MONTH
    return Limit(id="lim_1", subject_kind=kind, subject="*", measure=measure, amount=amount, period=period, **given)


@pytest.mark.parametrize("window", ["calendar", "rolling"])
async def test_a_limit_that_comes_meanwhile_counts_each_call_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: WindowKind
) -> None:
    """Those that ended before it, those that are under way, and those that begin and end while the ledger is read."""
    reading = LateReading(monkeypatch)
    providers = {"up": {"kind": "scripted"}, "slow": {"kind": "scripted", "script": {"latency_ms": 300}}}
    async with Gateway(settings_for(tmp_path, providers=providers)) as gateway, asyncio.timeout(30):
        books = gateway.books
        await asyncio.wait_for(books.billing.ready.wait(), 40)
        await gateway.chat("before", model="up/scripted")
        assert await asyncio.to_thread(books.book.flush)
        under_way = asyncio.create_task(gateway.chat("under way", model="slow/scripted"))
        while not books.book.under_way:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        books.limits.store([cap(Measure.TOKENS, 10, window=window, hard=False)])
        await asyncio.to_thread(reading.begun.wait, 20)
        for number in range(3):
            await gateway.chat(f"meanwhile {number}", model="up/scripted")
        await asyncio.sleep(0.1)  # for a book that would not stand still
        reading.may_go_on.set()
        await under_way
        assert books.billing.restorer is not None
        await books.billing.restorer.until_read(lambda: ["lim_1"])
        (stands,) = books.meters.usage()
        assert await asyncio.to_thread(books.book.flush)
    assert (stands.gauge.used, stands.gauge.reserved) == (ledger_sum(tmp_path), 0)


async def test_a_hard_limit_that_comes_meanwhile_holds_from_its_first_call_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits until it is known what was used before; where that takes long it is refused, others are not."""
    async with Gateway(settings(tmp_path)) as gateway:
        await asyncio.wait_for(gateway.books.billing.ready.wait(), 40)
        await gateway.chat("hello", model="up/scripted")
        spent = cap(Measure.COST, 1)
        gateway.books.limits.store([spent])
        with pytest.raises(LimitExceeded):
            await gateway.chat("hello", model="up/scripted")
        monkeypatch.setattr("narthex.pipeline.billing.READ_S", 0.01)
        restorer = gateway.books.billing.restorer
        assert restorer is not None
        restorer.wanted["lim_1", None] = spent
        with pytest.raises(LimitsUnreachable, match="new limit"):
            await gateway.chat("hello", model="up/scripted")
        gateway.books.limits.store([msgspec.structs.replace(spent, hard=False)])
        await gateway.chat("hello", model="up/scripted")


def ledger_sum(folder: Path) -> int:
    """Return the tokens in the ledger."""
    with contextlib.closing(sqlite3.connect(folder / "main.db")) as database:
        (found,) = database.execute("select sum(input_tokens + output_tokens) from ledger_entries").fetchone()
    return int(found)
