"""Virtual keys: listed, made, changed, rotated and revoked. The key itself is in the answer that makes it alone."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Request
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import ColumnElement, false
from starlette.responses import Response

from narthex.http import control_documents as documents
from narthex.http.control import Id, answered, flag_of, listed, page_of, read, version_of
from narthex.http.guarding import acting, caller_of, changing
from narthex.http.services import Services
from narthex.stores.database.schema import api_keys
from narthex.tenancy import issuing as service
from narthex.tenancy import reach
from narthex.tenancy.acting import Acting
from narthex.tenancy.editing import listed as rows
from narthex.tenancy.issuing import MAX_OVERLAP_S, Wish
from narthex.tenancy.records import VirtualKey
from narthex.tenancy.scopes import NO_SCOPES, Scopes
from narthex.types.priorities import PriorityWord

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Moment = Annotated[int, Meta(ge=0, le=32_503_680_000)]
"""Unix time in seconds."""
Tag = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Tags = Annotated[dict[Tag, Annotated[str, Meta(max_length=64, pattern="^[ -~]*$")]], Meta(max_length=5)]


class _New(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    workspace_id: Id | None = None
    user_id: Id | None = None
    scopes: Scopes = NO_SCOPES
    tags: Tags = {}
    priority: PriorityWord = "normal"
    expires_at: Moment | None = None


class _Change(msgspec.Struct, forbid_unknown_fields=True):
    name: Name | UnsetType = UNSET
    scopes: Scopes | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    priority: PriorityWord | UnsetType = UNSET
    expires_at: Moment | UnsetType | None = UNSET


class _Rotation(msgspec.Struct, forbid_unknown_fields=True):
    overlap_s: Annotated[int, Meta(ge=0, le=MAX_OVERLAP_S)] = 0


def key_routes(services: Services) -> APIRouter:
    """Return `/api/keys`."""
    router, office = APIRouter(), services.office

    @router.get("/api/keys", **documents.LIST_KEYS)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def all_of_them(request: Request) -> Response:
        where, page = _wanted(services, request), page_of(request)
        part = await office.read(lambda connection: rows(connection, api_keys, VirtualKey, where, page))
        return listed(list(part.items), part.next, told)

    @router.get("/api/keys/{key_id}", **documents.GET_KEY)  # type: ignore[arg-type]  # as above
    async def show(key_id: str) -> Response:
        one = await office.read(lambda connection: service.key(connection, key_id))
        return answered(told(one), version=one.version)

    _add_making(router, services)
    _add_rotation(router, services)
    _add_changes(router, services)
    return router


def _add_making(router: APIRouter, services: Services) -> None:
    office, mark = services.office, services.keyring.mark_of

    @router.post("/api/keys", **documents.CREATE_KEY)  # type: ignore[arg-type]  # as above
    async def create(request: Request) -> Response:
        new = await read(request, _New)
        workspace_id = new.workspace_id or caller_of(request).account.workspace_id
        who = changing(request, "keys:write", workspace_id=workspace_id)
        wish = Wish(
            name=new.name,
            workspace_id=workspace_id,
            user_id=new.user_id,
            scopes=new.scopes,
            tags=new.tags,
            priority=new.priority,
            expires_at=_ms(new.expires_at),
        )
        plain, one = await office.write(lambda connection: service.issue_key(connection, who, wish, mark=mark))
        return answered({**told(one), "key": plain}, version=one.version)


def _add_rotation(router: APIRouter, services: Services) -> None:
    office, mark = services.office, services.keyring.mark_of

    @router.post("/api/keys/{key_id}/rotate", **documents.ROTATE_KEY)  # type: ignore[arg-type]  # as above
    async def rotate(request: Request, key_id: str) -> Response:
        overlap_s, version = (await read(request, _Rotation)).overlap_s, version_of(request)
        who = _acting(services, request, key_id)
        plain, one = await office.write(
            lambda connection: service.rotate_key(
                connection, who, key_id, overlap_s=overlap_s, mark=mark, version=version
            )
        )
        return answered({**told(one), "key": plain}, version=one.version)


def _add_changes(router: APIRouter, services: Services) -> None:
    office = services.office

    @router.patch("/api/keys/{key_id}", **documents.UPDATE_KEY)  # type: ignore[arg-type]  # as above
    async def update(request: Request, key_id: str) -> Response:
        change, version = await read(request, _Change), version_of(request)
        values = {name: value for name in change.__struct_fields__ if (value := getattr(change, name)) is not UNSET}
        if change.expires_at is not UNSET:
            values["expires_at"] = _ms(change.expires_at)
        who = _acting(services, request, key_id)
        one = await office.write(
            lambda connection: service.change_key(connection, who, key_id, values, version=version)
        )
        return answered(told(one), version=one.version)

    @router.post("/api/keys/{key_id}/revoke", **documents.REVOKE_KEY)  # type: ignore[arg-type]  # as above
    async def revoke(request: Request, key_id: str) -> Response:
        who, version = _acting(services, request, key_id), version_of(request)
        one = await office.write(lambda connection: service.revoke_key(connection, who, key_id, version=version))
        return answered(told(one), version=one.version)


def told(one: VirtualKey) -> dict[str, object]:
    """Return what is told of a key; never the key, nor what it is held by."""
    return {
        "object": "key",
        "id": one.id,
        "organisation_id": one.organisation_id,
        "workspace_id": one.workspace_id,
        "user_id": one.user_id,
        "name": one.name,
        "shown": one.shown,
        "scopes": one.scopes,
        "tags": one.tags,
        "priority": one.priority,
        "created_at": one.created_at // 1_000,
        "expires_at": _s(one.expires_at),
        "revoked_at": _s(one.revoked_at),
        "rotated_to": one.rotated_to,
        "first_used_at": _s(one.first_used_at),
        "last_used_at": _s(one.last_used_at),
        "version": one.version,
    }


def _acting(services: Services, request: Request, key_id: str) -> Acting:
    return acting(request, workspace_id=services.office.directory.keys[key_id].workspace_id)


def _wanted(services: Services, request: Request) -> list[ColumnElement[bool]]:
    """Return what a list is narrowed to: what the caller sees, and the filters."""
    where: list[ColumnElement[bool]] = []
    seen = reach.visible_workspaces(services.office.directory, caller_of(request), "keys:read")
    if seen is not None:
        where.append(api_keys.c.workspace_id.in_(seen) if seen else false())
    for name in ("workspace_id", "user_id"):
        said = request.query_params.get(name)
        if said is not None:
            where.append(api_keys.c[name] == said)
    revoked = flag_of(request, "revoked")
    if revoked is not None:
        where.append(api_keys.c.revoked_at.is_not(None) if revoked else api_keys.c.revoked_at.is_(None))
    return where


def _s(ms: int | None) -> int | None:
    return None if ms is None else ms // 1_000


def _ms(seconds: int | UnsetType | None) -> int | None:
    return seconds * 1_000 if isinstance(seconds, int) else None
