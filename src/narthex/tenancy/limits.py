"""Limits in the database: made, changed and taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select

from narthex.errors import InvalidRequest
from narthex.stores.database.schema import alerts, api_keys, limits, users, workspaces
from narthex.tenancy.acting import Acting
from narthex.tenancy.editing import changed, found, made
from narthex.tenancy.limit_records import StoredAlert, StoredLimit
from narthex.tenancy.paging import Page, Part, cursor, place_of
from narthex.tenancy.rows import columns_of, records
from narthex.types.ids import new_id
from narthex.types.limits import EACH, Measure, Period, SubjectKind, WindowKind, problems_of


class NewLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that is to be made."""

    organisation_id: str
    workspace_id: str | None = None
    subject_kind: SubjectKind
    subject: str
    measure: Measure
    amount: int
    period: Period = Period.TOTAL
    window: WindowKind = "calendar"
    burst: int | None = None
    hard: bool = True
    alert_percents: tuple[int, ...] = ()
    enabled: bool = True


def limit(connection: Connection, limit_id: str) -> StoredLimit:
    """Return a limit.

    Raises:
        NotFound: There is none.
    """
    return found(connection, limits, StoredLimit, limits.c.id == limit_id, what=f"limit {limit_id[:64]!r}")


def create_limit(connection: Connection, acting: Acting, wish: NewLimit) -> StoredLimit:
    """Make a limit, which holds from then on.

    Raises:
        InvalidRequest: It cannot hold; `param` names the field.
    """
    values = {**msgspec.structs.asdict(wish), "id": new_id("lim"), "created_at": acting.now, "version": 1}
    new = msgspec.convert(values, StoredLimit)
    _check(connection, new)
    made(connection, limits, values, StoredLimit, taken="there is such a limit already")
    _wrote(connection, acting, "limit.create", new, msgspec.to_builtins(wish))
    return new


def update_limit(
    connection: Connection, acting: Acting, limit_id: str, values: Mapping[str, object], *, version: int | None = None
) -> StoredLimit:
    """Change a limit; what was counted of it stays, if it still counts the same.

    Raises:
        NotFound: There is none.
        InvalidRequest: It could not hold then; `param` names the field.
        VersionConflict: It has another version.
    """
    before = limit(connection, limit_id)
    _check(connection, msgspec.convert({**msgspec.structs.asdict(before), **values}, StoredLimit))
    changed(connection, limits, limits.c.id == limit_id, values, version=version)
    _wrote(connection, acting, "limit.update", before, msgspec.to_builtins(dict(values)))
    return limit(connection, limit_id)


def delete_limit(connection: Connection, acting: Acting, limit_id: str, *, version: int | None = None) -> None:
    """Take a limit away.

    Raises:
        NotFound: There is none.
        VersionConflict: It has another version.
    """
    before = limit(connection, limit_id)
    changed(connection, limits, limits.c.id == limit_id, {"enabled": False}, version=version)
    connection.execute(delete(limits).where(limits.c.id == limit_id))
    _wrote(connection, acting, "limit.delete", before, {})


def listed_alerts(connection: Connection, where: Sequence[ColumnElement[bool]], page: Page) -> Part[StoredAlert]:
    """Return a part of the alerts, the latest first.

    Raises:
        NotFound: The place to go on from is none that was told.
    """
    query = select(*columns_of(StoredAlert, alerts)).where(*where).order_by(alerts.c.at.desc(), alerts.c.id.desc())
    if page.after is not None:
        at, last = place_of(page.after, is_time=True)
        query = query.where(or_(alerts.c.at < at, and_(alerts.c.at == at, alerts.c.id < last)))
    items = records(connection, query.limit(page.limit + 1), StoredAlert)
    if len(items) <= page.limit:
        return Part(items, None)
    kept = items[: page.limit]
    return Part(kept, cursor(kept[-1].at, kept[-1].id))


def _wrote(
    connection: Connection, acting: Acting, action: str, one: StoredLimit, details: Mapping[str, object]
) -> None:
    acting.changed(connection, "limit", one.id)
    acting.note(
        connection,
        action,
        target=one.id,
        organisation_id=one.organisation_id,
        workspace_id=one.workspace_id or "",
        details=details,
    )


def _check(connection: Connection, one: StoredLimit) -> None:
    for field, message in problems_of(one.limit):
        raise InvalidRequest(f"{field}: {message}", param=field)
    if one.workspace_id is not None and not _is_there(connection, SubjectKind.WORKSPACE, one.workspace_id, one):
        raise InvalidRequest(f"there is no workspace {one.workspace_id[:64]!r}", param="workspace_id")
    if one.subject != EACH and not _is_there(connection, one.subject_kind, one.subject, one):
        raise InvalidRequest(f"there is no {one.subject_kind} {one.subject[:64]!r}", param="subject")


def _is_there(connection: Connection, kind: SubjectKind, subject: str, one: StoredLimit) -> bool:
    """Tell whether a subject belongs to the organisation; models, tags and end users need not be known."""
    organisation_id = one.organisation_id
    match kind:
        case SubjectKind.ORGANISATION:
            return subject == organisation_id
        case SubjectKind.WORKSPACE:
            table = workspaces
        case SubjectKind.MEMBER:
            table = users
        case SubjectKind.KEY:
            if not subject.startswith("key_"):
                # Keys of the configuration are in no table.
                return subject == "local" or subject.startswith("config:")
            table = api_keys
        case _:
            return True
    where = and_(table.c.id == subject, table.c.organisation_id == organisation_id)
    return connection.execute(select(table.c.id).where(where)).first() is not None
