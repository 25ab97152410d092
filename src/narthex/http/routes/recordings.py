"""How streams went, and their recordings: begun, listed, downloaded, played and deleted by their owner."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Final, cast

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from narthex.errors import InvalidRequest
from narthex.http import openapi
from narthex.http.routes.streams import after_of, follow
from narthex.http.services import Services
from narthex.pipeline.timeline import BUCKETS, MAX_BUCKETS, passage_of, timeline
from narthex.streams.tempo import speed_of
from narthex.tenancy.keys import Caller

NDJSON: Final = "application/x-ndjson"
_encode = msgspec.json.Encoder().encode


def recording_routes(services: Services) -> APIRouter:
    """Return `/v1/recordings`, and what of `/v1/streams` is about how streams went."""
    router = APIRouter()
    recordings = services.player.recorder.recordings

    @router.get("/v1/recordings", **openapi.LIST_RECORDINGS)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def listed(request: Request) -> Response:
        return _json({"object": "list", "data": await recordings.of(_caller(request).owner)})

    @router.get("/v1/recordings/{name}", **openapi.GET_RECORDING)  # type: ignore[arg-type]  # as above
    async def download(request: Request, name: str) -> Response:
        file = await recordings.find(_caller(request).owner, name)
        return FileResponse(file, media_type=NDJSON, filename=f"{name}.jsonl")

    @router.delete("/v1/recordings/{name}", **openapi.DELETE_RECORDING)  # type: ignore[arg-type]  # as above
    async def delete(request: Request, name: str) -> Response:
        await recordings.delete(_caller(request).owner, name)
        return _json({"id": name, "object": "recording", "deleted": True})

    _add_replay(router, services)
    _add_watching(router, services)
    return router


def _add_replay(router: APIRouter, services: Services) -> None:
    registry = services.registry

    @router.get("/v1/recordings/{name}/replay", **openapi.REPLAY_RECORDING)  # type: ignore[arg-type]  # as above
    async def replay(request: Request, name: str) -> Response:
        caller, speed = _caller(request), speed_of(request.query_params.get("speed", "1"))
        last = request.headers.get("last-event-id")
        if last:
            # A browser that comes back reads its own replay on; it wants no other.
            begun = registry.find(caller.owner, last.partition(":")[0])
            if begun.replay_of != name:
                raise InvalidRequest("`Last-Event-ID` is of no replay of this recording", param="last-event-id")
            return await follow(services, request, registry.handle(begun), after_of(request, begun.id) or 0)
        after = None if request.query_params.get("after") is None else after_of(request, name)
        owned = await services.player.play(caller, name, speed=speed, after=after)
        assert owned.log is not None
        return await follow(services, request, registry.handle(owned), owned.log.first_number - 1)


def _add_watching(router: APIRouter, services: Services) -> None:
    registry, recorder = services.registry, services.player.recorder

    @router.get("/v1/streams/{name}/timeline", **openapi.STREAM_TIMELINE)  # type: ignore[arg-type]  # as above
    async def told(request: Request, name: str) -> Response:
        buckets = _buckets(request)
        passage = passage_of(registry.find(_caller(request).owner, name), clock_s=monotonic())
        return _json(await asyncio.to_thread(timeline, passage, buckets=buckets))

    @router.post("/v1/streams/{name}/record", **openapi.RECORD_STREAM)  # type: ignore[arg-type]  # as above
    async def record(request: Request, name: str) -> Response:
        owner = _caller(request).owner
        recorder.record(registry.find(owner, name))
        return _json(await recorder.recordings.report(owner, name))


def _caller(request: Request) -> Caller:
    return cast("Caller", request.scope["narthex.caller"])


def _buckets(request: Request) -> int:
    said = request.query_params.get("buckets")
    if said is None:
        return BUCKETS
    if not (said.isascii() and said.isdecimal() and 1 <= int(said[:9]) <= MAX_BUCKETS):
        raise InvalidRequest(f"buckets: give a number from 1 to {MAX_BUCKETS}", param="buckets")
    return int(said)


def _json(value: object) -> Response:
    return Response(_encode(value), media_type="application/json")
