"""How streams went, and their recordings: begun, listed, downloaded, played and deleted by their owner."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import BinaryIO, Final, cast

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from narthex.errors import InvalidRequest
from narthex.http import openapi
from narthex.http.contents import note_list, note_read
from narthex.http.routes.streams import after_of, follow
from narthex.http.services import Services
from narthex.pipeline.timeline import BUCKETS, MAX_BUCKETS
from narthex.streams.tempo import speed_of
from narthex.tenancy.keeping import check_keeping
from narthex.tenancy.keys import Caller

NDJSON: Final = "application/x-ndjson"
_PIECE_BYTES: Final = 65_536
_encode = msgspec.json.Encoder().encode


def recording_routes(services: Services) -> APIRouter:
    """Return `/v1/recordings`, and what of `/v1/streams` is about how streams went."""
    router = APIRouter()
    recordings = services.player.recorder.recordings

    @router.get("/v1/recordings", **openapi.LIST_RECORDINGS)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def listed(request: Request) -> Response:
        note_list(services, request, "recordings")
        return _json({"object": "list", "data": await recordings.of(_caller(request).owner)})

    @router.get("/v1/recordings/{name}", **openapi.GET_RECORDING)  # type: ignore[arg-type]  # as above
    async def download(request: Request, name: str) -> Response:
        file = await recordings.open(_caller(request).owner, name)
        note_read(services, request, f"recording:{name}")
        # As it is now: one that is being written grows on.
        size = os.fstat(file.fileno()).st_size
        headers = {"content-length": str(size), "content-disposition": f'attachment; filename="{name}.jsonl"'}
        return StreamingResponse(_contents(file, size), media_type=NDJSON, headers=headers)

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
            begun = await registry.look_up(caller.owner, last.partition(":")[0])
            if (await begun.tell("report")).replay_of != name:
                raise InvalidRequest("`Last-Event-ID` is of no replay of this recording", param="last-event-id")
            return await follow(services, request, begun, after_of(request, begun.id) or 0)
        after = None if request.query_params.get("after") is None else after_of(request, name)
        owned = await services.player.play(caller, name, speed=speed, after=after)
        note_read(services, request, f"recording:{name}")
        assert owned.log is not None
        try:
            return await follow(services, request, registry.handle(owned), owned.log.first_number - 1)
        except BaseException:
            # Nobody will read it.
            owned.abandon()
            raise


def _add_watching(router: APIRouter, services: Services) -> None:
    registry = services.registry

    @router.get("/v1/streams/{name}/timeline", **openapi.STREAM_TIMELINE)  # type: ignore[arg-type]  # as above
    async def told(request: Request, name: str) -> Response:
        buckets = _buckets(request)
        handle = await registry.look_up(_caller(request).owner, name)
        return _sent(await handle.ask("timeline", buckets))

    @router.post("/v1/streams/{name}/record", **openapi.RECORD_STREAM)  # type: ignore[arg-type]  # as above
    async def record(request: Request, name: str) -> Response:
        check_keeping(_caller(request))
        handle = await registry.look_up(_caller(request).owner, name)
        return _sent(await handle.ask("record"))


async def _contents(file: BinaryIO, size: int) -> AsyncIterator[bytes]:
    with file:
        while size > 0 and (piece := await asyncio.to_thread(file.read, min(_PIECE_BYTES, size))):
            size -= len(piece)
            yield piece


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
    return _sent(_encode(value))


def _sent(body: bytes) -> Response:
    return Response(body, media_type="application/json")
