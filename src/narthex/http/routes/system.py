"""How the server is: for people, probes and Prometheus."""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from narthex.http import openapi
from narthex.http.probes import probe
from narthex.http.routes.provider_keys import told
from narthex.http.services import Services
from narthex.pipeline.shared_streams import SharedStreamsStatus
from narthex.providers.contract import KeyHolding, Provider


def system_routes(services: Services) -> APIRouter:
    """Return health, readiness, metrics and the system's status."""
    router = APIRouter()
    _add_probes(router, services)

    @router.get("/metrics", **openapi.METRICS)  # type: ignore[arg-type]  # as above
    async def metrics() -> Response:
        return PlainTextResponse(services.metrics.render(), media_type="text/plain; version=0.0.4")

    @router.get("/api/system/status", **openapi.STATUS)  # type: ignore[arg-type]  # as above
    async def status() -> Response:
        await services.refresh()
        return JSONResponse(_status(services))

    return router


def _add_probes(router: APIRouter, services: Services) -> None:
    """Add the probes' routes: the door answers them before, these document them."""
    documented = {"/health": openapi.HEALTH, "/livez": openapi.LIVEZ, "/readyz": openapi.READYZ}

    async def answer(request: Request) -> Response:
        status, body = probe(request.scope["path"], services)
        return Response(body, status_code=status, media_type="application/json")

    for path, options in documented.items():
        router.add_api_route(path, answer, methods=["GET"], **options)  # type: ignore[arg-type]  # as above


def _status(services: Services) -> dict[str, object]:
    metrics, catalog = services.metrics, services.catalog
    models = catalog.models()
    return {
        "object": "system.status",
        "version": services.version,
        "status": "stopping" if services.doorkeeper.stopping else "ok",
        "started_at": metrics.started_at,
        "uptime_s": round(time.time() - metrics.started_at, 3),
        "pid": os.getpid(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "address": services.address(),
        "auth_required": services.keyring.required,
        "default_model": catalog.default_model,
        "data_dir": str(services.data_dir),
        "memory_bytes": _memory_bytes(),
        "requests": {"active": metrics.active, "total": metrics.total, "failed": metrics.failed},
        "tokens": {"input": metrics.input_tokens, "output": metrics.output_tokens},
        "providers": [
            _provider(provider, sum(facts.provider == provider.name for facts in models))
            for provider in catalog.providers
        ],
        "embedded": services.embedded_status(),
        **_stores(services),
    }


def _stores(services: Services) -> dict[str, object]:
    office = services.office
    detail = "" if office.failure is None else office.failure.message
    return {"redis": _redis(services), "database": {"status": office.state, "detail": detail}}


def _redis(services: Services) -> dict[str, object] | None:
    if services.shared is None or services.shared.streams is None:
        return None
    status = services.shared.status()
    return {
        "status": status.state,
        "address": status.address,
        "for_s": round(status.for_s, 3),
        "detail": status.detail,
        "losses": status.losses,
        "streams": _shared_streams(services.shared.streams.status()),
    }


def _shared_streams(status: SharedStreamsStatus) -> dict[str, object]:
    return {
        "node": status.node,
        "status": status.state,
        "behind_streams": status.behind_streams,
        "behind_events": status.behind_events,
        "copied_events": status.copied_events,
        "followed": status.followed,
    }


def _provider(provider: Provider, models: int) -> dict[str, object]:
    health = provider.health()
    return {
        "name": provider.name,
        "kind": provider.kind,
        "base_url": getattr(provider, "base_url", None),
        "models": models,
        "health": {"status": health.status, "detail": health.detail, "checked_at": health.checked_at},
        "keys": [told(report) for report in provider.key_reports()] if isinstance(provider, KeyHolding) else [],
    }


def _memory_bytes() -> int:
    """Return the resident memory of this process; where the system does not tell, the most it ever was."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
