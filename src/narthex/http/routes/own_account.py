"""What somebody who is signed in does about their own account: password, second factor, sessions."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request
from msgspec import Meta
from starlette.responses import Response

from narthex.http import sign_in_documents as documents
from narthex.http.control import answered, read
from narthex.http.services import Services
from narthex.http.sign_in import let_in, own_pages, signed_in, visitor_of
from narthex.tenancy.sign_in.desk import Desk
from narthex.tenancy.sign_in.own import OwnAccount
from narthex.tenancy.sign_in.reception import Guest
from narthex.tenancy.sign_in.sessions import Session

Word = Annotated[str, Meta(max_length=512)]
_SECRET = {"cache-control": "no-store"}


class _NewPassword(msgspec.Struct, forbid_unknown_fields=True):
    current_password: Word
    new_password: Word


class _Proof(msgspec.Struct, forbid_unknown_fields=True):
    password: Word


class _Code(msgspec.Struct, forbid_unknown_fields=True):
    code: Annotated[str, Meta(max_length=64)]


def own_account_routes(services: Services) -> APIRouter:
    """Return `/api/auth/account…` and `/api/auth/sessions…`."""
    router, own = APIRouter(dependencies=[Depends(own_pages)]), OwnAccount(Desk(services.reception))

    @router.get("/api/auth/account", **documents.ACCOUNT)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def account(request: Request) -> Response:
        known = await own.known(signed_in(request))
        told = {
            "object": "auth.account",
            "has_password": known.password_hash is not None,
            "has_second_factor": known.has_second_factor,
            "recovery_codes_left": len(known.recovery_hashes or ()) if known.has_second_factor else 0,
            "has_single_sign_on": known.issuer is not None,
        }
        return answered(told, headers=_SECRET)

    @router.post("/api/auth/account/password", **documents.NEW_PASSWORD)  # type: ignore[arg-type]  # as above
    async def change_password(request: Request) -> Response:
        guest, wish = signed_in(request), await read(request, _NewPassword)
        opened = await own.change_password(guest, wish.current_password, wish.new_password, visitor_of(request))
        signed = {"object": "auth.session", "status": "signed_in", "ticket": None}
        return let_in(request, services.reception, opened, signed)

    _add_factor(router, own)
    _add_sessions(router, own)
    return router


def _add_factor(router: APIRouter, own: OwnAccount) -> None:
    @router.post("/api/auth/account/second-factor", **documents.NEW_FACTOR)  # type: ignore[arg-type]  # as above
    async def begin(request: Request) -> Response:
        guest, wish = signed_in(request), await read(request, _Proof)
        new = await own.begin_second_factor(guest, wish.password, visitor_of(request))
        told = {"object": "auth.new_factor", "secret": new.secret, "address": new.address, "qr_svg": new.square}
        return answered(told, headers=_SECRET)

    @router.post("/api/auth/account/second-factor/confirm", **documents.CONFIRM_FACTOR)  # type: ignore[arg-type]  # as above
    async def confirm(request: Request) -> Response:
        guest, wish = signed_in(request), await read(request, _Code)
        return _codes(await own.confirm_second_factor(guest, wish.code, visitor_of(request)))

    @router.post("/api/auth/account/second-factor/remove", **documents.REMOVE_FACTOR)  # type: ignore[arg-type]  # as above
    async def remove(request: Request) -> Response:
        guest, wish = signed_in(request), await read(request, _Proof)
        await own.remove_second_factor(guest, wish.password, visitor_of(request))
        return answered({"object": "auth.factor_removed"})

    @router.post("/api/auth/account/recovery-codes", **documents.NEW_CODES)  # type: ignore[arg-type]  # as above
    async def renew(request: Request) -> Response:
        guest, wish = signed_in(request), await read(request, _Proof)
        return _codes(await own.new_recovery_codes(guest, wish.password, visitor_of(request)))


def _add_sessions(router: APIRouter, own: OwnAccount) -> None:
    @router.get("/api/auth/sessions", **documents.SESSIONS)  # type: ignore[arg-type]  # as above
    async def sessions(request: Request) -> Response:
        guest = signed_in(request)
        data = [_told(one, guest) for one in own.sessions(guest)]
        return answered({"object": "list", "data": data, "has_more": False, "next": None})

    @router.delete("/api/auth/sessions/{session_id}", **documents.END_SESSION)  # type: ignore[arg-type]  # as above
    async def end(request: Request, session_id: str) -> Response:
        await own.end_session(signed_in(request), session_id, visitor_of(request))
        return answered({"object": "auth.session_ended", "id": session_id})


def _codes(codes: list[str]) -> Response:
    return answered({"object": "auth.recovery_codes", "codes": codes}, headers=_SECRET)


def _told(one: Session, guest: Guest) -> dict[str, object]:
    return {
        "object": "session",
        "id": one.id,
        "created_at": one.created_at // 1_000,
        "seen_at": one.seen_at // 1_000,
        "expires_at": one.expires_at // 1_000,
        "address": one.address,
        "agent": one.agent,
        "how": one.how,
        "is_this_one": one.id == guest.session.id,
    }
