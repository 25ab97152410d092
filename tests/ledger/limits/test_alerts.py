"""Alerts, written once for each threshold and period, in both databases."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from narthex.ledger.limits.alerts import Alerts
from narthex.ledger.limits.uses import Passed
from narthex.stores.database import Database
from narthex.stores.database.alerting import Alert
from narthex.stores.database.erasures import ErasedNames, erasure
from narthex.stores.database.schema import alerts
from narthex.stores.sealing import Sealer
from tests.ledger.limits.making import NOON, limit

BUDGET = limit(measure="cost_microusd", amount=10, period="day", subject="*", organisation_id="org_1")


def passed(percent: int = 80, value: str = "key_1", start: float = NOON) -> Passed:
    """Return a threshold that was passed."""
    return Passed(limit=BUDGET, value=value, percent=percent, used=8_600_000, period_start=start)


async def test_a_threshold_is_told_once(database: Database) -> None:
    """Whoever finds it passed, however often; another one, another subject and another period are others."""
    told: list[Alert] = []
    one, other = Alerts(database, wall=lambda: NOON + 5), Alerts(database)
    one.on_alert = other.on_alert = told.append
    for _ in range(2):
        for each in (passed(), passed(100), passed(value="key_2"), passed(start=NOON + 86_400)):
            one.note(each)
            other.note(each)
        await one.catch_up()
        await other.catch_up()
    assert [(alert.percent, alert.subject, alert.period_start - NOON * 1000) for alert in told] == [
        (80, "key_1", 0),
        (100, "key_1", 0),
        (80, "key_2", 0),
        (80, "key_1", 86_400_000),
    ]
    rows = database.read_now(lambda connection: connection.execute(select(alerts)).mappings().all())
    assert len(rows) == 4
    assert (rows[0]["used"], rows[0]["amount"], rows[0]["organisation_id"]) == (9, 10, "org_1")


async def test_a_database_that_is_away_is_waited_for(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """What could not be written is written when it can be, and whoever notes it does not wait."""
    naps: list[float] = []
    work = database.write

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        some._database = database

    class Away:
        """A database that is not there."""

        async def write(self, _: object) -> None:
            raise OSError("away")

    some = Alerts(Away(), sleep=sleep)  # type: ignore[arg-type]
    told = asyncio.Event()
    some.on_alert = lambda _: told.set()
    task = asyncio.create_task(some.run())
    some.note(passed())
    async with asyncio.timeout(20):
        await told.wait()
    task.cancel()
    assert naps == [5.0]
    assert work == database.write
    assert "80 percent of it are used (9 of 10)" in caplog.text


async def test_an_alert_names_nobody_who_was_erased(database: Database, sealer: Sealer) -> None:
    """As of a call that had begun before; of others by what they are called."""
    each = limit(measure="requests", amount=10, period="day", subject_kind="end_user", subject="*")
    some = Alerts(database, wall=lambda: NOON)
    names = some.erased = ErasedNames(sealer)
    names.adopt([erasure(names.mark("end_user", "ann"), "gone", int(NOON * 1_000))])
    for value in ("ann", "bob"):
        some.note(Passed(limit=each, value=value, percent=80, used=8, period_start=NOON))
    await some.catch_up()
    rows = database.read_now(lambda connection: connection.scalars(select(alerts.c.id)).all())
    assert sorted(row.rpartition(":")[2] for row in rows) == ["bob", "gone"]
