"""Invitations: listed, made and taken back by who may take people in; looked at and accepted by whoever holds one."""

from __future__ import annotations

import time
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request
from msgspec import Meta
from sqlalchemy import ColumnElement
from starlette.responses import Response

from narthex.http import control_documents as documents
from narthex.http import sign_in_documents
from narthex.http.control import Id, answered, listed, page_of, read, version_of
from narthex.http.guarding import caller_of, changing
from narthex.http.services import Services
from narthex.http.sign_in import let_in, own_pages, visitor_of
from narthex.stores.database.schema import invitations
from narthex.tenancy import invitations as service
from narthex.tenancy.acting import Acting
from narthex.tenancy.editing import listed as rows
from narthex.tenancy.editing import reached
from narthex.tenancy.invitations import LONGEST_S, PATH, PURPOSE, USUAL_S, Invitation, marker
from narthex.tenancy.keys import Caller
from narthex.tenancy.sign_in.desk import Desk
from narthex.tenancy.sign_in.welcome import NewSecret, Shown, Welcome

Word = Annotated[str, Meta(max_length=512)]
_MEMBERS, _USERS = "members:write", "users:write"
_SECRET = {"cache-control": "no-store"}


class _New(msgspec.Struct, forbid_unknown_fields=True):
    email: Annotated[str, Meta(min_length=3, max_length=320)]
    role: Id = "member"
    organisation_id: Id | None = None
    workspace_id: Id | None = None
    lifetime_s: Annotated[int, Meta(ge=60, le=LONGEST_S)] = USUAL_S


class _Held(msgspec.Struct, forbid_unknown_fields=True):
    token: Word


class _Accepted(msgspec.Struct, forbid_unknown_fields=True):
    token: Word
    name: Annotated[str, Meta(max_length=200)] | None = None
    password: Word | None = None


def invitation_routes(services: Services) -> APIRouter:
    """Return `/api/invitations` and `/api/auth/invitation…`."""
    router, office = APIRouter(), services.office

    @router.get("/api/invitations", **documents.LIST_INVITATIONS)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def all_of_them(request: Request) -> Response:
        where, page = _seen(services, caller_of(request)), page_of(request)
        for name in ("organisation_id", "workspace_id"):
            if (wanted := request.query_params.get(name)) is not None:
                where.append(invitations.c[name] == wanted)
        part = await office.read(lambda connection: rows(connection, invitations, Invitation, where, page))
        return listed(list(part.items), part.next, told)

    @router.post("/api/invitations", **documents.CREATE_INVITATION)  # type: ignore[arg-type]  # as above
    async def create(request: Request) -> Response:
        wish = await read(request, _New)
        home = wish.organisation_id or caller_of(request).account.organisation_id
        who = _allowed(request, home, wish.workspace_id)
        mark = marker((await office.sealer()).mac_key(PURPOSE))
        fields = {**msgspec.structs.asdict(wish), "organisation_id": _home_of(services, wish, home)}
        asked = msgspec.convert(fields, service.Wish)
        token, one = await office.write(lambda connection: service.invite(connection, who, asked, mark=mark))
        return answered({**told(one), "token": token, "path": f"{PATH}#{token}"}, version=one.version, headers=_SECRET)

    _add_single(router, services)
    router.include_router(_holders(services))
    return router


def _add_single(router: APIRouter, services: Services) -> None:
    office = services.office

    @router.get("/api/invitations/{invitation_id}", **documents.GET_INVITATION)  # type: ignore[arg-type]  # as above
    async def show(request: Request, invitation_id: str) -> Response:
        one, _ = await _found(services, request, invitation_id)
        return answered(told(one), version=one.version)

    @router.post("/api/invitations/{invitation_id}/revoke", **documents.REVOKE_INVITATION)  # type: ignore[arg-type]  # as above
    async def revoke(request: Request, invitation_id: str) -> Response:
        _, who = await _found(services, request, invitation_id)
        version = version_of(request)
        one = await office.write(lambda connection: service.revoke(connection, who, invitation_id, version=version))
        return answered(told(one), version=one.version)


def _holders(services: Services) -> APIRouter:
    """Return the routes for whoever holds an invitation: nobody has to be signed in for them."""
    router, welcome = APIRouter(dependencies=[Depends(own_pages)]), Welcome(Desk(services.reception))

    @router.post("/api/auth/invitation", **sign_in_documents.LOOK_AT_INVITATION)  # type: ignore[arg-type]  # as above
    async def look(request: Request) -> Response:
        held = await read(request, _Held)
        return answered(_shown(await welcome.look(held.token, visitor_of(request))), headers=_SECRET)

    @router.post("/api/auth/invitation/accept", **sign_in_documents.ACCEPT_INVITATION)  # type: ignore[arg-type]  # as above
    async def accept(request: Request) -> Response:
        said = await read(request, _Accepted)
        chosen = None if said.password is None else NewSecret(said.name or "", said.password)
        guest, visitor = request.scope.get("narthex.guest"), visitor_of(request)
        opened = await welcome.accept(said.token, visitor, guest=guest, chosen=chosen)
        told = {"object": "auth.session", "status": "signed_in", "ticket": None}
        return answered(told) if opened is None else let_in(request, services.reception, opened, told)

    return router


def told(one: Invitation) -> dict[str, object]:
    """Return what is told of an invitation; nothing of its link."""
    now = int(time.time() * 1_000)
    return {
        "object": "invitation",
        "id": one.id,
        "organisation_id": one.organisation_id,
        "workspace_id": one.workspace_id,
        "email": one.email,
        "role": one.role,
        "state": one.state(now),
        "created_at": one.created_at // 1_000,
        "created_by": one.created_by,
        "expires_at": one.expires_at // 1_000,
        "accepted_at": None if one.accepted_at is None else one.accepted_at // 1_000,
        "accepted_by": one.accepted_by,
        "revoked_at": None if one.revoked_at is None else one.revoked_at // 1_000,
        "version": one.version,
    }


def _shown(shown: Shown) -> dict[str, object]:
    return {
        "object": "auth.invitation",
        "email": shown.invitation.email,
        "role": shown.invitation.role,
        "organisation": shown.organisation,
        "workspace": shown.workspace,
        "expires_at": shown.invitation.expires_at // 1_000,
        "has_account": shown.has_account,
    }


async def _found(services: Services, request: Request, invitation_id: str) -> tuple[Invitation, Acting]:
    """Return an invitation, and the caller who may see and change it."""
    one = await services.office.read(lambda connection: service.invitation(connection, invitation_id))
    return one, _allowed(request, one.organisation_id, one.workspace_id)


def _allowed(request: Request, organisation_id: str, workspace_id: str | None) -> Acting:
    """Hold the caller to what is needed to take people in there."""
    permission = _USERS if workspace_id is None else _MEMBERS
    return changing(request, permission, organisation_id=organisation_id, workspace_id=workspace_id or "")


def _home_of(services: Services, wish: _New, home: str) -> str:
    """Return whose an invitation is: of a workspace that is named alone, that of the workspace."""
    if wish.workspace_id is None or wish.organisation_id is not None:
        return home
    return services.office.directory.workspaces[wish.workspace_id].organisation_id


def _seen(services: Services, caller: Caller) -> list[ColumnElement[bool]]:
    """Return what a list is narrowed to: what the caller may take people into."""
    return reached(services.office.directory, caller, invitations, _MEMBERS, in_organisation=_USERS)
