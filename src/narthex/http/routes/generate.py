"""The native generation route."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from narthex.errors import NarthexError
from narthex.http import openapi
from narthex.http.bodies import read_body
from narthex.http.heads import fields_of
from narthex.http.heartbeat import Heartbeat
from narthex.http.pull import EventStream, Pull, pull
from narthex.http.routes.model_calls import answer_headers
from narthex.http.services import Services
from narthex.http.surfaces import error_frames
from narthex.pipeline.generate import Delta, Running, parse
from narthex.types.dialects import Dialect
from narthex.types.events import Event
from narthex.wire.sse import encode_event


def generate_routes(services: Services) -> APIRouter:
    """Return `POST /api/generate`."""
    router = APIRouter()

    @router.post("/api/generate", **openapi.GENERATE)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def generate(request: Request) -> Response:
        asked = parse(await read_body(request))
        scope = request.scope
        running = await services.generator.begin(asked, scope["narthex.caller"], fields_of(scope["headers"]))
        exchange = running.exchange
        scope["narthex.request_id"] = exchange.id
        if asked.stream:
            return _events(running, services.heartbeat)
        body = msgspec.json.encode(await running.whole())
        return Response(body, media_type="application/json", headers=answer_headers(exchange, whole=True))

    return router


def _events(running: Running, heartbeat: Heartbeat) -> Response:
    exchange = running.exchange

    def encode(event: Event) -> bytes:
        text = running.note(event)
        return encode_event(msgspec.json.encode(Delta(text=text)), event="delta") if text else b""

    pulled = pull(exchange, running.answer, encode=encode, last_words=partial(_last_words, running))
    headers = answer_headers(exchange, whole=False)
    return EventStream(_pieces(running, pulled, heartbeat), leave=pulled.leave, headers=headers)


async def _pieces(running: Running, pulled: Pull, heartbeat: Heartbeat) -> AsyncIterator[bytes]:
    async with aclosing(pulled.pieces(heartbeat)) as pieces:
        async for piece in pieces:
            yield piece
    if running.answer.error is not None:
        return
    try:
        yield encode_event(msgspec.json.encode(await running.result()), event="done")
    except NarthexError as error:
        yield _last_words(running, error)


def _last_words(running: Running, error: NarthexError) -> bytes:
    return b"event: error\n" + error_frames(Dialect.OPENAI_CHAT, error, running.exchange.id)
