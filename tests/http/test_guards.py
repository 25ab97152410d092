"""The table of permissions."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from fastapi.routing import iter_route_contexts

from narthex.http.app import build_routes
from narthex.http.guards import GUARDS, route_word
from narthex.tenancy.permissions import ALL
from narthex.tenancy.scopes import RouteWord
from tests.http.doors import house

_OPEN = ("/docs/", "/api/auth/")
"""Signing in sees to its callers itself."""
PUBLIC = {"/health", "/livez", "/readyz", "/docs", "/openapi.json"}


async def test_every_route_stands_in_the_table(tmp_path: Path) -> None:
    """A route that is in no list would be open to nobody; the table has no other routes."""
    async with house(tmp_path) as one:
        routes = iter_route_contexts(build_routes(one.services).routes)
        there = {(method, str(route.path)) for route in routes for method in route.methods or () if method != "HEAD"}
    guarded = {(method, path) for method, path in there if path not in PUBLIC and not path.startswith(_OPEN)}
    assert guarded == set(GUARDS)


def test_every_permission_is_one() -> None:
    """What is asked can be had."""
    assert {guard.permission for guard in GUARDS.values()} <= ALL | {""}


CHECKS = {("POST", "/api/ledger/verify"), ("POST", "/api/audit/verify"), ("POST", "/api/cache/predict")}
"""They take long, or ask for what is no address, and change nothing."""


def test_what_changes_something_needs_more_than_reading() -> None:
    """No route that writes is open to who may only read."""
    loose = [
        route
        for route, guard in GUARDS.items()
        if route[0] != "GET" and route not in CHECKS and guard.permission.endswith(":read") and guard.where != "anyone"
    ]
    assert loose == []


def test_every_route_is_of_a_kind_that_scopes_name() -> None:
    """Each path has one of the words, and every word has a path."""
    words = {route_word(path.replace("{", "").replace("}", "")) for _, path in GUARDS}
    assert words == set(get_args(RouteWord))
    assert route_word("/v1/chat/completions") == "chat"
    assert route_word("/v1/streams/abc/pause") == "streams"
    assert route_word("/api/keys") == "control"
