"""Alerts as rows."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import select

from narthex.stores.database import Database
from narthex.stores.database.alerting import Alert, alert_id, say, write_alert
from narthex.stores.database.schema import alerts
from narthex.types.limits import Limit, Measure, Period, SubjectKind

LIMIT = Limit(
    id="lim_1",
    subject_kind=SubjectKind.WORKSPACE,
    subject="*",
    measure=Measure.TASKS,
    amount=5,
    period=Period.TOTAL,
)


def test_an_alert_is_written_once(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever writes it first is told so, and says it in the log; its ID fits its column, however long names are."""
    assert len(alert_id(LIMIT, 1, 80, "x" * 300)) == 200
    alert = Alert(
        id=alert_id(LIMIT, 1, 80, "ws_1"),
        limit_id=LIMIT.id,
        organisation_id="org_1",
        workspace_id=None,
        percent=80,
        used=4,
        amount=5,
        period_start=1,
        at=2,
        limit=LIMIT,
        subject="ws_1",
    )
    assert database.write_now(lambda connection: [write_alert(connection, alert) for _ in range(2)]) == [True, False]
    assert database.read_now(lambda connection: connection.scalars(select(alerts.c.id)).all()) == ["lim_1:1:80:ws_1"]
    with caplog.at_level(logging.WARNING):
        say(alert)
    assert "limit lim_1 of ws_1: 80 percent of it are used (4 of 5)" in caplog.text
