"""The model routes' ordinary door: for what is pipelined, comes from a browser page, or runs in-process under ASGI."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from narthex.http import openapi
from narthex.http.bodies import read_body
from narthex.http.heads import fields_of
from narthex.http.heartbeat import Heartbeat
from narthex.http.pull import EventStream, pull
from narthex.http.services import Services
from narthex.http.surfaces import SURFACES
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.writing import writers
from narthex.streams.stream import Stream


def model_routes(services: Services) -> APIRouter:
    """Return the model routes, each documented with its bodies."""
    router = APIRouter()

    async def call(request: Request) -> Response:
        surface = SURFACES[request.scope["path"].encode()]
        exchange = Exchange(
            surface.dialect,
            await read_body(request),
            fields_of(request.scope["headers"]),
            operation=surface.operation,
            caller=request.scope["narthex.caller"],
            peer=request.scope["client"],
        )
        request.scope["narthex.request_id"] = exchange.id
        answer = await services.engine.handle(exchange)
        if answer.whole:
            headers = answer_headers(exchange, whole=True)
            return Response(answer.body, media_type="application/json", headers=headers)
        return events_of(exchange, answer, services.heartbeat)

    for path in SURFACES:
        name = path.decode()
        router.add_api_route(name, call, methods=["POST"], **openapi.MODEL_ROUTES[name])  # type: ignore[arg-type]
    return router


def events_of(exchange: Exchange, answer: Stream, heartbeat: Heartbeat) -> Response:
    """Follow an answer from now on: its frames in the caller's dialect, to its end or to the error it ends with."""
    encode, last_words = writers(exchange, answer)
    pulled = pull(exchange, answer, encode=encode, last_words=last_words)
    headers = answer_headers(exchange, whole=False)
    return EventStream(pulled.pieces(heartbeat), leave=pulled.leave, headers=headers)


def answer_headers(exchange: Exchange, *, whole: bool) -> dict[str, str]:
    """Return what an answer says in its headers; what it used is known there only if it is `whole`."""
    headers = {"x-request-id": exchange.id}
    if exchange.target is not None:
        headers["x-narthex-model"] = exchange.target.name
    if exchange.dropped:
        headers["x-narthex-dropped"] = ", ".join(exchange.dropped)
    if exchange.plan is not None:
        headers["x-narthex-route"] = exchange.plan.header()
    if exchange.attempts:
        headers["x-narthex-attempts"] = exchange.story
    if exchange.simulated:
        headers["x-narthex-stream"] = "simulated"
    headers.update(exchange.told)
    usage = exchange.consumed
    if whole and usage is not None and usage.estimated:
        headers["x-narthex-usage"] = "estimated"
    if exchange.replays is not None:
        headers.update([exchange.replays.header])
    return headers
