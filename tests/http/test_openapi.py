"""The OpenAPI document: what it says of keys, errors, headers and bodies."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import cast

from fastapi import FastAPI

from narthex.http.app import build_routes
from narthex.http.audit_documents import AUDIT
from narthex.http.cache_schemas import CACHE
from narthex.http.control_schemas import CONTROL
from narthex.http.database_schemas import DATABASE
from narthex.http.limit_schemas import LIMITS
from narthex.http.openapi import MODEL_ROUTES, install
from narthex.http.responses_schemas import RESPONSES
from narthex.http.routing_schemas import ROUTING
from narthex.http.schemas import SCHEMAS
from narthex.http.sign_in_schemas import SIGN_IN
from narthex.http.socket_schemas import SOCKETS
from narthex.http.stream_schemas import STREAMS
from narthex.http.surfaces import SURFACES
from narthex.http.system_schemas import SYSTEM
from narthex.http.usage_schemas import USAGE
from narthex.tenancy.keys import Keyring
from tests.http.doors import Json, house

_DOORS = ("state", "password", "second-factor", "oidc/start", "oidc/callback", "invitation", "invitation/accept")
SIGN_IN_DOORS = {f"/api/auth/{name}" for name in _DOORS}
REDIRECTING = {"/api/auth/oidc/start", "/api/auth/oidc/callback"}
"""Whose answer that all is well sends a browser on."""
PUBLIC = {"/health", "/livez", "/readyz", "/docs", "/openapi.json"} | SIGN_IN_DOORS
SOCKETS_OPENED = {"/v1/streams/ws", "/v1/realtime"}
"""Whose answer that all is well is no answer of HTTP's."""
STREAMING = {"/v1/chat/completions", "/v1/responses", "/v1/messages", "/api/generate", "/v1/streams/merge"} | {
    "/v1/recordings/{name}/replay"
}


async def document_of(data_dir: Path) -> Json:
    """Return the document of a server without keys."""
    async with house(data_dir) as one:
        return cast("Json", build_routes(one.services).openapi())


def operations(document: Json) -> dict[str, Json]:
    """Return each path's operation; there is one on each."""
    paths = cast("dict[str, dict[str, Json]]", document["paths"])
    return {path: operation for path, methods in paths.items() for operation in methods.values()}


def answers(operation: Json) -> dict[str, Json]:
    """Return an operation's answers by status."""
    return cast("dict[str, Json]", operation["responses"])


def headers(answer: Json) -> dict[str, Json]:
    """Return an answer's headers."""
    return cast("dict[str, Json]", answer["headers"])


def test_the_document_follows_the_keys() -> None:
    """Keys are asked for in the document while they are asked for at the door, and not a moment longer."""
    app, keyring = FastAPI(), Keyring([])
    install(app, keyring)
    assert app.openapi()["security"] == [{}]
    keyring.adopt(Keyring([("test", "sk-test-0123456789abcdef")]))
    assert app.openapi()["security"] == [{"bearer": []}, {"key": []}, {"session": []}]
    assert set(app.openapi()["components"]["securitySchemes"]) == {"bearer", "key", "session"}
    keyring.adopt(Keyring([]))
    assert app.openapi()["security"] == [{}]


def test_the_document_is_the_same_each_time() -> None:
    """Asked twice, it is made once: the page asks for it at each visit."""
    app = FastAPI()
    install(app, Keyring([]))
    assert app.openapi() is app.openapi()


async def test_only_probes_and_documents_are_open(tmp_path: Path) -> None:
    """The routes that need no key say so, and no others do."""
    documented = operations(await document_of(tmp_path))
    assert {path for path, operation in documented.items() if operation.get("security") == []} == PUBLIC
    refusing = {path for path, operation in documented.items() if "401" in answers(operation)}
    # Where one signs in, what was typed may be refused.
    assert refusing == set(documented) - PUBLIC | (SIGN_IN_DOORS - REDIRECTING)


async def test_every_operation_introduces_itself(tmp_path: Path) -> None:
    """Each has a tag, a summary, and an answer 200 with a body and the request's ID."""
    for path, operation in operations(await document_of(tmp_path)).items():
        assert operation["tags"], path
        assert operation["summary"], path
        if path in SOCKETS_OPENED | REDIRECTING:
            continue
        assert answers(operation)["200"]["content"], path
        assert headers(answers(operation)["200"])["x-request-id"]["required"] is True, path


async def test_every_error_says_when_to_try_again(tmp_path: Path) -> None:
    """Each failure is described, with our body and with `retry-after`; only a probe's 503 is an answer like its 200."""
    for path, operation in operations(await document_of(tmp_path)).items():
        for status, answer in answers(operation).items():
            if status in {"200", "303", "304"} or (path, status) == ("/readyz", "503"):
                continue
            shape = "AnthropicError" if path.startswith("/v1/messages") else "Error"
            assert "retry-after" in headers(answer), (path, status)
            assert str(answer["content"]).count(f"/{shape}'") == 1, (path, status)
            assert answer["description"], (path, status)


async def test_what_the_framework_would_answer_is_not_promised(tmp_path: Path) -> None:
    """No operation lists the framework's 422, nor a schema of its: no such answer ever comes."""
    document = await document_of(tmp_path)
    assert not [path for path, operation in operations(document).items() if "422" in answers(operation)]
    assert cast("Json", document["components"])["schemas"] == {
        **SCHEMAS,
        **RESPONSES,
        **SYSTEM,
        **DATABASE,
        **ROUTING,
        **STREAMS,
        **SOCKETS,
        **CONTROL,
        **USAGE,
        **LIMITS,
        **CACHE,
        **AUDIT,
        **SIGN_IN,
    }
    assert "HTTPValidationError" not in str(document)


async def test_model_routes_name_their_headers(tmp_path: Path) -> None:
    """Routes that ask a model say who answered, what was dropped, and whether the usage is an estimate."""
    documented = operations(await document_of(tmp_path))
    for path in (*(path.decode() for path in SURFACES), "/api/generate"):
        told = headers(answers(documented[path])["200"])
        # A response that waits in the background has no model yet.
        assert told["x-narthex-model"].get("required", False) is (path != "/v1/responses")
        assert {"x-narthex-dropped", "x-narthex-usage"} <= set(told)
        assert cast("Json", documented[path]["requestBody"])["required"] is True


async def test_streams_are_documented_where_there_are_any(tmp_path: Path) -> None:
    """Chats and generations may come as an event stream, and nothing else does."""
    documented = operations(await document_of(tmp_path))
    streaming = {
        path
        for path, operation in documented.items()
        if path not in SOCKETS_OPENED | REDIRECTING
        and "text/event-stream" in cast("Json", answers(operation)["200"]["content"])
    }
    assert streaming == STREAMING


def test_every_model_route_is_described() -> None:
    """The table of the documents and the table of the routes hold the same paths."""
    assert set(MODEL_ROUTES) == {path.decode() for path in SURFACES}


async def test_a_server_that_stops_is_documented(tmp_path: Path) -> None:
    """Readiness tells with a 503, in the body of a probe, that no more requests are taken."""
    answer = answers(operations(await document_of(tmp_path))["/readyz"])["503"]
    assert answer["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/Probe"}}}


async def test_no_two_operations_have_one_name(tmp_path: Path) -> None:
    """Operations are told apart by their IDs, from which client generators make names."""
    names = [operation["operationId"] for operation in operations(await document_of(tmp_path)).values()]
    assert [a for a, b in itertools.combinations(names, 2) if a == b] == []
