"""The breakers of models and providers: how they stand, and their handle."""

from __future__ import annotations

import dataclasses
from typing import Literal

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from narthex.errors import InvalidRequest, NarthexError
from narthex.http import openapi
from narthex.http.bodies import read_body
from narthex.http.services import Services
from narthex.resilience.breakers import BreakerReport, BreakerState


class _Wish(msgspec.Struct, forbid_unknown_fields=True):
    state: Literal["forced_open", "forced_closed"] | None


_decode = msgspec.json.Decoder(_Wish).decode


def breaker_routes(services: Services) -> APIRouter:
    """Return `/api/breakers`."""
    router = APIRouter()

    @router.get("/api/breakers", **openapi.LIST_BREAKERS)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def breakers() -> Response:
        return JSONResponse({"object": "list", "data": [_told(one) for one in services.breakers.snapshot()]})

    @router.put("/api/breakers/{name:path}", **openapi.SET_BREAKER)  # type: ignore[arg-type]  # as above
    async def force(request: Request, name: str) -> Response:
        wish = _parse(await read_body(request))
        breaker = services.breakers.force(_meant(services, name), None if wish is None else BreakerState(wish))
        await services.settle()
        return JSONResponse(_told(breaker.report()))

    return router


def _meant(services: Services, name: str) -> str:
    """Return the name of a breaker: a provider's is its own, a model's what it leads to."""
    if any(provider.name == name for provider in services.catalog.providers) or services.breakers.knows(name):
        return name
    try:
        return services.catalog.resolve(name).name
    except NarthexError as error:
        raise type(error)(error.message, param="name") from error


def _parse(body: bytes) -> str | None:
    try:
        return _decode(body).state
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        message = f'the body is not valid: {error}; send {{"state": "forced_open" | "forced_closed" | null}}'
        raise InvalidRequest(message, param="state") from error


def _told(report: BreakerReport) -> dict[str, object]:
    scope = "model" if "/" in report.name else "provider"
    return {"object": "breaker", "scope": scope, **dataclasses.asdict(report)}
