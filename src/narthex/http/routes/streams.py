"""Streamed answers: one's own, how they stand, their handle, and their events from any number on."""

from __future__ import annotations

from typing import Final

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from narthex.errors import InvalidRequest
from narthex.http import openapi
from narthex.http.contents import note_list, note_read
from narthex.http.pull import EventStream, pull_log
from narthex.http.services import Services
from narthex.http.stream_schemas import STATUSES
from narthex.pipeline.handles import Handle
from narthex.pipeline.registry import Registry
from narthex.pipeline.stages.own import cursor
from narthex.streams.log import Log
from narthex.streams.tempo import Tempo, in_tempo, speed_of

MAX_LISTED: Final = 1_000
_LISTED: Final = 100
_encode = msgspec.json.Encoder().encode


def stream_routes(services: Services) -> APIRouter:
    """Return `/v1/streams`."""
    router = APIRouter()
    registry = services.registry

    @router.get("/v1/streams", **openapi.LIST_STREAMS)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def streams(request: Request) -> Response:
        limit, status = _limit(request), _status(request)
        found = [one for one in await registry.listing(_owner(request)) if status is None or one.status == status]
        note_list(services, request, "streams")
        return _json({"object": "list", "data": found[:limit], "has_more": len(found) > limit})

    @router.get("/v1/streams/{name}", **openapi.GET_STREAM)  # type: ignore[arg-type]  # as above
    async def stream(request: Request, name: str) -> Response:
        handle = await registry.look_up(_owner(request), name)
        after = after_of(request, name)
        if after is None:
            return _json(await handle.tell("report"))
        return await _events(services, request, handle, after)

    @router.delete("/v1/streams/{name}", **openapi.DELETE_STREAM)  # type: ignore[arg-type]  # as above
    async def delete(request: Request, name: str) -> Response:
        await registry.delete(_owner(request), name)
        return _json({"id": name, "object": "stream", "deleted": True})

    _add_controls(router, registry)
    return router


def _add_controls(router: APIRouter, registry: Registry) -> None:
    @router.post("/v1/streams/{name}/pause", **openapi.PAUSE_STREAM)  # type: ignore[arg-type]  # as above
    async def pause(request: Request, name: str) -> Response:
        return _json(await (await registry.look_up(_owner(request), name)).tell("pause"))

    @router.post("/v1/streams/{name}/resume", **openapi.RESUME_STREAM)  # type: ignore[arg-type]  # as above
    async def resume(request: Request, name: str) -> Response:
        return _json(await (await registry.look_up(_owner(request), name)).tell("resume"))

    @router.post("/v1/streams/{name}/cancel", **openapi.CANCEL_STREAM)  # type: ignore[arg-type]  # as above
    async def cancel(request: Request, name: str) -> Response:
        return _json(await (await registry.look_up(_owner(request), name)).tell("cancel"))


async def follow(services: Services, request: Request, handle: Handle, after: int) -> Response:
    """Return the events of a stream behind the one with this number, to its end, at the pace that is asked for.

    Raises:
        StreamNotKept: There are none to be read again.
        CursorAhead: There is no such event yet.
        EventsForgotten: The next event is no longer held.
        InvalidRequest: A header about the pace says nothing that can be.
    """
    pace = services.pace.pace_of(dict(request.scope["headers"]), request.scope["narthex.caller"])
    log = await handle.read(after)
    pulled = pull_log(log, pace, after=after)
    headers = {"x-narthex-stream-id": handle.id}
    return EventStream(pulled.pieces(services.heartbeat), leave=pulled.leave, headers=headers)


async def _events(services: Services, request: Request, handle: Handle, after: int) -> Response:
    """Return the events of a stream behind the one with this number, in the time that they took if that is wanted."""
    said = request.query_params.get("speed")
    note_read(services, request, f"stream:{handle.id}", by=handle.made_by)
    if said is None:
        return await follow(services, request, handle, after)
    speed, log = speed_of(said), await handle.read(after)
    reader = log.reader(after=after)
    tempo = Tempo(speed, from_ms=_moment(log, after))
    return EventStream(in_tempo(log, reader, tempo), leave=reader.leave, headers={"x-narthex-stream-id": handle.id})


def _moment(log: Log, after: int) -> int:
    """Return when the event with this number came, or the one behind it if that is the oldest one held."""
    known = log.time_of(after)
    if known is None:
        known = log.time_of(after + 1) if after else 0
    return known or 0


def _owner(request: Request) -> str:
    owner: str = request.scope["narthex.caller"].owner
    return owner


def after_of(request: Request, name: str) -> int | None:
    """Return behind which event is read; None if a report is wanted.

    Raises:
        InvalidRequest: It is no number, or an event of another stream.
    """
    said = request.query_params.get("after")
    last = request.headers.get("last-event-id")
    if last:
        # What a browser has read by now, whatever it began with.
        stream, number = cursor(last.encode("latin-1"))
        if stream != name:
            raise InvalidRequest(f"`Last-Event-ID` is of the stream {stream!r}, not of this one", param="last-event-id")
        return number
    if said is not None:
        if not (said.isascii() and said.isdecimal() and len(said) < 16):
            raise InvalidRequest("after: give the number of the last event that you have, or 0", param="after")
        return int(said)
    return 0 if "text/event-stream" in request.headers.get("accept", "") else None


def _limit(request: Request) -> int:
    said = request.query_params.get("limit")
    if said is None:
        return _LISTED
    if not (said.isascii() and said.isdecimal() and 1 <= int(said[:9]) <= MAX_LISTED):
        raise InvalidRequest(f"limit: give a number from 1 to {MAX_LISTED}", param="limit")
    return int(said)


def _status(request: Request) -> str | None:
    said = request.query_params.get("status")
    if said is not None and said not in STATUSES:
        raise InvalidRequest(f"status: {said[:50]!r} is none of {', '.join(STATUSES)}", param="status")
    return said


def _json(value: object) -> Response:
    return Response(_encode(value), media_type="application/json")
