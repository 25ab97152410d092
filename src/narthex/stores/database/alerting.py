"""Alerts as they are written: thresholds of limits that were passed, once for each period, whoever finds them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import msgspec

from narthex.types.limits import Limit

if TYPE_CHECKING:
    from sqlalchemy import Connection

logger = logging.getLogger(__name__)

_ID_CHARACTERS: Final = 200


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold that was passed, as it is told; the fields are columns of `alerts`, but for the last two."""

    id: str
    """The same for the same threshold of the same period, whoever finds it passed."""
    limit_id: str
    organisation_id: str
    workspace_id: str | None
    percent: int
    used: int
    """In the unit of the limit's amount."""
    amount: int
    period_start: int
    """In milliseconds of Unix time, as are all times here."""
    at: int
    limit: Limit
    subject: str
    """Whose use was counted."""


def alert_id(limit: Limit, start_ms: int, percent: int, value: str) -> str:
    """Return the ID of an alert; `value` is of whom among those that a limit counts separately."""
    return f"{limit.id}:{start_ms}:{percent}:{value}"[:_ID_CHARACTERS]


def say(alert: Alert) -> None:
    """Tell of an alert in the log."""
    logger.warning(
        "limit %s of %s: %d percent of it are used (%d of %d)",
        *(alert.limit_id, alert.subject, alert.percent, alert.used, alert.amount),
    )


def write_alert(connection: Connection, alert: Alert) -> bool:
    """Write an alert down; returns whether it was not there before."""
    # Loaded with the database, and not before.
    from sqlalchemy import insert, select  # noqa: PLC0415
    from sqlalchemy.exc import IntegrityError  # noqa: PLC0415

    from narthex.stores.database.schema import alerts  # noqa: PLC0415

    if connection.execute(select(alerts.c.id).where(alerts.c.id == alert.id)).first() is not None:
        return False
    columns = {name: getattr(alert, name) for name in alert.__struct_fields__ if name in alerts.c}
    try:
        with connection.begin_nested():
            connection.execute(insert(alerts).values(**columns))
    except IntegrityError:
        # Another process was faster.
        return False
    return True
