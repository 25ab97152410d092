"""Members of workspaces: listed, taken in, given another role, and taken out."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from narthex.http import control_documents as documents
from narthex.http.control import Id, answered, listed, page_of, read, version_of
from narthex.http.guarding import acting
from narthex.http.services import Services
from narthex.stores.database.schema import members
from narthex.tenancy import members as service
from narthex.tenancy.editing import listed as rows
from narthex.tenancy.records import Member


class _New(msgspec.Struct, forbid_unknown_fields=True):
    user_id: Id
    role: Id = "member"


class _Change(msgspec.Struct, forbid_unknown_fields=True):
    role: Id


def member_routes(services: Services) -> APIRouter:
    """Return `/api/workspaces/{workspace_id}/members`."""
    router, office = APIRouter(), services.office

    @router.get("/api/workspaces/{workspace_id}/members", **documents.LIST_MEMBERS)  # type: ignore[arg-type]  # keywords, from a table
    async def all_of_them(request: Request, workspace_id: str) -> Response:
        where, page = [members.c.workspace_id == workspace_id], page_of(request)
        part = await office.read(lambda connection: rows(connection, members, Member, where, page))
        return listed(list(part.items), part.next, told)

    @router.get("/api/workspaces/{workspace_id}/members/{user_id}", **documents.GET_MEMBER)  # type: ignore[arg-type]  # as above
    async def show(workspace_id: str, user_id: str) -> Response:
        one = await office.read(lambda connection: service.member(connection, workspace_id, user_id))
        return answered(told(one), version=one.version)

    @router.post("/api/workspaces/{workspace_id}/members", **documents.ADD_MEMBER)  # type: ignore[arg-type]  # as above
    async def add(request: Request, workspace_id: str) -> Response:
        wish, who = await read(request, _New), acting(request, workspace_id=workspace_id)
        one = await office.write(
            lambda connection: service.add_member(
                connection, who, workspace_id=workspace_id, user_id=wish.user_id, role=wish.role
            )
        )
        return answered(told(one), version=one.version)

    _add_changes(router, services)
    return router


def _add_changes(router: APIRouter, services: Services) -> None:
    office = services.office

    @router.patch("/api/workspaces/{workspace_id}/members/{user_id}", **documents.UPDATE_MEMBER)  # type: ignore[arg-type]  # as above
    async def update(request: Request, workspace_id: str, user_id: str) -> Response:
        role, version = (await read(request, _Change)).role, version_of(request)
        who = acting(request, workspace_id=workspace_id)
        one = await office.write(
            lambda connection: service.change_member(
                connection, who, workspace_id=workspace_id, user_id=user_id, role=role, version=version
            )
        )
        return answered(told(one), version=one.version)

    @router.delete("/api/workspaces/{workspace_id}/members/{user_id}", **documents.REMOVE_MEMBER)  # type: ignore[arg-type]  # as above
    async def remove(request: Request, workspace_id: str, user_id: str) -> Response:
        who, version = acting(request, workspace_id=workspace_id), version_of(request)
        await office.write(
            lambda connection: service.remove_member(
                connection, who, workspace_id=workspace_id, user_id=user_id, version=version
            )
        )
        return answered({"object": "member", "workspace_id": workspace_id, "user_id": user_id, "deleted": True})


def told(one: Member) -> dict[str, object]:
    """Return what is told of a member."""
    return {
        "object": "member",
        "workspace_id": one.workspace_id,
        "user_id": one.user_id,
        "role": one.role,
        "source": one.source,
        "created_at": one.created_at // 1_000,
        "version": one.version,
    }
