"""The ledger held against what a provider has billed, and brought to it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final
from zlib import crc32

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta
from starlette.responses import Response

from narthex.errors import InvalidRequest, VersionConflict
from narthex.http import usage_documents as documents
from narthex.http.control import Id, answered, read, version_of
from narthex.http.guarding import changing
from narthex.http.services import Services
from narthex.ledger.periods import iso, kept_since, moment_of
from narthex.tenancy.acting import Acting
from narthex.types.accounts import DEFAULT_ORGANISATION, DEFAULT_WORKSPACE

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from narthex.ledger.reconciling.comparing import Difference, Scope
    from narthex.ledger.reconciling.lines import Statement

MOST_DAYS: Final = 366
_VERSIONS: Final = 10**9
Name = Annotated[str, Meta(max_length=200)]


class _Wish(msgspec.Struct, forbid_unknown_fields=True):
    statement: Annotated[str, Meta(min_length=1)]
    provider: Name = ""
    workspace_id: Id | None = None
    names: dict[Name, Name] = {}
    since: str | None = msgspec.field(default=None, name="from")
    until: str | None = msgspec.field(default=None, name="to")
    tolerance_usd: Annotated[str, Meta(max_length=20)] = "0"
    apply: bool = False


class _Report(msgspec.Struct, frozen=True):
    """What differs."""

    differences: Sequence[Difference]
    hours: Sequence[int]

    @property
    def version(self) -> int:
        """By what it is known that nothing else differs by now."""
        return crc32(repr((self.differences, self.hours)).encode()) % _VERSIONS


def reconciling_routes(services: Services) -> APIRouter:
    """Return `/api/ledger/reconcile`."""
    router, office = APIRouter(), services.office

    @router.post("/api/ledger/reconcile", **documents.RECONCILE)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def reconcile(request: Request) -> Response:
        wish, version = await read(request, _Wish), version_of(request)
        who, organisation_id = _acting(services, request, wish)
        statement, scope = _statement(wish), _scope(wish, organisation_id)
        since = kept_since(services.settings.retention.ledger_days, int(time.time() * 1_000))

        def look(connection: Connection) -> _Report:
            return _report(connection, statement, scope, since)

        def book(connection: Connection) -> tuple[_Report, int]:
            report = look(connection)
            if version not in {None, report.version}:
                raise VersionConflict("something else differs by now; look at the report once more")
            return report, _book(connection, who, (statement, scope), report)

        report, written = await office.write(book) if wish.apply else (await office.read(look), 0)
        return answered(_told(report, written, is_applied=wish.apply), version=report.version)

    return router


def _acting(services: Services, request: Request, wish: _Wish) -> tuple[Acting, str]:
    """Return who corrects, and in which organisation: without a workspace it is about all calls here."""
    if wish.workspace_id is None:
        return changing(request, "ledger:write", organisation_id=DEFAULT_ORGANISATION), DEFAULT_ORGANISATION
    who = changing(request, "ledger:write", workspace_id=wish.workspace_id)
    return who, services.office.directory.workspaces[wish.workspace_id].organisation_id


def _statement(wish: _Wish) -> Statement:
    from narthex.ledger.reconciling.statements import read_statement  # noqa: PLC0415 - loaded with the database

    statement = read_statement(wish.statement.encode())
    since = 0 if wish.since is None else moment_of(wish.since, param="from")
    until = max(statement.days, default=0) + 1 if wish.until is None else moment_of(wish.until, param="to")
    days = frozenset(day for day in statement.days if since <= day < until)
    if not 0 < len(days) <= MOST_DAYS:
        raise InvalidRequest(
            f"the statement has {len(days)} days of that time: give 1 to {MOST_DAYS}", param="statement"
        )
    return statement._replace(days=days, lines=tuple(line for line in statement.lines if line.day in days))


def _scope(wish: _Wish, organisation_id: str) -> Scope:
    from narthex.ledger.reconciling.comparing import Scope  # noqa: PLC0415 - loaded with the database
    from narthex.ledger.reconciling.lines import money_of  # noqa: PLC0415 - as above

    return Scope(
        provider=wish.provider,
        organisation_id=organisation_id,
        workspace_id=wish.workspace_id or DEFAULT_WORKSPACE,
        alone=wish.workspace_id is not None,
        names=wish.names,
        tolerance_picousd=abs(money_of(wish.tolerance_usd, "USD")),
    )


def _report(connection: Connection, statement: Statement, scope: Scope, since: int) -> _Report:
    from narthex.ledger.reconciling.comparing import compare  # noqa: PLC0415 - loaded with the database
    from narthex.ledger.verifying import wrong_sums  # noqa: PLC0415 - as above

    # Sums of hours are those of all workspaces.
    hours = () if scope.alone else wrong_sums(connection, sorted(statement.days), since=since)
    return _Report(compare(connection, statement, scope), hours)


def _book(connection: Connection, who: Acting, what: tuple[Statement, Scope], report: _Report) -> int:
    """Write corrections and what is to be known of them, in one transaction."""
    from narthex.ledger.money import usd  # noqa: PLC0415 - loaded with the database
    from narthex.ledger.reconciling.comparing import apply  # noqa: PLC0415 - as above
    from narthex.ledger.verifying import repair  # noqa: PLC0415 - as above

    statement, scope = what
    for hour in report.hours:
        repair(connection, hour)
    written = apply(connection, statement, scope, report.differences)
    if written:
        who.changed(connection, "correction", *(entry.id for entry in written))
    sums = {"corrections": len(written), "cost_usd": usd(sum(entry.cost_picousd for entry in written))}
    where = {"organisation_id": scope.organisation_id, "workspace_id": scope.workspace_id}
    details = {**sums, "hours": len(report.hours)}
    who.note(connection, "ledger.reconcile", target=statement.form, details=details, **where)
    return len(written)


def _told(report: _Report, written: int, *, is_applied: bool) -> dict[str, object]:
    from narthex.ledger.reconciling.comparing import told  # noqa: PLC0415 - loaded with the database

    return {
        "object": "ledger.reconciliation",
        "differences": [told(one) for one in report.differences],
        "wrong_hours": [iso(hour) for hour in report.hours],
        "applied": is_applied,
        "corrections": written,
    }
