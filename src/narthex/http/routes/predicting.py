"""Predictions over HTTP: how they come true, what is likely to be asked next, and having it answered early."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta
from starlette.responses import Response

from narthex.http import cache_documents as documents
from narthex.http.control import answered, read
from narthex.http.guarding import caller_of, require
from narthex.http.guards import route_word
from narthex.http.services import Services
from narthex.pipeline.insights import insights, predictions, prefetch
from narthex.pipeline.prefetching import Prefetching
from narthex.tenancy import reach

_READ = "cache:read"


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    conversation: Annotated[str, Meta(max_length=200)] = ""


def predicting_routes(services: Services) -> APIRouter:
    """Return `/api/cache/insights`, `/api/cache/predict` and `/api/cache/prefetch`."""
    router = APIRouter()

    @router.get("/api/cache/insights", **documents.INSIGHTS)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def told(request: Request) -> Response:
        caller = caller_of(request)
        sees_all = caller.is_operator or _READ in reach.on_installation(services.office.directory, caller)
        return answered(insights(_prefetching(services), None if sees_all else caller.owner))

    @router.post("/api/cache/predict", **documents.PREDICT)  # type: ignore[arg-type]  # as above
    async def predict(request: Request) -> Response:
        wish = await read(request, _Asked)
        found = predictions(_prefetching(services), caller_of(request), _as_received(wish))
        return answered({"object": "cache_predictions", "data": found})

    @router.post("/api/cache/prefetch", **documents.PREFETCH)  # type: ignore[arg-type]  # as above
    async def fetch(request: Request) -> Response:
        wish = await read(request, _Asked)
        caller, peer = require(request, "models:call"), request.scope.get("client")
        # As when it is warmed: what the key may not be used for directly, it may not be used for in this way.
        services.keyring.let_in(caller, route_word("/v1/chat/completions"), peer)
        done = await prefetch(_prefetching(services), caller, _as_received(wish), peer)
        return answered({"object": "cache_prefetching", "data": done})

    return router


def _prefetching(services: Services) -> Prefetching:
    prefetching = services.cache.prefetching
    assert prefetching is not None, "it is made with the cache"
    return prefetching


def _as_received(wish: _Asked) -> str:
    """Return the conversation as its header comes: its bytes, whatever they mean."""
    return wish.conversation.encode().decode("latin-1")
