"""The models there are, in every surface's shape."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from narthex.errors import ModelNotFound, RouteNotFound
from narthex.http import openapi
from narthex.http.guarding import caller_of
from narthex.http.services import Services
from narthex.http.visible import Visible
from narthex.types.catalog import ModelFacts


def listing_routes(services: Services) -> APIRouter:
    """Return `/v1/models` and `/api/models`."""
    router = APIRouter()

    @router.get("/v1/models", **openapi.LIST_MODELS)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def models(request: Request) -> Response:
        await services.refresh()
        seen = Visible(services, caller_of(request))
        return JSONResponse(_list(services, seen, anthropic="anthropic-version" in request.headers))

    @router.get("/v1/models/{name:path}", **openapi.GET_MODEL)  # type: ignore[arg-type]  # as above
    async def model(request: Request, name: str) -> Response:
        if not name:
            raise RouteNotFound
        await services.refresh()
        meant = (seen := Visible(services, caller_of(request))).meant(name)
        facts = _facts_of(services, meant)
        if facts is None and not _stands_for_others(services, name):
            services.catalog.resolve(meant)
            raise ModelNotFound(f"nothing is known about the model {name[:100]!r}; it may work all the same")
        if not seen.sees(meant):
            raise ModelNotFound(f"the model {name[:100]!r} is not among those that this API key may use")
        shape = _anthropic if "anthropic-version" in request.headers else _openai
        return JSONResponse(shape(name, facts))

    _add_native(router, services)
    return router


def _add_native(router: APIRouter, services: Services) -> None:
    @router.get("/api/models", **openapi.NATIVE_MODELS)  # type: ignore[arg-type]  # as above
    async def native(request: Request) -> Response:
        await services.refresh()
        seen = Visible(services, caller_of(request))
        models = [one for one in services.catalog.models() if seen.sees(one.name)]
        return JSONResponse({"object": "list", "data": [_native(services, one) for one in models]})


def _stands_for_others(services: Services, name: str) -> bool:
    """Tell whether a name is that of an alias, a virtual model or a merge."""
    return name in services.catalog.aliases or services.router.is_virtual(name) or name in services.catalog.merged


def _list(services: Services, seen: Visible, *, anthropic: bool) -> dict[str, object]:
    names: list[tuple[str, ModelFacts | None]] = [(facts.name, facts) for facts in services.catalog.models()]
    names += [(alias, _facts_of(services, alias)) for alias in sorted(services.catalog.aliases)]
    names += [(model.name, None) for model in services.router.virtual_models]
    names += [(name, None) for name in services.catalog.merged]
    names = [(name, facts) for name, facts in names if seen.sees(name)]
    if not anthropic:
        return {"object": "list", "data": [_openai(name, facts) for name, facts in names]}
    data = [_anthropic(name, facts) for name, facts in names]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"data": data, "has_more": False, "first_id": first, "last_id": last}


def _facts_of(services: Services, name: str) -> ModelFacts | None:
    try:
        return services.catalog.resolve(name).facts
    except ModelNotFound:
        return None


def _openai(name: str, facts: ModelFacts | None) -> dict[str, object]:
    created = (facts.created_at if facts is not None else None) or 0
    return {"id": name, "object": "model", "created": created, "owned_by": facts.provider if facts else "narthex"}


def _anthropic(name: str, facts: ModelFacts | None) -> dict[str, object]:
    created = (facts.created_at if facts is not None else None) or 0
    # What a provider says may lie beyond any calendar.
    at = datetime.fromtimestamp(max(0, min(created, time.time())), UTC).isoformat().replace("+00:00", "Z")
    return {"type": "model", "id": name, "display_name": name, "created_at": at}


def _native(services: Services, facts: ModelFacts) -> dict[str, object]:
    health = next(one.health() for one in services.catalog.providers if one.name == facts.provider)
    return {
        "name": facts.name,
        "id": facts.id,
        "provider": facts.provider,
        "capabilities": sorted(facts.capabilities),
        "context_tokens": facts.context_tokens,
        "max_output_tokens": facts.max_output_tokens,
        "dimensions": facts.dimensions,
        "aliases": services.catalog.aliases_of(facts.name),
        "description": facts.description,
        "health": {"status": health.status, "detail": health.detail},
    }
