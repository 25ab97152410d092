"""What is asked over HTTP about sockets: ephemeral keys, and the answer to whoever knocks without an upgrade."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta
from starlette.responses import Response

from narthex.errors import InvalidRequest
from narthex.http import openapi
from narthex.http.bodies import read_body
from narthex.http.services import Services
from narthex.http.sockets.places import REALTIME_PATH, STREAMS_PATH
from narthex.http.sockets.realtime import first_session, new_id
from narthex.tenancy.sign_in.reception import Guest
from narthex.wire.openai_chat.request_decoding import UNREADABLE, invalid_body


class _ExpiresAfter(msgspec.Struct, forbid_unknown_fields=True):
    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Meta(ge=10, le=7_200)] = 600


class _Wish(msgspec.Struct, forbid_unknown_fields=True):
    expires_after: _ExpiresAfter | None = None
    session: dict[str, object] | None = None


_decode = msgspec.json.Decoder(_Wish).decode


def realtime_routes(services: Services) -> APIRouter:
    """Return `POST /v1/realtime/client_secrets`, and what is answered where a socket is opened."""
    router = APIRouter()

    @router.post(f"{REALTIME_PATH}/client_secrets", **openapi.CLIENT_SECRETS)  # type: ignore[arg-type]  # from a table
    async def client_secrets(request: Request) -> Response:
        wish = _parse(await read_body(request))
        headers = dict(request.scope["headers"])
        guest = cast("Guest | None", request.scope.get("narthex.guest"))
        presented = headers.get(b"authorization") or headers.get(b"x-api-key")
        mark = services.keyring.mark(presented) if guest is None else guest.mark
        said = wish.session or {}
        session = first_session(said, str(said.get("model") or services.catalog.default_model))
        lifetime_s = (wish.expires_after or _ExpiresAfter()).seconds
        key, grant = services.sockets.ephemeral.issue(mark, lifetime_s=lifetime_s, session=said)
        expires_at = int(grant.expires_at)
        told = {"value": key, "expires_at": expires_at, "session": session.shown(new_id("sess"), expires_at=0)}
        return Response(msgspec.json.encode(told), media_type="application/json")

    @router.get(STREAMS_PATH, **openapi.OPEN_STREAMS)  # type: ignore[arg-type]  # as above
    @router.get(REALTIME_PATH, **openapi.OPEN_REALTIME)  # type: ignore[arg-type]  # as above
    async def realtime() -> Response:
        raise upgrade_required()

    return router


def upgrade_required() -> InvalidRequest:
    """Return what is told where a socket is opened, to whoever asks for something else."""
    error = InvalidRequest("this path is opened as a WebSocket: send `Connection: Upgrade` and `Upgrade: websocket`")
    error.status = 426
    return error


def _parse(body: bytes) -> _Wish:
    try:
        return _decode(body)
    except UNREADABLE as error:
        raise invalid_body(error) from error
