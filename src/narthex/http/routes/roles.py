"""Roles of an organisation: the built-in ones, and its own."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta
from sqlalchemy import ColumnElement
from starlette.responses import Response

from narthex.http import control_documents as documents
from narthex.http.control import Id, answered, listed, page_of, read, version_of
from narthex.http.guarding import acting, caller_of, require
from narthex.http.services import Services
from narthex.stores.database.schema import roles
from narthex.tenancy import roles as service
from narthex.tenancy.editing import listed as rows
from narthex.tenancy.permissions import BUILT_IN
from narthex.tenancy.records import Role

Words = Annotated[list[str], Meta(max_length=200)]


class _New(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    permissions: Words
    organisation_id: Id | None = None


class _Change(msgspec.Struct, forbid_unknown_fields=True):
    permissions: Words


def role_routes(services: Services) -> APIRouter:
    """Return `/api/roles`."""
    router, office = APIRouter(), services.office

    @router.get("/api/roles", **documents.LIST_ROLES)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def all_of_them(request: Request) -> Response:
        caller, page = caller_of(request), page_of(request)
        organisation_id = request.query_params.get("organisation_id") or caller.account.organisation_id
        require(request, "roles:read", organisation_id=organisation_id)
        where: list[ColumnElement[bool]] = [roles.c.organisation_id == organisation_id]
        part = await office.read(lambda connection: rows(connection, roles, Role, where, page))
        own = [told(one) for one in part.items]
        built_in = [_built_in(name) for name in BUILT_IN] if page.after is None else []
        return listed([*built_in, *own], part.next, lambda one: one)

    @router.get("/api/roles/{role_id}", **documents.GET_ROLE)  # type: ignore[arg-type]  # as above
    async def show(role_id: str) -> Response:
        one = await office.read(lambda connection: service.role(connection, role_id))
        return answered(told(one), version=one.version)

    _add_changes(router, services)
    _add_deletion(router, services)
    return router


def _add_changes(router: APIRouter, services: Services) -> None:
    office = services.office

    @router.post("/api/roles", **documents.CREATE_ROLE)  # type: ignore[arg-type]  # as above
    async def create(request: Request) -> Response:
        wish = await read(request, _New)
        home = wish.organisation_id or caller_of(request).account.organisation_id
        require(request, "roles:write", organisation_id=home)
        who, name, given = acting(request, organisation_id=home), wish.name, wish.permissions
        one = await office.write(
            lambda connection: service.create_role(connection, who, organisation_id=home, name=name, permissions=given)
        )
        return answered(told(one), version=one.version)

    @router.patch("/api/roles/{role_id}", **documents.UPDATE_ROLE)  # type: ignore[arg-type]  # as above
    async def update(request: Request, role_id: str) -> Response:
        given, version = (await read(request, _Change)).permissions, version_of(request)
        who = acting(request, organisation_id=office.directory.roles[role_id].organisation_id)
        one = await office.write(
            lambda connection: service.update_role(connection, who, role_id, permissions=given, version=version)
        )
        return answered(told(one), version=one.version)


def _add_deletion(router: APIRouter, services: Services) -> None:
    office = services.office

    @router.delete("/api/roles/{role_id}", **documents.DELETE_ROLE)  # type: ignore[arg-type]  # as above
    async def delete(request: Request, role_id: str) -> Response:
        version = version_of(request)
        who = acting(request, organisation_id=office.directory.roles[role_id].organisation_id)
        await office.write(lambda connection: service.delete_role(connection, who, role_id, version=version))
        return answered({"object": "role", "id": role_id, "deleted": True})


def told(one: Role) -> dict[str, object]:
    """Return what is told of a role."""
    return {
        "object": "role",
        "id": one.id,
        "organisation_id": one.organisation_id,
        "name": one.name,
        "permissions": one.permissions,
        "version": one.version,
    }


def _built_in(name: str) -> dict[str, object]:
    permissions = sorted(BUILT_IN[name])
    return {
        "object": "role",
        "id": None,
        "organisation_id": None,
        "name": name,
        "permissions": permissions,
        "version": None,
    }
