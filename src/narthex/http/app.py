"""The ASGI application: every route, documented, behind the ordinary door."""

from __future__ import annotations

from functools import partial
from typing import Final

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp

from narthex.errors import (
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NarthexError,
    PermissionDenied,
    RouteNotFound,
)
from narthex.http import openapi
from narthex.http.docs import docs_routes
from narthex.http.entrance import Entrance
from narthex.http.guarding import guard, note_denial
from narthex.http.represented import Represented
from narthex.http.routes.audit import audit_routes
from narthex.http.routes.breakers import breaker_routes
from narthex.http.routes.cache import cache_routes
from narthex.http.routes.caps import limit_routes
from narthex.http.routes.concurrency import concurrency_routes
from narthex.http.routes.debugging import debug_routes
from narthex.http.routes.explaining import explaining_routes
from narthex.http.routes.generate import generate_routes
from narthex.http.routes.invitations import invitation_routes
from narthex.http.routes.keys import key_routes
from narthex.http.routes.listings import listing_routes
from narthex.http.routes.members import member_routes
from narthex.http.routes.merging import merging_routes
from narthex.http.routes.model_calls import model_routes
from narthex.http.routes.organisations import organisation_routes
from narthex.http.routes.own_account import own_account_routes
from narthex.http.routes.predicting import predicting_routes
from narthex.http.routes.prices import price_routes
from narthex.http.routes.privacy import privacy_routes
from narthex.http.routes.provider_keys import provider_key_routes
from narthex.http.routes.realtime import realtime_routes
from narthex.http.routes.reconciling import reconciling_routes
from narthex.http.routes.recordings import recording_routes
from narthex.http.routes.responses import response_routes
from narthex.http.routes.roles import role_routes
from narthex.http.routes.sign_in import sign_in_routes
from narthex.http.routes.single_sign_on import single_sign_on_routes
from narthex.http.routes.streams import stream_routes
from narthex.http.routes.system import system_routes
from narthex.http.routes.usage import usage_routes
from narthex.http.routes.users import user_routes
from narthex.http.routes.verifying import verifying_routes
from narthex.http.routes.workspaces import workspace_routes
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
    concurrency_routes,
    provider_key_routes,
    debug_routes,
    response_routes,
    organisation_routes,
    member_routes,
    user_routes,
    invitation_routes,
    role_routes,
    workspace_routes,
    key_routes,
    usage_routes,
    reconciling_routes,
    verifying_routes,
    price_routes,
    audit_routes,
    limit_routes,
    cache_routes,
    predicting_routes,
    privacy_routes,
    sign_in_routes,
    own_account_routes,
    single_sign_on_routes,
)
"""Every route but those of the documents, which are about the others."""


def build_app(services: Services) -> ASGIApp:
    """Return the application that serves everything the fast lane does not."""
    return Entrance(represented_routes(services), services)


def represented_routes(services: Services) -> ASGIApp:
    """Return the routes, whose answers go out as their clients ask."""
    return Represented(build_routes(services), services.representations)


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
    asked = [Depends(guard(services))]
    for routes in _ROUTES:
        app.include_router(routes(services), dependencies=asked)
    app.include_router(docs_routes(app))
    app.add_exception_handler(NarthexError, _narthex_error)
    app.add_exception_handler(PermissionDenied, partial(_denied, services))
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


async def _denied(services: Services, request: Request, error: Exception) -> Response:
    """Answer whoever may not do that; what the engine refuses it has noted itself."""
    assert isinstance(error, PermissionDenied)
    if error.request_id is None:
        permission = request.scope.get("narthex.denied")
        note_denial(services, request, {"why": error.code} if permission is None else {"permission": permission})
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
