"""Sums of whole days."""

from __future__ import annotations

import asyncio
import threading

import pytest
from sqlalchemy import select, update

from narthex.errors import StoreUnavailable
from narthex.ledger.days import AFTER_MS, Folding, fold, folded_runs, to_fold, unfold, wrong_days
from narthex.ledger.periods import DAY_MS, HOUR_MS
from narthex.ledger.rows import add_entries
from narthex.ledger.usage import question, total
from narthex.stores.database import Database
from narthex.stores.database.schema import folded_days, usage_days, usage_key_days
from tests.ledger.calls import entry

BEGIN = 1_793_491_200_000
"""The first of November 2026."""


def days_of(database: Database) -> list[int]:
    """Return the folded days, counted from the first."""
    query = select(folded_days.c.day).order_by(folded_days.c.day)
    return [(day - BEGIN) // DAY_MS for day in database.read_now(lambda connection: connection.scalars(query).all())]


async def test_days_that_are_over_are_folded_once(database: Database) -> None:
    """An hour after their end, told apart by less than their hours; one that gets another entry is folded anew."""
    entries = [entry(n, at=BEGIN + n * HOUR_MS, key_id=f"key_{n % 2}", cost_picousd=n) for n in range(60)]
    database.write_now(lambda connection: add_entries(connection, entries))
    now = BEGIN + DAY_MS + AFTER_MS
    folding = Folding(database, wall=lambda: now / 1_000)
    await folding.catch_up()
    assert days_of(database) == [0]
    now += DAY_MS - 1
    await folding.catch_up()
    assert days_of(database) == [0]
    now += 1
    await folding.catch_up()
    assert days_of(database) == [0, 1]
    for table, rows in ((usage_days, 2), (usage_key_days, 4)):
        found = database.read_now(lambda connection, table=table: connection.execute(select(table)).all())  # type: ignore[misc]
        assert len(found) == rows
        assert sum(row.cost_picousd for row in found) == sum(range(48))
    late = entry(99, at=BEGIN + DAY_MS, cost_picousd=7)
    database.write_now(lambda connection: add_entries(connection, [late]))
    assert days_of(database) == [0]
    asked = question(since=BEGIN, until=BEGIN + 2 * DAY_MS)
    assert database.read_now(lambda connection: total(connection, asked)).cost_picousd == sum(range(48)) + 7
    await folding.catch_up()
    database.write_now(lambda connection: add_entries(connection, [late]))
    assert days_of(database) == [0, 1]
    assert database.read_now(lambda connection: total(connection, asked)).cost_picousd == sum(range(48)) + 7


def test_folded_spans_are_whole_days_of_the_span_asked_for(database: Database) -> None:
    """With the days between them left out."""

    def work(connection: object) -> list[tuple[int, int]]:
        for day in (0, 1, 3, 4, 5):
            connection.execute(folded_days.insert().values(day=BEGIN + day * DAY_MS))  # type: ignore[attr-defined]
        runs = folded_runs(connection, BEGIN + HOUR_MS, BEGIN + 5 * DAY_MS + HOUR_MS)  # type: ignore[arg-type]
        return [((a - BEGIN) // DAY_MS, (b - BEGIN) // DAY_MS) for a, b in runs]

    assert database.write_now(work) == [(1, 2), (3, 5)]


def test_wrong_ones_are_found(database: Database) -> None:
    """And only those."""
    entries = [entry(n, at=BEGIN + n * DAY_MS) for n in range(3)]

    def prepare(connection: object) -> None:
        add_entries(connection, entries)  # type: ignore[arg-type]
        for day in to_fold(connection, BEGIN + 4 * DAY_MS):  # type: ignore[arg-type]
            fold(connection, day)  # type: ignore[arg-type]

    database.write_now(prepare)
    assert database.read_now(lambda connection: list(wrong_days(connection))) == []
    wrong = update(usage_key_days).where(usage_key_days.c.day == BEGIN + DAY_MS).values(requests=5)
    database.write_now(lambda connection: connection.execute(wrong).rowcount)
    assert database.read_now(lambda connection: list(wrong_days(connection))) == [BEGIN + DAY_MS]
    database.write_now(lambda connection: unfold(connection, [BEGIN + DAY_MS + HOUR_MS]))
    assert days_of(database) == [0, 2]


def test_who_writes_while_a_day_is_folded_is_counted(database: Database) -> None:
    """Whichever of the two comes first: the answer is that of the entries."""
    asked = question(since=BEGIN, until=BEGIN + DAY_MS)

    def write(first: int) -> None:
        for number in range(first, first + 20):
            one = entry(number, at=BEGIN + number)
            database.write_now(lambda connection, one=one: add_entries(connection, [one]))  # type: ignore[misc]

    threads = [threading.Thread(target=write, args=(100 * n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        database.write_now(lambda connection: fold(connection, BEGIN))
    for thread in threads:
        thread.join()
    assert database.read_now(lambda connection: total(connection, asked)).attempts == 40
    database.write_now(lambda connection: fold(connection, BEGIN))
    assert database.read_now(lambda connection: total(connection, asked)).attempts == 40
    assert database.read_now(lambda connection: list(wrong_days(connection))) == []


async def test_a_database_that_is_away_is_tried_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an end to the task."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 4:
            raise asyncio.CancelledError

    async def away(_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(database, "read", away)
    with pytest.raises(asyncio.CancelledError):
        await Folding(database, sleep=sleep).run()
    assert len(slept) == 4
