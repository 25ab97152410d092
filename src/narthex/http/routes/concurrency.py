"""How many calls models take at once, who waits, and whom this server refuses."""

from __future__ import annotations

import dataclasses

import msgspec
from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from narthex.http import openapi
from narthex.http.services import Services
from narthex.types.priorities import Priority


def concurrency_routes(services: Services) -> APIRouter:
    """Return `/api/concurrency`."""
    router = APIRouter()

    @router.get("/api/concurrency", **openapi.LIST_CONCURRENCY)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def limits() -> Response:
        data = [
            {"object": "concurrency", "name": name, **dataclasses.asdict(report)}
            for name, report in services.places.snapshot()
        ]
        allowed = services.places.allowances.snapshot()
        told = [
            {"object": "allowance", "name": name, **msgspec.structs.asdict(report)} for name, report in allowed.items()
        ]
        return JSONResponse({"object": "list", "data": data, "shedding": _shedding(services), "allowances": told})

    return router


def _shedding(services: Services) -> dict[str, object]:
    shedder = services.shedder
    return {
        "takes": [priority.word for priority in Priority if priority >= shedder.least],
        "lag_s": round(shedder.standing_lag_s, 6),
        "active": services.metrics.active,
        "max_active": shedder.max_active,
        "refused": [
            {"reason": reason, "priority": priority.word, "calls": calls}
            for (reason, priority), calls in sorted(shedder.refused().items())
        ],
    }
