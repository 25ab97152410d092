"""Signing in at the dashboard, and out."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request
from msgspec import Meta
from starlette.responses import Response

from narthex.errors import NarthexError, PermissionDenied
from narthex.http import sign_in_documents as documents
from narthex.http.control import answered, read
from narthex.http.cookies import is_secure
from narthex.http.services import Services
from narthex.http.sign_in import headers_of, home_of, let_in, own_pages, signed_in, visitor_of, without_session
from narthex.tenancy.sign_in.credentials import anybody
from narthex.tenancy.sign_in.desk import Desk, SecondFactorWanted, checked_name
from narthex.tenancy.sign_in.reception import Guest, Reception
from narthex.tenancy.sign_in.single_sign_on.flow import SingleSignOn

Word = Annotated[str, Meta(max_length=512)]
Email = Annotated[str, Meta(min_length=3, max_length=320)]
SIGNED_IN = {"object": "auth.session", "status": "signed_in", "ticket": None}


class _Password(msgspec.Struct, forbid_unknown_fields=True):
    email: Email
    password: Word


class _Code(msgspec.Struct, forbid_unknown_fields=True):
    ticket: Annotated[str, Meta(max_length=2_000)]
    code: Annotated[str, Meta(max_length=64)]


class _First(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    email: Email
    password: Word


def sign_in_routes(services: Services) -> APIRouter:
    """Return `/api/auth/…`, as far as it is about getting in and out."""
    router, desk = APIRouter(dependencies=[Depends(own_pages)]), Desk(services.reception)

    @router.get("/api/auth/state", **documents.STATE)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def state(request: Request) -> Response:
        return answered(await _state(services, request), headers={"cache-control": "no-store"})

    _add_password(router, desk)
    _add_first(router, services, desk)
    return router


def _add_password(router: APIRouter, desk: Desk) -> None:
    reception, way = desk.reception, SingleSignOn(desk)

    @router.post("/api/auth/password", **documents.PASSWORD)  # type: ignore[arg-type]  # as above
    async def password(request: Request) -> Response:
        # Before the password is read: it should not have been sent.
        is_secure(request.scope, headers_of(request))
        wish = await read(request, _Password)
        outcome = await desk.sign_in(wish.email, wish.password, visitor_of(request))
        if isinstance(outcome, SecondFactorWanted):
            wanted = {"object": "auth.session", "status": "second_factor", "ticket": outcome.ticket}
            return answered(wanted, headers={"cache-control": "no-store"})
        return let_in(request, reception, outcome, SIGNED_IN)

    @router.post("/api/auth/second-factor", **documents.SECOND_FACTOR)  # type: ignore[arg-type]  # as above
    async def second_factor(request: Request) -> Response:
        wish = await read(request, _Code)
        opened = await desk.second_factor(wish.ticket, wish.code, visitor_of(request))
        return let_in(request, reception, opened, SIGNED_IN)

    @router.post("/api/auth/sign-out", **documents.SIGN_OUT)  # type: ignore[arg-type]  # as above
    async def sign_out(request: Request) -> Response:
        guest, told = signed_in(request), {"object": "auth.session", "status": "signed_out", "ticket": None}
        address = await way.sign_out(guest, visitor_of(request), return_to=_home(request, reception))
        return without_session(answered(told if address is None else {**told, "continue_at": address}))


def _add_first(router: APIRouter, services: Services, desk: Desk) -> None:
    @router.post("/api/auth/first", **documents.FIRST)  # type: ignore[arg-type]  # as above
    async def first(request: Request) -> Response:
        headers = headers_of(request)
        is_secure(request.scope, headers)
        caller = services.keyring.identify(headers.get(b"authorization") or headers.get(b"x-api-key"))
        if not caller.is_operator:
            raise PermissionDenied("the first user is made by whoever runs this server")
        wish = await read(request, _First)
        name = checked_name(wish.name)
        opened = await desk.first_owner(
            name=name, email=wish.email, password=wish.password, visitor=visitor_of(request)
        )
        return let_in(request, desk.reception, opened, SIGNED_IN)


async def _state(services: Services, request: Request) -> dict[str, object]:
    reception = services.reception
    has_users = await services.office.read(anybody)
    oidc = reception.settings.oidc
    return {
        "object": "auth.state",
        "required": services.keyring.required,
        "has_users": has_users,
        "may_make_first": not has_users and _is_operator(services, request),
        "passwords": reception.settings.passwords,
        "single_sign_on": None if oidc is None else oidc.name,
        "user": None if (guest := request.scope.get("narthex.guest")) is None else _user(reception, guest),
    }


def _home(request: Request, reception: Reception) -> str:
    try:
        return home_of(request, reception)
    except PermissionDenied:
        # Whoever is signed in gets out, however they came.
        return ""


def _is_operator(services: Services, request: Request) -> bool:
    headers = headers_of(request)
    try:
        caller = services.keyring.identify(headers.get(b"authorization") or headers.get(b"x-api-key"))
    except NarthexError:
        return False
    return caller.is_operator


def _user(reception: Reception, guest: Guest) -> dict[str, object]:
    user = reception.office.directory.users[guest.session.user_id]
    account = guest.caller.account
    return {
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "role": user.role,
        "organisation_id": account.organisation_id,
        "workspace_id": account.workspace_id or None,
        "permissions": sorted(guest.caller.permissions),
        "session_id": guest.session.id,
        "how": guest.session.how,
    }
