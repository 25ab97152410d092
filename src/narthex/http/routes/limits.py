"""How many calls models take at once, who waits, and whom this server refuses."""

from __future__ import annotations

import dataclasses

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from narthex.http import openapi
from narthex.http.services import Services
from narthex.types.priorities import Priority


def limit_routes(services: Services) -> APIRouter:
    """Return `/api/limits`."""
    router = APIRouter()

    @router.get("/api/limits", **openapi.LIST_LIMITS)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def limits() -> Response:
        data = [
            {"object": "limit", "name": name, **dataclasses.asdict(report)}
            for name, report in services.places.snapshot()
        ]
        return JSONResponse({"object": "list", "data": data, "shedding": _shedding(services)})

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
