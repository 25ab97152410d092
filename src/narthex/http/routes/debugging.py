"""What helps to find out why something is slow."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from narthex.http import openapi
from narthex.http.services import Services
from narthex.stores.database import Database


def debug_routes(services: Services) -> APIRouter:
    """Return `/api/debug/queries`."""
    router = APIRouter()

    @router.get("/api/debug/queries", **openapi.LIST_QUERIES)  # type: ignore[arg-type]  # keywords of FastAPI's, from a table
    async def queries() -> Response:
        database = services.database()
        return JSONResponse({"object": "list", "data": _slow(database), **_figures(database)})

    return router


def _slow(database: Database | None) -> list[dict[str, object]]:
    if database is None:
        return []
    return [
        {
            "object": "slow_query",
            "sql": query.sql,
            "count": query.count,
            "total_ms": round(query.total_ms, 3),
            "longest_ms": round(query.longest_ms, 3),
            "callers": [{"name": name, "count": count} for name, count in query.callers.items()],
        }
        for query in database.queries.slowest()
    ]


def _figures(database: Database | None) -> dict[str, object]:
    if database is None:
        return {"slow_query_ms": None, "statements": 0, "total_ms": 0, "connections": 0, "waiting": 0}
    load, queries = database.load(), database.queries
    return {
        "slow_query_ms": queries.slow_ms,
        "statements": queries.statements,
        "total_ms": round(queries.total_s * 1_000, 3),
        "connections": load.in_use,
        "waiting": load.waiting,
    }
