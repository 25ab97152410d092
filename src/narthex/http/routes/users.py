"""People and service accounts of an organisation, and who one is oneself."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Request
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import ColumnElement, Connection
from starlette.responses import Response

from narthex.errors import Conflict
from narthex.http import control_documents as documents
from narthex.http.control import Id, answered, listed, page_of, read, version_of
from narthex.http.guarding import acting, caller_of, changing, require
from narthex.http.services import Services
from narthex.stores.database.schema import users
from narthex.tenancy import users as service
from narthex.tenancy.acting import Acting
from narthex.tenancy.editing import listed as rows
from narthex.tenancy.records import User, UserKind

Name = Annotated[str, Meta(min_length=1, max_length=200)]


class _New(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    email: str | None = None
    kind: UserKind = "person"
    role: Id = "member"
    organisation_id: Id | None = None


class _Change(msgspec.Struct, forbid_unknown_fields=True):
    name: Name | UnsetType = UNSET
    email: str | UnsetType = UNSET
    role: Id | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


class _Place(msgspec.Struct, forbid_unknown_fields=True):
    workspace_id: Id


def user_routes(services: Services) -> APIRouter:
    """Return `/api/users` and `/api/me`."""
    router, office = APIRouter(), services.office

    @router.get("/api/users", **documents.LIST_USERS)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def all_of_them(request: Request) -> Response:
        caller, page = caller_of(request), page_of(request)
        home = request.query_params.get("organisation_id") or caller.account.organisation_id
        require(request, "users:read", organisation_id=home)
        where: list[ColumnElement[bool]] = [users.c.organisation_id == home]
        part = await office.read(lambda connection: rows(connection, users, User, where, page))
        return listed(list(part.items), part.next, told)

    @router.get("/api/users/{user_id}", **documents.GET_USER)  # type: ignore[arg-type]  # as above
    async def show(user_id: str) -> Response:
        one = await office.read(lambda connection: service.user(connection, user_id))
        return answered(told(one), version=one.version)

    _add_changes(router, services)
    _add_oneself(router, services)
    return router


def _create(connection: Connection, who: Acting, home: str, wish: _New) -> User:
    name, email, role = wish.name, wish.email, wish.role
    return service.create_user(connection, who, organisation_id=home, name=name, email=email, kind=wish.kind, role=role)


def _add_changes(router: APIRouter, services: Services) -> None:
    office = services.office

    @router.post("/api/users", **documents.CREATE_USER)  # type: ignore[arg-type]  # as above
    async def create(request: Request) -> Response:
        wish = await read(request, _New)
        home = wish.organisation_id or caller_of(request).account.organisation_id
        who = changing(request, "users:write", organisation_id=home)
        one = await office.write(lambda connection: _create(connection, who, home, wish))
        return answered(told(one), version=one.version)

    @router.patch("/api/users/{user_id}", **documents.UPDATE_USER)  # type: ignore[arg-type]  # as above
    async def update(request: Request, user_id: str) -> Response:
        change, version = await read(request, _Change), version_of(request)
        values = {name: value for name in change.__struct_fields__ if (value := getattr(change, name)) is not UNSET}
        who = acting(request, organisation_id=office.directory.users[user_id].organisation_id)
        one = await office.write(
            lambda connection: service.update_user(connection, who, user_id, values, version=version)
        )
        return answered(told(one), version=one.version)


def _add_oneself(router: APIRouter, services: Services) -> None:
    office = services.office

    @router.get("/api/me", **documents.SHOW_ME)  # type: ignore[arg-type]  # as above
    async def me(request: Request) -> Response:
        return answered(_me(services, request))

    @router.put("/api/me/workspace", **documents.SET_MY_WORKSPACE)  # type: ignore[arg-type]  # as above
    async def work_in(request: Request) -> Response:
        workspace_id, caller = (await read(request, _Place)).workspace_id, caller_of(request)
        await office.database()
        require(request, "workspaces:read", workspace_id=workspace_id)
        user_id = caller.account.user_id
        if caller.is_operator or not user_id:
            raise Conflict("only a user has a current workspace; a key is of one, and stays there")
        who = acting(request, workspace_id=workspace_id)
        await office.write(lambda connection: service.set_current_workspace(connection, who, user_id, workspace_id))
        return answered({**_me(services, request), "workspace_id": workspace_id})


def _me(services: Services, request: Request) -> dict[str, object]:
    caller = caller_of(request)
    user = services.office.directory.users.get(caller.account.user_id)
    return {
        "object": "me",
        "name": caller.name,
        "organisation_id": caller.account.organisation_id,
        "workspace_id": caller.account.workspace_id,
        "user_id": caller.account.user_id or None,
        "user_name": None if user is None else user.name,
        "key_id": caller.account.key_id,
        "permissions": sorted(caller.permissions),
        "is_operator": caller.is_operator,
    }


def told(one: User) -> dict[str, object]:
    """Return what is told of a user; nothing of what they sign in with."""
    return {
        "object": "user",
        "id": one.id,
        "organisation_id": one.organisation_id,
        "kind": one.kind,
        "email": one.email,
        "name": one.name,
        "role": one.role,
        "current_workspace_id": one.current_workspace_id,
        "created_at": one.created_at // 1_000,
        "last_sign_in_at": None if one.last_sign_in_at is None else one.last_sign_in_at // 1_000,
        "disabled_at": None if one.disabled_at is None else one.disabled_at // 1_000,
        "version": one.version,
    }
