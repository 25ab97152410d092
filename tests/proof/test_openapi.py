"""The OpenAPI document against the running server, by schemathesis: what it says is what the server does.

Every operation is called with what the document allows and with what it forbids, and each answer is held against the
document: status, content type, headers, schema; wrong methods, missing keys, and data that must be refused.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import httpx
import pytest
import schemathesis
from fastapi.routing import iter_route_contexts
from hypothesis import settings
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from narthex.app import Gateway
from narthex.http.app import build_routes
from narthex.http.surfaces import SURFACES
from tests.gateways import KEY, RunningGateway, running, settings_for

Json = dict[str, object]

EXAMPLES = 25
"""Bodies made for each operation, beside those that cover each keyword of its schema once."""

SETTINGS: Json = {
    "keys": [{"name": "test", "key": KEY}],
    "providers": {"demo": {"kind": "scripted", "script": {"models": ["m"], "reply_tokens": 6}}},
    "aliases": {"fast": "demo/m"},
    "default_model": "demo/m",
}
AUTHORIZATION = {"authorization": f"Bearer {KEY}"}
BEYOND_SCHEMAS = {"from", "valid_from", "x-narthex-judge", "background"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A server with a key, whose one model is a script."""
    with running(tmp_path_factory.mktemp("openapi"), **SETTINGS) as one:
        yield one


async def _document() -> Json:
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_for(Path(folder), **SETTINGS, log={"requests": False})
        async with Gateway(settings) as gateway:
            return cast("Json", build_routes(gateway.services(lambda: "")).openapi())


DOCUMENT = asyncio.run(_document())
"""Made while tests are collected, so that each operation is a test of its own."""

PROBED: set[str] = set()
"""Operations whose keys were tried: with which body, is all one to the guard before them."""

MODES = [HypothesisTestMode.EXAMPLES, HypothesisTestMode.COVERAGE, HypothesisTestMode.FUZZING]


@pytest.fixture(scope="module")
def told() -> schemathesis.BaseSchema:
    """The document as what examples are made of."""
    return schemathesis.openapi.from_dict(DOCUMENT)


def as_sdks_write(value: object) -> object:
    """Write whole numbers without a fraction: 5.0 is an integer to JSON Schema, and to no SDK."""
    match value:
        case dict():
            return {name: as_sdks_write(inner) for name, inner in value.items()}
        case list():
            return [as_sdks_write(inner) for inner in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def expected(response: schemathesis.Response) -> list[CheckFunction]:
    """Return the checks that do not hold for an answer: a script cut short does not write the form asked for."""
    if response.status_code == 502 and response.json()["error"]["code"] == "unformed_answer":
        return [not_a_server_error]
    if response.status_code == 426:
        # Sockets are opened there, which no call of a document does.
        return [positive_data_acceptance]
    if response.status_code == 400 and response.json()["error"].get("code") == "unsupported_content":
        # Well formed, and nothing that this model takes: which does, no schema says.
        return [positive_data_acceptance]
    if response.status_code == 400 and response.json()["error"].get("param") in BEYOND_SCHEMAS:
        # Which moments go together, and which have passed; which merges somebody has to judge; what is kept anyway.
        return [positive_data_acceptance]
    if response.status_code == 400 and urlsplit(response.request.url or "").path.startswith("/api/limits"):
        # Fields that are well formed and contradict each other, or a subject that is not there.
        return [positive_data_acceptance]
    if response.status_code == 400 and urlsplit(response.request.url or "").path == "/api/auth/first":
        # Which passwords are guessed first, no schema says.
        return [positive_data_acceptance]
    if response.status_code == 400 and urlsplit(response.request.url or "").path == "/api/ledger/reconcile":
        # Which text is a statement, no schema says.
        return [positive_data_acceptance]
    return []


def operations() -> list[tuple[str, str, Json]]:
    """Return method, path and description of every operation."""
    paths = cast("dict[str, dict[str, Json]]", DOCUMENT["paths"])
    return [(method, path, operation) for path, methods in paths.items() for method, operation in methods.items()]


@settings(max_examples=EXAMPLES, derandomize=True)
def tells_the_truth(case: schemathesis.Case, server: RunningGateway) -> None:  # type: ignore[type-arg]
    """Send one case; its answer is one that the document describes."""
    case.body = cast("None", as_sdks_write(case.body))
    response = case.call(base_url=server.url, headers=AUTHORIZATION)
    excluded = [*expected(response), *([ignored_auth] if case.operation.label in PROBED else [])]
    PROBED.add(case.operation.label)
    case.validate_response(response, excluded_checks=excluded, headers=AUTHORIZATION)


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _ in operations()])
@pytest.mark.timeout(300)
def test_the_document_tells_the_truth(
    method: str, path: str, told: schemathesis.BaseSchema, server: RunningGateway
) -> None:
    """Whatever is sent to whichever operation, the answer is one that the document describes."""
    # Not by the decorator of a schema: that makes all cases of all operations while tests are collected, in every
    # process that takes part.
    config = HypothesisTestConfig(modes=MODES, project=told.config)
    create_test(operation=told[path][method.upper()], test_func=tells_the_truth, config=config)(server=server)


def references(value: object) -> Iterator[str]:
    """Yield everything that is pointed to."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_the_server_gives_this_document(server: RunningGateway) -> None:
    """What the server serves is the document that these tests hold it against, in OpenAPI 3.1."""
    with httpx.Client(base_url=server.url) as client:
        assert client.get("/openapi.json").json() == json.loads(json.dumps(DOCUMENT))
    assert str(DOCUMENT["openapi"]).startswith("3.1")


async def test_every_route_is_in_the_document(tmp_path: Path) -> None:
    """No route of the application is left out, nor one of the fast lane."""
    async with Gateway(settings_for(tmp_path, **SETTINGS, log={"requests": False})) as gateway:
        app = build_routes(gateway.services(lambda: ""))
    made = {
        (method, route.path_format)
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
        if method != "HEAD"
    }
    documented = {(method.upper(), path) for method, path, _ in operations()}
    assert {path for _, path in documented} >= {path.decode() for path in SURFACES}
    assert {(method, str(path).replace(":path", "")) for method, path in made} == documented


def test_everything_pointed_to_is_there() -> None:
    """Each reference leads to a schema, and each schema is led to."""
    schemas = cast("dict[str, dict[str, Json]]", DOCUMENT["components"])["schemas"]
    pointed = set(references(DOCUMENT))
    assert pointed == {f"#/components/schemas/{name}" for name in schemas}


def test_every_error_has_our_body() -> None:
    """Each failure of each operation is documented with our error body and the request's ID."""
    for method, path, operation in operations():
        answers = cast("dict[str, Json]", operation["responses"])
        shape = "AnthropicError" if path.startswith("/v1/messages") else "Error"
        for status, answer in answers.items():
            assert "x-request-id" in cast("Json", answer["headers"]), (method, path, status)
            if int(status) >= 400 and path != "/readyz":
                content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{shape}"}}}
                assert answer["content"] == content, (method, path, status)


def taken(path: str) -> set[str]:
    """Return the methods that a path takes, also where it fits another one's parameter."""
    parent = path.rpartition("/")[0]
    fitting = {path, f"{parent}/{{response_id}}", f"{parent}/{{name}}", f"{parent}/{{limit_id}}"}
    return {method.upper() for method, other, _ in operations() if other in fitting}


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _ in operations()])
def test_every_wrong_method_is_refused(server: RunningGateway, method: str, path: str) -> None:
    """A route that is there, asked with a method that it does not take, says so and which one it takes."""
    with httpx.Client(base_url=server.url, headers=AUTHORIZATION) as client:
        for wrong in {"GET", "POST", "PUT", "PATCH", "DELETE"} - taken(path):
            response = client.request(wrong, path.replace("{name}", "demo"), content=b"{}")
            assert response.status_code == 405, wrong
            assert method.upper() in response.headers["allow"]
            error = response.json()["error"]
            assert (error.get("code") or error["details"]["error_code"]) == "method_not_allowed"
            assert response.headers["x-request-id"] == error.get("request_id", response.json().get("request_id"))


@pytest.mark.parametrize(("method", "path", "operation"), operations(), ids=lambda value: str(value)[:30])
def test_keys_are_asked_for_as_documented(server: RunningGateway, method: str, path: str, operation: Json) -> None:
    """Without a key there is an answer where the document says that none is needed, and a 401 elsewhere."""
    ours = {"x-narthex-csrf": "1"} if path.startswith("/api/auth/") else {}
    with httpx.Client(base_url=server.url, headers=ours) as client:
        response = client.request(method, path.replace("{name}", "demo/m"))
    assert (response.status_code == 401) == (operation.get("security") != [])
