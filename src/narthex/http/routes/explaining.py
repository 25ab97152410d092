"""Decisions on calls, explained."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from narthex.http import openapi
from narthex.http.bodies import read_body
from narthex.http.services import Services
from narthex.pipeline.explain import parse_question


def explaining_routes(services: Services) -> APIRouter:
    """Return `POST /api/route`."""
    router = APIRouter()

    @router.post("/api/route", **openapi.EXPLAIN)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def explain(request: Request) -> Response:
        question = parse_question(await read_body(request))
        explained = services.explainer.explain(question, request.scope["narthex.caller"])
        return Response(msgspec.json.encode(explained), media_type="application/json")

    return router
