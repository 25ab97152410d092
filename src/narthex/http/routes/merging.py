"""Several calls made one stream, every event with its source around it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from narthex.http import openapi
from narthex.http.bodies import read_body
from narthex.http.routes.model_calls import events_of
from narthex.http.services import Services
from narthex.pipeline.merge_requests import merged_exchange


def merging_routes(services: Services) -> APIRouter:
    """Return `POST /v1/streams/merge`."""
    router = APIRouter()

    @router.post("/v1/streams/merge", **openapi.MERGE_STREAMS)  # type: ignore[arg-type]  # keywords, from a table
    async def merge(request: Request) -> Response:
        scope = request.scope
        exchange = merged_exchange(await read_body(request), dict(scope["headers"]), scope["narthex.caller"])
        scope["narthex.request_id"] = exchange.id
        answer = await services.engine.handle(exchange)
        return events_of(exchange, answer, services.heartbeat)

    return router
