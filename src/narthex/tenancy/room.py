"""Room for things that are rows of the database: counted in the transaction that adds one.

Those who change accounts do so one after the other, in all processes, so what is counted here stays so until it is
written: a limit is never passed, and a restart forgets nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, func, select

from narthex.stores.database.alerting import Alert, alert_id, say, write_alert
from narthex.stores.database.erasures import DAY_MS
from narthex.stores.database.schema import members, workspaces
from narthex.tenancy.limit_records import read_limits
from narthex.types.limits import EACH, Limit, Measure, SubjectKind
from narthex.types.stocks import no_room

Count = Callable[[Connection, SubjectKind, str], int]
"""Counts what an organisation or a workspace has."""


@contextmanager
def room(
    connection: Connection, measure: Measure, *, organisation_id: str, workspace_id: str, count: Count, now: int
) -> Iterator[None]:
    """Hold what is added in the block to the limits of the organisation and the workspace that it comes to.

    Args:
        connection: In the transaction that adds it, which no other change of accounts runs beside.
        measure: What it is counted as.
        organisation_id: Whose it will be.
        workspace_id: As above.
        count: Counts what is there, before and after it is added.
        now: Unix time in milliseconds, for the alerts.

    Raises:
        LimitExceeded: There is no room; the transaction must not be committed.
    """
    whose = {SubjectKind.ORGANISATION: organisation_id, SubjectKind.WORKSPACE: workspace_id}
    limits = list(_concerned(connection, measure, whose))
    before = {kind: count(connection, kind, whose[kind]) for kind in {limit.subject_kind for limit in limits}}
    yield
    for limit in limits:
        who, used = whose[limit.subject_kind], before[limit.subject_kind]
        more = count(connection, limit.subject_kind, who) - used
        if limit.hard and more > 0 and used + more > limit.amount:
            raise no_room(limit, who, used=used, need=more)
        if more > 0 and limit.alert_percents:
            _alert(connection, limit, who, used=used + more, now=now)


def collaborators(connection: Connection, kind: SubjectKind, who: str) -> int:
    """Return how many are in a workspace, or in the workspaces of an organisation, each counted once."""
    column = workspaces.c.organisation_id if kind is SubjectKind.ORGANISATION else members.c.workspace_id
    joined = members.join(workspaces, workspaces.c.id == members.c.workspace_id)
    query = select(func.count(members.c.user_id.distinct())).select_from(joined).where(column == who)
    return int(connection.execute(query).scalar_one())


def _alert(connection: Connection, limit: Limit, who: str, *, used: int, now: int) -> None:
    """Write down which thresholds are passed, each once a day; it stands if what was added does."""
    start = now // DAY_MS * DAY_MS
    for at, percent in limit.thresholds:
        if not 0 < at <= used:
            continue
        alert = Alert(
            id=alert_id(limit, start, percent, who if limit.is_each else ""),
            limit_id=limit.id,
            organisation_id=limit.organisation_id,
            workspace_id=limit.workspace_id,
            percent=percent,
            used=used,
            amount=limit.amount,
            period_start=start,
            at=now,
            limit=limit,
            subject=who,
        )
        if write_alert(connection, alert):
            say(alert)


def _concerned(connection: Connection, measure: Measure, whose: dict[SubjectKind, str]) -> Iterator[Limit]:
    for limit in read_limits(connection):
        if limit.measure is not measure or not limit.enabled:
            continue
        fits = limit.subject in (whose[limit.subject_kind], EACH)
        ours = limit.organisation_id == whose[SubjectKind.ORGANISATION]
        if fits and ours and limit.workspace_id in (None, whose[SubjectKind.WORKSPACE]):
            yield limit
