"""The responses that are kept: shown, listed by what they were made of, and taken away; and input counted."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from narthex.errors import InvalidRequest
from narthex.http import openapi
from narthex.http.bodies import read_body
from narthex.http.contents import note_read
from narthex.http.pages import page
from narthex.http.routes.model_calls import answer_headers
from narthex.http.routes.streams import follow
from narthex.http.services import Services
from narthex.pipeline.exchange import Exchange
from narthex.types.dialects import Dialect, Operation


class _Count(msgspec.Struct):
    input_tokens: int


_decode_count = msgspec.json.Decoder(_Count).decode


def response_routes(services: Services) -> APIRouter:
    """Return what there is below `/v1/responses`."""
    router = APIRouter()
    responses = services.background.responses

    @router.post("/v1/responses/input_tokens", **openapi.COUNT_INPUT)  # type: ignore[arg-type]  # keywords from a table
    async def count(request: Request) -> Response:
        return await _count(services, request)

    @router.get("/v1/responses/{response_id}", **openapi.GET_RESPONSE)  # type: ignore[arg-type]  # as above
    async def show(request: Request, response_id: str) -> Response:
        caller, wants_stream, after = request.scope["narthex.caller"], _stream(request), _starting_after(request)
        kept = await responses.get(caller, response_id)
        note_read(services, request, f"response:{response_id}", by=kept.by)
        if wants_stream:
            handle, behind = await services.background.stream(caller, kept, after)
            return await follow(services, request, handle, behind)
        return Response(bytes(kept.response), media_type="application/json")

    @router.delete("/v1/responses/{response_id}", **openapi.DELETE_RESPONSE)  # type: ignore[arg-type]  # as above
    async def delete(request: Request, response_id: str) -> Response:
        await responses.delete(request.scope["narthex.caller"], response_id)
        return JSONResponse({"id": response_id, "object": "response", "deleted": True})

    _add_further(router, services)
    return router


def _add_further(router: APIRouter, services: Services) -> None:
    responses = services.background.responses

    @router.post("/v1/responses/{response_id}/cancel", **openapi.CANCEL_RESPONSE)  # type: ignore[arg-type]  # as above
    async def cancel(request: Request, response_id: str) -> Response:
        kept = await services.background.cancel(request.scope["narthex.caller"], response_id)
        note_read(services, request, f"response:{response_id}", by=kept.by)
        return Response(bytes(kept.response), media_type="application/json")

    @router.get("/v1/responses/{response_id}/input_items", **openapi.LIST_INPUT)  # type: ignore[arg-type]  # as above
    async def input_items(request: Request, response_id: str) -> Response:
        caller = request.scope["narthex.caller"]
        items = await responses.input_items(caller, response_id)
        note_read(services, request, f"response:{response_id}", by=(await responses.get(caller, response_id)).by)
        return Response(page(items, request.query_params), media_type="application/json")


async def _count(services: Services, request: Request) -> Response:
    scope = request.scope
    exchange = Exchange(
        Dialect.OPENAI_RESPONSES,
        await read_body(request),
        dict(scope["headers"]),
        operation=Operation.COUNT_TOKENS,
        caller=scope["narthex.caller"],
        peer=scope["client"],
    )
    scope["narthex.request_id"] = exchange.id
    answer = await services.engine.handle(exchange)
    tokens = _decode_count(answer.body).input_tokens
    headers = answer_headers(exchange, whole=True)
    return JSONResponse({"object": "response.input_tokens", "input_tokens": tokens}, headers=headers)


def _stream(request: Request) -> bool:
    said = request.query_params.get("stream", "false")
    if said not in {"true", "false"}:
        raise InvalidRequest(f"stream: {said[:50]!r} is neither 'true' nor 'false'", param="stream")
    return said == "true"


def _starting_after(request: Request) -> int | None:
    said = request.query_params.get("starting_after")
    if said is None:
        return None
    if not (said.isascii() and said.isdecimal() and len(said) < 16):
        raise InvalidRequest(
            "starting_after: give the `sequence_number` of the last event that you have", param="starting_after"
        )
    return int(said)
