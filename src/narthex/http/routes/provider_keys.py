"""The keys that this server shows to providers: how each stands, and its handle; never the key."""

from __future__ import annotations

import math
from typing import Literal

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from narthex.errors import InvalidRequest, RouteNotFound
from narthex.http import openapi
from narthex.http.bodies import read_body
from narthex.http.services import Services
from narthex.providers.catalog import Catalog
from narthex.providers.contract import KeyHolding
from narthex.providers.key_books import reports_by_provider
from narthex.types.keys import KeyId, KeyReport


class _Wish(msgspec.Struct, forbid_unknown_fields=True):
    state: Literal["retired", "usable"]


_decode = msgspec.json.Decoder(_Wish).decode


def provider_key_routes(services: Services) -> APIRouter:
    """Return `/api/provider-keys`."""
    router = APIRouter()

    @router.get("/api/provider-keys", **openapi.LIST_PROVIDER_KEYS)  # type: ignore[arg-type]  # keywords from a table
    async def keys() -> Response:
        reports = reports_by_provider(services.catalog.providers)
        listed = [_told(provider, report) for provider, each in reports.items() for report in each]
        return JSONResponse({"object": "list", "data": listed})

    @router.put("/api/provider-keys/{provider}/{key}", **openapi.SET_PROVIDER_KEY)  # type: ignore[arg-type]  # as above
    async def hold(request: Request, provider: str, key: str) -> Response:
        wish = _parse(await read_body(request))
        holder = _holder(services.catalog, provider, key)
        change = holder.withdraw_key if wish == "retired" else holder.restore_key
        change(KeyId(key))
        await services.settle()
        return JSONResponse(_told(provider, next(one for one in holder.key_reports() if one.key == key)))

    return router


def told(report: KeyReport) -> dict[str, object]:
    """Return what is told of a key, wherever it is."""
    return {
        "id": report.key,
        "state": report.state.value,
        "reason": report.reason,
        "usable_in_s": round(report.usable_in_s, 3) if report.usable_in_s < math.inf else None,
        "by_hand": report.by_hand,
        "ends": report.ends,
    }


def _told(provider: str, report: KeyReport) -> dict[str, object]:
    return {"object": "provider_key", "provider": provider, **told(report)}


def _holder(catalog: Catalog, name: str, key: str) -> KeyHolding:
    provider = next((one for one in catalog.providers if one.name == name), None)
    if provider is None:
        known = ", ".join(sorted(one.name for one in catalog.providers))
        raise RouteNotFound(f"there is no provider {name[:100]!r}; there are: {known}", param="provider")
    keys = [report.key for report in provider.key_reports()] if isinstance(provider, KeyHolding) else []
    if key not in keys:
        known = f"it has: {', '.join(keys)}" if keys else "it has none"
        raise RouteNotFound(f"{name!r} has no key {key[:100]!r}; {known}", param="key")
    assert isinstance(provider, KeyHolding)
    return provider


def _parse(body: bytes) -> str:
    try:
        return _decode(body).state
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        message = f'the body is not valid: {error}; send {{"state": "retired" | "usable"}}'
        raise InvalidRequest(message, param="state") from error
