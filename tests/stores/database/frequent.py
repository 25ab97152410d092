"""The queries that are asked most often, as their rooms write them: none of them may read a whole table.

A room that adds a query which is asked often, or on tables that grow, adds it here.
"""

from __future__ import annotations

from typing import Any, Final, cast

from sqlalchemy import Column, Connection, Select, Table, func, select, tuple_

from narthex.ledger.dimensions import ENTRIES, HOURS
from narthex.ledger.limits.restoring import query_spent
from narthex.ledger.periods import DAY_MS
from narthex.ledger.usage import question, statement
from narthex.stores.database.schema import (
    api_keys,
    audit_entries,
    changes,
    ledger_entries,
    sessions,
    usage_days,
    usage_hours,
    usage_key_days,
)
from tests.ledger.limits.making import limit
from tests.stores.database.crowded import BEGIN_MS, HOUR_MS

PAGE: Final = 101
WORKSPACE, ORGANISATION, KEY, USER = "ws_7", "org_7", "key_7", "usr_7"
NOW: Final = BEGIN_MS + 5_000_000
SINCE: Final = NOW - 2_000_000


def _page(table: Table, of: Column[str], who: str) -> Select[*tuple[Any, ...]]:
    """A page of what is somebody's, newest first, after a cursor."""
    at, key = table.c.at, next(iter(table.primary_key.columns))
    behind = tuple_(at, key) < (NOW, "row_99" if key.name == "id" else 10_000)
    return select(table).where(of == who, behind).order_by(at.desc(), key.desc()).limit(PAGE)


def _usage(of: Column[str], who: str) -> Select[*tuple[Any, ...]]:
    """What somebody has used in a period, by model."""
    hour = usage_hours.c.hour
    spent = func.sum(usage_hours.c.cost_picousd)
    within = hour.between(BEGIN_MS + 2 * HOUR_MS, BEGIN_MS + 6 * HOUR_MS)
    return select(usage_hours.c.model, spent).where(of == who, within).group_by(usage_hours.c.model)


def _spent(**given: object) -> Select[*tuple[Any, ...]]:
    """What a limit counts, as the limits ask it after a start."""
    return query_spent(
        limit(measure="cost_microusd", organisation_id=ORGANISATION, **given), value=None, now=NOW / 1_000
    )


def _asked(by: list[str], period: str | None, **where: list[str]) -> Select[Any]:
    """What usage is asked for, as its reports ask it: of somebody, or of a span of time."""
    asked = question(since=SINCE, until=NOW, by=by, period=period, where=where)
    # A statement asks the connection for the kind of its database alone, and only for tags.
    nobody = cast("Connection", None)
    table = HOURS if asked.is_hourly else ENTRIES
    return statement(nobody, table, asked, SINCE, NOW)


def _asked_of_days(table: Table, by: str, **where: list[str]) -> Select[Any]:
    """What usage is asked for of days that are over."""
    since, until = BEGIN_MS + DAY_MS, BEGIN_MS + 30 * DAY_MS
    asked = question(since=since, until=until, by=[by], period="day", where=where)
    return statement(cast("Connection", None), table, asked, since, until)


_USAGE_QUERIES: Final[dict[str, Select[Any]]] = {
    "usage by model and day": _asked(["model"], "day", workspace=[WORKSPACE]),
    "usage of a key by provider": _asked(["provider"], "hour", key=[KEY]),
    "usage of a workspace's days": _asked_of_days(usage_days, "model", workspace=[WORKSPACE]),
    "usage of a key's days": _asked_of_days(usage_key_days, "model", key=[KEY]),
    "usage of an organisation's days by key": _asked_of_days(usage_key_days, "key", organisation=[ORGANISATION]),
    "usage by end user": _asked(["end_user"], None, workspace=[WORKSPACE]),
    "usage by status of an organisation": _asked(["status"], "day", organisation=[ORGANISATION]),
}

_ledger, _audit = ledger_entries.c, audit_entries.c

FREQUENT: Final[dict[str, Select[*tuple[Any, ...]]]] = {
    "changes since": select(changes).where(changes.c.seq > 12_000).order_by(changes.c.seq).limit(1_000),
    "changes, last": select(func.max(changes.c.seq)),
    **_USAGE_QUERIES,
    "ledger of a workspace": _page(ledger_entries, _ledger.workspace_id, WORKSPACE),
    "ledger of an organisation": _page(ledger_entries, _ledger.organisation_id, ORGANISATION),
    "ledger of a key": _page(ledger_entries, _ledger.key_id, KEY),
    "ledger of an end user": _page(ledger_entries, _ledger.end_user, "end_7"),
    "ledger of a request": select(ledger_entries).where(_ledger.request_id == "req_77"),
    "ledger of a period": select(ledger_entries).where(_ledger.at >= NOW - 60_000, _ledger.at < NOW),
    "ledger, whether an entry is there": select(_ledger.id).where(_ledger.id.in_(["row_1", "row_2", "none"])),
    "spent by a key lately": select(func.sum(_ledger.cost_picousd)).where(_ledger.key_id == KEY, _ledger.at >= SINCE),
    "spent of a key's rolling hour": _spent(subject=KEY, period="hour", window="rolling"),
    "spent of a workspace's month": _spent(subject_kind="workspace", subject=WORKSPACE, period="month"),
    "spent of an end user's day": _spent(subject_kind="end_user", subject="end_7", period="day"),
    "usage of a workspace": _usage(usage_hours.c.workspace_id, WORKSPACE),
    "usage of an organisation": _usage(usage_hours.c.organisation_id, ORGANISATION),
    "usage of a key": _usage(usage_hours.c.key_id, KEY),
    "audit of a workspace": _page(audit_entries, _audit.workspace_id, WORKSPACE),
    "audit of an organisation": _page(audit_entries, _audit.organisation_id, ORGANISATION),
    "audit of an actor": _page(audit_entries, _audit.actor, USER),
    "audit, last": select(audit_entries).order_by(_audit.seq.desc()).limit(1),
    "session by its token": select(sessions).where(sessions.c.digest == b"octets7"),
    "key by its secret": select(api_keys).where(api_keys.c.digest == b"octets7"),
    "keys of a workspace": select(api_keys)
    .where(api_keys.c.workspace_id == WORKSPACE)
    .order_by("created_at")
    .limit(PAGE),
}
"""By what is asked."""
