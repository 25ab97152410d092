"""Limits of what may be used: listed, made, changed, taken away; how they stand, and what thresholds were passed."""

from __future__ import annotations

import time
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Request
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import ColumnElement, Table
from starlette.responses import Response

from narthex.http import limit_documents as documents
from narthex.http.control import answered, listed, page_of, read, version_of
from narthex.http.guarding import caller_of, changing
from narthex.http.services import Services
from narthex.ledger.limits.refusals import in_limits_unit, subject_of
from narthex.ledger.limits.uses import LimitUsage
from narthex.stores.database.schema import alerts, limits
from narthex.tenancy import limits as service
from narthex.tenancy import reach
from narthex.tenancy.acting import Acting
from narthex.tenancy.editing import listed as rows
from narthex.tenancy.editing import reached
from narthex.tenancy.keys import Caller
from narthex.tenancy.limit_records import StoredAlert, StoredLimit
from narthex.types.limits import MAX_COUNT, Measure, Period, SubjectKind, WindowKind

Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Burst = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
Percents = Annotated[tuple[Annotated[int, Meta(ge=1, le=1_000)], ...], Meta(max_length=20)]
Identity = Annotated[str, Meta(min_length=1, max_length=64)]

_READ = "limits:read"
_WRITE = "limits:write"


class _New(msgspec.Struct, forbid_unknown_fields=True):
    subject_kind: SubjectKind
    subject: Annotated[str, Meta(min_length=1, max_length=200)]
    measure: Measure
    amount: Count
    organisation_id: Identity | None = None
    workspace_id: Identity | None = None
    currency: Literal["USD"] = "USD"
    period: Period = Period.TOTAL
    window: WindowKind = "calendar"
    burst: Burst | None = None
    hard: bool = True
    alert_percents: Percents = ()
    enabled: bool = True


class _Change(msgspec.Struct, forbid_unknown_fields=True):
    amount: Count | UnsetType = UNSET
    period: Period | UnsetType = UNSET
    window: WindowKind | UnsetType = UNSET
    burst: Burst | UnsetType | None = UNSET
    hard: bool | UnsetType = UNSET
    alert_percents: Percents | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


def limit_routes(services: Services) -> APIRouter:
    """Return `/api/limits` and `/api/alerts`."""
    router, office = APIRouter(), services.office

    @router.get("/api/limits", **documents.LIST_LIMITS)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def all_of_them(request: Request) -> Response:
        where, page = _seen(services, caller_of(request), limits), page_of(request)
        workspace_id = request.query_params.get("workspace_id")
        if workspace_id is not None:
            where.append(limits.c.workspace_id == workspace_id)
        part = await office.read(lambda connection: rows(connection, limits, StoredLimit, where, page))
        return listed(list(part.items), part.next, told)

    @router.post("/api/limits", **documents.CREATE_LIMIT)  # type: ignore[arg-type]  # as above
    async def create(request: Request) -> Response:
        wish = await read(request, _New)
        organisation_id = wish.organisation_id or caller_of(request).account.organisation_id
        who = _allowed(request, _WRITE, organisation_id, wish.workspace_id)
        fields = {name: getattr(wish, name) for name in service.NewLimit.__struct_fields__}
        values = msgspec.convert({**fields, "organisation_id": organisation_id}, service.NewLimit)
        new = await office.write(lambda connection: service.create_limit(connection, who, values))
        return answered(told(new), version=new.version)

    _add_standing(router, services)
    _add_single(router, services)
    return router


def _add_standing(router: APIRouter, services: Services) -> None:
    @router.get("/api/limits/usage", **documents.LIMIT_USAGE)  # type: ignore[arg-type]  # as above
    async def usage(request: Request) -> Response:
        caller, now = caller_of(request), time.time()
        standing = [one for one in await services.limits.usage() if _sees(services, caller, one)]
        return listed(standing, None, lambda one: _gauge(one, now))

    @router.get("/api/alerts", **documents.LIST_ALERTS)  # type: ignore[arg-type]  # as above
    async def passed(request: Request) -> Response:
        where, page = _seen(services, caller_of(request), alerts), page_of(request)
        part = await services.office.read(lambda connection: service.listed_alerts(connection, where, page))
        return listed(list(part.items), part.next, _alert)


def _add_single(router: APIRouter, services: Services) -> None:
    office = services.office

    @router.get("/api/limits/{limit_id}", **documents.GET_LIMIT)  # type: ignore[arg-type]  # as above
    async def show(request: Request, limit_id: str) -> Response:
        one, _ = await _found(services, request, limit_id, _READ)
        return answered(told(one), version=one.version)

    @router.patch("/api/limits/{limit_id}", **documents.UPDATE_LIMIT)  # type: ignore[arg-type]  # as above
    async def update(request: Request, limit_id: str) -> Response:
        change, version = await read(request, _Change), version_of(request)
        _, who = await _found(services, request, limit_id, _WRITE)
        values = {name: value for name in change.__struct_fields__ if (value := getattr(change, name)) is not UNSET}
        new = await office.write(
            lambda connection: service.update_limit(connection, who, limit_id, values, version=version)
        )
        return answered(told(new), version=new.version)

    @router.delete("/api/limits/{limit_id}", **documents.DELETE_LIMIT)  # type: ignore[arg-type]  # as above
    async def delete(request: Request, limit_id: str) -> Response:
        version = version_of(request)
        _, who = await _found(services, request, limit_id, _WRITE)
        await office.write(lambda connection: service.delete_limit(connection, who, limit_id, version=version))
        return answered({"object": "limit", "id": limit_id, "deleted": True})


async def _found(services: Services, request: Request, limit_id: str, permission: str) -> tuple[StoredLimit, Acting]:
    """Return a limit, and the caller who may do that with it."""
    one = await services.office.read(lambda connection: service.limit(connection, limit_id))
    return one, _allowed(request, permission, one.organisation_id, one.workspace_id)


def told(one: StoredLimit) -> dict[str, object]:
    """Return what is told of a limit."""
    fields = msgspec.structs.asdict(one)
    dollars, rest = divmod(one.amount, 1_000_000)
    usd = f"{dollars}.{rest:06d}" if one.limit.is_money else None
    return {"object": "limit", **fields, "amount_usd": usd, "created_at": one.created_at // 1_000}


def _gauge(one: LimitUsage, now: float) -> dict[str, object]:
    limit, resets_s = one.limit, one.gauge.resets_s
    return {
        "object": "limit_usage",
        "limit_id": limit.id,
        "organisation_id": limit.organisation_id,
        "workspace_id": limit.workspace_id,
        "subject_kind": limit.subject_kind,
        "subject": subject_of(limit, one.value),
        "measure": limit.measure,
        "period": limit.period,
        "window": limit.window,
        "hard": limit.hard,
        "amount": limit.amount,
        "used": in_limits_unit(limit, one.gauge.used),
        "reserved": in_limits_unit(limit, one.gauge.reserved),
        "resets_at": None if resets_s is None else round((now + resets_s) * 1_000),
    }


def _alert(one: StoredAlert) -> dict[str, object]:
    return {"object": "alert", **msgspec.structs.asdict(one)}


def _allowed(request: Request, permission: str, organisation_id: str, workspace_id: str | None) -> Acting:
    """Hold the caller to a permission where a limit belongs, and return them as one who changes something there."""
    return changing(request, permission, organisation_id=organisation_id, workspace_id=workspace_id or "")


def _seen(services: Services, caller: Caller, table: Table) -> list[ColumnElement[bool]]:
    """Return what a list is narrowed to: what the caller sees."""
    return reached(services.office.directory, caller, table, _READ, in_organisation=_READ)


def _sees(services: Services, caller: Caller, one: LimitUsage) -> bool:
    """Tell whether a caller sees how a limit stands; those of the configuration are for those who run this server."""
    if caller.is_operator:
        return True
    directory, limit = services.office.directory, one.limit
    if limit.workspace_id is not None:
        return _READ in reach.in_workspace(directory, caller, limit.workspace_id)
    if not limit.organisation_id:
        return _READ in reach.on_installation(directory, caller)
    return _READ in reach.in_organisation(directory, caller, limit.organisation_id)
