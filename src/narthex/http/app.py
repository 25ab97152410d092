"""The ASGI application: every route, documented, behind the ordinary door."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp

from narthex.errors import InternalError, InvalidRequest, MethodNotAllowed, NarthexError, RouteNotFound
from narthex.http import openapi
from narthex.http.docs import docs_routes
from narthex.http.entrance import Entrance
from narthex.http.routes.breakers import breaker_routes
from narthex.http.routes.explaining import explaining_routes
from narthex.http.routes.generate import generate_routes
from narthex.http.routes.limits import limit_routes
from narthex.http.routes.listings import listing_routes
from narthex.http.routes.merging import merging_routes
from narthex.http.routes.model_calls import model_routes
from narthex.http.routes.provider_keys import provider_key_routes
from narthex.http.routes.realtime import realtime_routes
from narthex.http.routes.recordings import recording_routes
from narthex.http.routes.responses import response_routes
from narthex.http.routes.streams import stream_routes
from narthex.http.routes.system import system_routes
from narthex.http.services import Services
from narthex.http.surfaces import error_body, error_headers

_ROUTES: Final = (
    model_routes,
    listing_routes,
    generate_routes,
    merging_routes,
    realtime_routes,
    stream_routes,
    recording_routes,
    system_routes,
    breaker_routes,
    explaining_routes,
    limit_routes,
    provider_key_routes,
    response_routes,
)
"""Every route but those of the documents, which are about the others."""


def build_app(services: Services) -> ASGIApp:
    """Return the application that serves everything the fast lane does not."""
    return Entrance(build_routes(services), services)


def build_routes(services: Services) -> FastAPI:
    """Return the routes alone, without the door before them."""
    app = FastAPI(
        title="Narthex",
        version=services.version,
        summary="One server between applications and every AI model.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    for routes in _ROUTES:
        app.include_router(routes(services))
    app.include_router(docs_routes(app))
    app.add_exception_handler(NarthexError, _narthex_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _fault)
    # Not a mount at "/", which would take every path, known ones with a wrong method too.
    app.router.redirect_slashes = False
    app.router.default = services.dashboard
    openapi.install(app, services.keyring)
    return app


async def _narthex_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, NarthexError)
    return _render(request, error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.scope["path"]
    known: NarthexError
    match error.status_code:
        case 404:
            known = RouteNotFound(f"there is no route {path[:100]!r}; `/docs` lists those there are")
        case 405:
            known = MethodNotAllowed(f"{path[:100]} does not take {request.method}")
        case _:
            known = InvalidRequest(str(error.detail))
    response = _render(request, known)
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    if error.status_code == 405:
        response.headers["allow"] = ", ".join(sorted(_taken(request)))
    return response


def _taken(request: Request) -> set[str]:
    """Return every method that a path takes: the framework tells those of the first route that has it."""
    path = request.scope["path"]
    fitting = [
        route for route in iter_route_contexts(request.app.routes) if compile_path(route.path or "")[0].match(path)
    ]
    # What is there by its own name is not meant by another one's parameter.
    named = [route for route in fitting if route.path == path]
    return {method for route in named or fitting for method in route.methods or ()}


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    # The first part says where: path, query or body.
    path = ".".join(str(part) for part in first["loc"][1:])
    return _render(request, InvalidRequest(f"{path}: {first['msg']}", param=path or None))


async def _fault(request: Request, error: Exception) -> Response:
    """Answer for a fault of ours; it is raised on, and the door logs it."""
    del error
    return _render(request, InternalError())


def _render(request: Request, error: NarthexError) -> Response:
    request_id = error.request_id or request.scope["narthex.request_id"]
    body = error_body(request.scope["narthex.dialect"], error, request_id)
    headers = {name.decode(): value.decode() for name, value in error_headers(error)}
    return Response(
        body, status_code=error.status, media_type="application/json", headers={"x-request-id": request_id, **headers}
    )
