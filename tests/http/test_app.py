"""The ASGI application: what no route takes, and how routes tell what is wrong."""

from __future__ import annotations

import logging
from pathlib import Path

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from narthex.errors import ModelUnavailable
from narthex.http.app import build_routes
from narthex.http.entrance import Entrance
from narthex.http.services import Services
from tests.http.doors import answer, client_of, house


def with_routes(services: Services) -> httpx.AsyncClient:
    """Return a client of the application with two routes more: one that takes a number, and one that is a teapot."""
    app = build_routes(services)

    @app.get("/api/extra/{number}")
    async def number(number: int) -> dict[str, int]:
        return {"number": number}

    @app.get("/api/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "short and stout", headers={"x-spout": "here"})

    return client_of(Entrance(app, services))


def error_of(response: httpx.Response) -> dict[str, object]:
    """Return the error of an answer, whose ID is that of its header."""
    body = response.json()
    error: dict[str, object] = body["error"]
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"] == error.get("request_id", body.get("request_id"))
    return error


# -- what no route takes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/nothing", "/api/nothing", "/nothing", "/health/", "/v1/chat/completions/"])
async def test_an_unknown_path_is_not_found(tmp_path: Path, path: str) -> None:
    """What there is no route for is a 404 in our shape that says where the routes are listed, never a redirect."""
    async with house(tmp_path) as one:
        response = await one.client.get(path)
    error = error_of(response)
    assert (response.status_code, error["code"]) == (404, "route_not_found")
    assert path in str(error["message"])
    assert "/docs" in str(error["message"])


async def test_a_long_path_is_not_echoed(tmp_path: Path) -> None:
    """An error quotes no more of a path than a line holds."""
    async with house(tmp_path) as one:
        for method in ("GET", "POST"):
            response = await one.client.request(method, "/" + "x" * 5_000)
            assert len(str(error_of(response)["message"])) < 200


async def test_a_wrong_method_is_refused(tmp_path: Path) -> None:
    """A known path asked with another method says so, and which it takes."""
    async with house(tmp_path) as one:
        response = await one.client.get("/v1/chat/completions")
    assert (response.status_code, error_of(response)["code"]) == (405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


async def test_under_messages_the_error_is_anthropics(tmp_path: Path) -> None:
    """What is wrong under Anthropic's paths is told in Anthropic's shape."""
    async with house(tmp_path) as one:
        for path, status, code in (
            ("/v1/messages/x", 404, "route_not_found"),
            ("/v1/messages", 405, "method_not_allowed"),
        ):
            response = await one.client.get(path)
            assert response.status_code == status
            assert response.json()["type"] == "error"
            assert error_of(response)["details"] == {"error_code": code}
            assert response.headers["request-id"] == response.headers["x-request-id"]


async def test_the_rest_goes_to_the_dashboard(tmp_path: Path) -> None:
    """A path that no route has is the dashboard's; one that a route has is never."""
    asked: list[str] = []

    async def dashboard(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope["path"])
        await answer(scope, receive, send)

    async with house(tmp_path) as one, one.altered(dashboard=dashboard) as client:
        for path in ("/", "/assets/app.js", "/api/models", "/docs", "/v1/models", "/metrics", "/openapi.json"):
            assert (await client.get(path)).status_code == 200
    assert asked == ["/", "/assets/app.js"]


# -- what routes tell --------------------------------------------------------------------------------------------------


async def test_an_error_of_a_route_keeps_its_facts(tmp_path: Path) -> None:
    """An error keeps its status, code and message, and says when to try again."""

    async def refresh() -> None:
        raise ModelUnavailable("not yet", retry_after_s=4.2)

    async with house(tmp_path) as one, one.altered(refresh=refresh) as client:
        response = await client.get("/api/models")
    error = error_of(response)
    assert (response.status_code, error["code"], error["message"]) == (503, "model_unavailable", "not yet")
    assert (response.headers["retry-after"], response.headers["retry-after-ms"]) == ("5", "4200")


@pytest.mark.parametrize("headers", [{}, {"anthropic-version": "2023-06-01"}], ids=["openai", "anthropic"])
async def test_a_fault_of_a_route_has_our_shape_too(
    tmp_path: Path, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of ours is told like every error, without a word of what broke; the log has that under its ID."""

    async def refresh() -> None:
        raise RuntimeError("the secret of the house")

    with caplog.at_level(logging.ERROR, logger="narthex"):
        async with house(tmp_path) as one, one.altered(refresh=refresh) as client:
            response = await client.get("/v1/models", headers=headers)
    assert response.status_code == 500
    assert "internal_error" in str(error_of(response))
    assert "secret" not in response.text
    assert response.headers["x-request-id"] in caplog.text
    assert "the secret of the house" in caplog.text


async def test_a_parameter_that_does_not_fit_is_an_invalid_request(tmp_path: Path) -> None:
    """What the framework refuses has our body too, with the parameter's name."""
    async with house(tmp_path) as one, with_routes(one.services) as client:
        assert (await client.get("/api/extra/7")).json() == {"number": 7}
        response = await client.get("/api/extra/seven")
    error = error_of(response)
    assert (response.status_code, error["code"], error["param"]) == (400, "invalid_request", "number")
    assert str(error["message"]).startswith("number: ")


async def test_any_other_refusal_is_an_invalid_request(tmp_path: Path) -> None:
    """Whatever else the framework raises comes out in our shape, with its words and its headers."""
    async with house(tmp_path) as one, with_routes(one.services) as client:
        response = await client.get("/api/teapot")
    error = error_of(response)
    assert (response.status_code, error["code"], error["message"]) == (400, "invalid_request", "short and stout")
    assert response.headers["x-spout"] == "here"
