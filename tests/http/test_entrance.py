"""The ordinary door: what every request passes, and the shape of every failure."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from narthex.errors import InvalidRequest, NarthexError, Overloaded
from narthex.http.entrance import Entrance
from narthex.streams.log import ReaderDropped
from tests.gateways import KEY
from tests.http.doors import answer, house, scope_of, visit

KEYS = [{"name": "test", "key": KEY}]
PAGE = "https://app.example"


@asynccontextmanager
async def entrance(data_dir: Path, app: ASGIApp = answer, /, **changes: object) -> AsyncIterator[ASGIApp]:
    """Put the door before an application."""
    async with house(data_dir, **changes) as one:
        yield Entrance(app, one.services)


def breaking(error: Exception, *, begun: bool = False) -> ASGIApp:
    """Return an application that breaks, before or after its answer has begun."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise error

    return app


async def test_what_is_not_http_is_handed_on(tmp_path: Path) -> None:
    """The life of the server is the application's business, not the door's."""
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        scopes.append(scope)

    async def nothing() -> Message:
        return {"type": "lifespan.startup"}

    async def ignore(message: Message) -> None:
        del message

    async with entrance(tmp_path, app) as door:
        await door({"type": "lifespan"}, nothing, ignore)
    assert scopes == [{"type": "lifespan"}]


# -- request IDs -------------------------------------------------------------------------------------------------------


async def test_every_answer_has_a_request_id_of_its_own(tmp_path: Path) -> None:
    """Each answer carries an ID that no other has."""
    async with entrance(tmp_path) as door:
        ids = {(await visit(door, "GET", "/")).headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5
    assert all(one.startswith("req_") for one in ids)


@pytest.mark.parametrize(("path", "twice"), [("/v1/messages", True), ("/v1/chat/completions", False)])
async def test_the_applications_request_id_stands(tmp_path: Path, path: str, twice: bool) -> None:
    """An ID that the route has set is kept, and told under Anthropic's name too where Anthropic's SDK calls."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-request-id", b"req_mine")]})
        await send({"type": "http.response.body", "body": b""})

    async with entrance(tmp_path, app) as door:
        headers = (await visit(door, "POST", path)).headers
    assert headers["x-request-id"] == "req_mine"
    assert headers.get("request-id") == ("req_mine" if twice else None)


# -- probes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz"])
async def test_probes_are_answered_at_the_door(tmp_path: Path, path: str) -> None:
    """A probe needs no key and no route: it is answered even while the application is broken."""
    async with entrance(tmp_path, breaking(RuntimeError()), keys=KEYS) as door:
        seen = await visit(door, "GET", path)
    assert seen.status == 200
    assert seen.json()["status"] == "ok"
    assert seen.headers["content-type"] == "application/json"
    assert int(seen.headers["content-length"]) == len(seen.body)


async def test_only_get_is_a_probe(tmp_path: Path) -> None:
    """Other methods on a probe's path are the application's to refuse."""
    async with entrance(tmp_path) as door:
        assert (await visit(door, "POST", "/health", body=[b"x"])).body == b"x"


# -- the door's rules --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "https://evil.example"}])
@pytest.mark.parametrize("path", ["/health", "/", "/v1/models", "/docs"])
async def test_strangers_are_refused_everywhere(tmp_path: Path, path: str, headers: Mapping[str, str]) -> None:
    """Without keys no path is open to a foreign name or page."""
    async with entrance(tmp_path) as door:
        seen = await visit(door, "GET", path, headers=headers)
    assert seen.status == 403
    assert seen.error()["code"] == "permission_denied"
    assert seen.error()["request_id"] == seen.headers["x-request-id"]


async def test_a_configured_page_may_ask_before_it_calls(tmp_path: Path) -> None:
    """A preflight is answered without a key, and allows what calls need."""
    asking = {"origin": PAGE, "access-control-request-method": "POST", "access-control-request-headers": "x-api-key"}
    async with entrance(tmp_path, breaking(RuntimeError()), keys=KEYS, server={"cors_origins": [PAGE]}) as door:
        seen = await visit(door, "OPTIONS", "/v1/chat/completions", headers=asking)
    assert (seen.status, seen.body) == (204, b"")
    assert seen.headers["access-control-allow-origin"] == PAGE
    assert "POST" in seen.headers["access-control-allow-methods"]
    # `*` does not cover this one: https://fetch.spec.whatwg.org/#cors-non-wildcard-request-header-name
    assert "authorization" in seen.headers["access-control-allow-headers"]
    assert "content-length" not in seen.headers


async def test_another_page_may_not(tmp_path: Path) -> None:
    """A page that is not configured gets no permission at the preflight, keys or not."""
    asking = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    for changes in ({"keys": KEYS, "server": {"cors_origins": [PAGE]}}, {"keys": KEYS}, {}):
        async with entrance(tmp_path, **changes) as door:
            seen = await visit(door, "OPTIONS", "/v1/models", headers=asking)
        assert "access-control-allow-origin" not in seen.headers


async def test_options_alone_is_no_preflight(tmp_path: Path) -> None:
    """OPTIONS that asks for nothing goes to the application."""
    async with entrance(tmp_path) as door:
        assert (await visit(door, "OPTIONS", "/", body=[b"x"])).body == b"x"


async def test_a_page_can_read_answers_and_errors(tmp_path: Path) -> None:
    """The permission stands on whole answers and on refusals, or the page could not tell what is wrong."""
    async with entrance(tmp_path, keys=KEYS, server={"cors_origins": [PAGE]}) as door:
        for key, status in ((KEY, 200), ("sk-wrong", 401)):
            seen = await visit(door, "GET", "/v1/models", headers={"origin": PAGE, "x-api-key": key})
            assert seen.status == status
            assert seen.headers["access-control-allow-origin"] == PAGE


# -- keys --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/models", "/v1/", "/api/models", "/metrics"])
async def test_a_key_is_asked_for(tmp_path: Path, path: str) -> None:
    """Models, the control API and the metrics are closed without a valid key."""
    async with entrance(tmp_path, keys=KEYS) as door:
        for headers in ({}, {"x-api-key": "sk-wrong"}, {"authorization": "Bearer sk-wrong"}, {"authorization": ""}):
            seen = await visit(door, "GET", path, headers=headers)
            assert (seen.status, seen.error()["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer {KEY}"},
        {"x-api-key": KEY},
        {"x-api-key": KEY, "authorization": ""},
    ],
)
async def test_a_key_opens(tmp_path: Path, headers: Mapping[str, str]) -> None:
    """The key is taken as either SDK sends it, and the route learns whose it is."""
    callers: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        callers.append(scope["narthex.caller"])
        await answer(scope, receive, send)

    async with entrance(tmp_path, app, keys=KEYS) as door:
        assert (await visit(door, "GET", "/v1/models", headers=headers)).status == 200
    assert [getattr(caller, "name", None) for caller in callers] == ["test"]


@pytest.mark.parametrize("path", ["/", "/assets/x.js", "/docs", "/openapi.json"])
async def test_files_and_documents_need_no_key(tmp_path: Path, path: str) -> None:
    """The dashboard's files and the documents are open: they hold nothing, and ask for the key themselves."""
    async with entrance(tmp_path, keys=KEYS) as door:
        assert (await visit(door, "GET", path)).status == 200


# -- size --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [[b"x" * 2048], [b"x" * 1024, b"y" * 1024], [b"z"] * 2048])
async def test_a_body_up_to_the_limit_arrives(tmp_path: Path, pieces: list[bytes]) -> None:
    """A body of exactly the limit reaches the application unchanged, however it is cut."""
    async with entrance(tmp_path, server={"max_body_bytes": 2048}) as door:
        assert (await visit(door, "POST", "/v1/x", body=pieces)).body == b"".join(pieces)


@pytest.mark.parametrize("pieces", [[b"x" * 2049], [b"x" * 1024, b"y" * 1025], [b"z"] * 2049])
async def test_a_body_over_the_limit_is_refused(tmp_path: Path, pieces: list[bytes]) -> None:
    """A byte more is refused, and the refusal names limit and setting."""
    async with entrance(tmp_path, server={"max_body_bytes": 2048}) as door:
        seen = await visit(door, "POST", "/v1/x", body=pieces)
    assert (seen.status, seen.error()["code"]) == (413, "body_too_large")
    assert "2048" in str(seen.error()["message"])
    assert "`server.max_body_bytes`" in str(seen.error()["message"])


async def test_a_client_that_leaves_is_noticed(tmp_path: Path) -> None:
    """The application learns that nobody waits any more."""
    received: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received.append((await receive())["type"])
        await answer(scope, receive, send)

    async with entrance(tmp_path, app) as door:
        await visit(door, "POST", "/", body=[])
    assert received == ["http.disconnect"]


# -- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/generate", "/"])
async def test_a_failure_is_told_in_the_surfaces_shape(tmp_path: Path, path: str) -> None:
    """Whatever route fails, the body has the caller's shape, the ID of the header, and when to try again."""
    async with entrance(tmp_path, breaking(Overloaded("full", retry_after_s=1.5))) as door:
        seen = await visit(door, "POST", path)
    assert (seen.status, seen.headers["retry-after"], seen.headers["retry-after-ms"]) == (503, "2", "1500")
    assert seen.error()["message"] == "full"
    assert seen.error()["type"] == "overloaded_error"
    anthropic = path == "/v1/messages"
    assert (seen.json().get("type") == "error") is anthropic
    told = seen.json()["request_id"] if anthropic else seen.error()["request_id"]
    assert told == seen.headers["x-request-id"]


async def test_a_fault_shows_nothing_but_its_id(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A fault of ours is a 500 without a word of what broke; the log has that, under the same ID."""
    with caplog.at_level(logging.ERROR, logger="narthex"):
        async with entrance(tmp_path, breaking(RuntimeError("the secret of the house"))) as door:
            seen = await visit(door, "GET", "/")
    assert (seen.status, seen.error()["code"]) == (500, "internal_error")
    assert b"secret" not in seen.body
    assert seen.headers["x-request-id"] in caplog.text
    assert "the secret of the house" in caplog.text


async def test_the_log_and_the_answer_agree_on_the_id(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where a route has given the call its own ID, a fault is answered and logged under that one."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["narthex.request_id"] = "req_of_the_call"
        raise RuntimeError

    with caplog.at_level(logging.ERROR, logger="narthex"):
        async with entrance(tmp_path, app) as door:
            seen = await visit(door, "GET", "/")
    assert seen.headers["x-request-id"] == seen.error()["request_id"] == "req_of_the_call"
    assert "req_of_the_call" in caplog.text


@pytest.mark.parametrize(
    "error", [InvalidRequest("late"), RuntimeError("late"), ReaderDropped()], ids=lambda one: type(one).__name__
)
async def test_a_failure_after_the_beginning_cuts_the_answer(tmp_path: Path, error: NarthexError) -> None:
    """Once an answer has begun there is no second one: it stays without its end, so that nobody takes it for whole."""
    async with entrance(tmp_path, breaking(error, begun=True)) as door:
        seen = await visit(door, "GET", "/")
    assert (seen.status, seen.body, seen.complete, seen.cut) == (200, b"half", False, True)


async def test_duplicate_headers_do_not_confuse_the_door(tmp_path: Path) -> None:
    """Of two hosts the one that is judged is not a matter of luck: the last counts, as in the fast lane."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = scope_of("GET", "/", {})
    scope["headers"] = [(b"host", b"127.0.0.1"), (b"host", b"evil.example")]
    async with entrance(tmp_path) as door:
        await door(scope, receive, send)
    assert sent[0]["status"] == 403
    assert json.loads(sent[1]["body"])["error"]["code"] == "permission_denied"
