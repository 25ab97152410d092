"""What each surface says when something is wrong: body, frames, status line, and when to try again."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex import errors
from narthex.errors import InvalidRequest, NarthexError, Overloaded
from narthex.http.surfaces import (
    LONGEST_WAIT_S,
    STATUS_LINES,
    SURFACES,
    dialect_of,
    error_body,
    error_frames,
    error_headers,
)
from narthex.testing.acts import whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_error
from narthex.types.dialects import Dialect, Operation
from narthex.wire.sse import SseParser
from tests.gateways import RawClient, post, running

Json = dict[str, object]

WRONG = InvalidRequest("temperature: 9 is too hot", param="temperature")
OPENAI_SHAPED = (Dialect.OPENAI_CHAT, Dialect.OPENAI_EMBEDDINGS, Dialect.NATIVE)
ANTHROPIC_SHAPED = (Dialect.ANTHROPIC_MESSAGES, Dialect.ANTHROPIC_COUNT_TOKENS)


def leaves(kind: type[NarthexError] = NarthexError) -> Iterator[type[NarthexError]]:
    """Yield every class of the error tree."""
    yield kind
    for child in kind.__subclasses__():
        yield from leaves(child)


def test_each_model_route_has_its_dialect() -> None:
    """The routes are those of the SDKs, each with what is asked and the dialect that it is asked in."""
    assert {path: tuple(surface) for path, surface in SURFACES.items()} == {
        b"/v1/chat/completions": (Operation.CHAT, Dialect.OPENAI_CHAT),
        b"/v1/embeddings": (Operation.EMBED, Dialect.OPENAI_EMBEDDINGS),
        b"/v1/responses": (Operation.CHAT, Dialect.OPENAI_RESPONSES),
        b"/v1/messages": (Operation.CHAT, Dialect.ANTHROPIC_MESSAGES),
        b"/v1/messages/count_tokens": (Operation.COUNT_TOKENS, Dialect.ANTHROPIC_COUNT_TOKENS),
    }


@pytest.mark.parametrize(
    ("path", "headers", "anthropic"),
    [
        ("/v1/messages", {}, True),
        ("/v1/messages/count_tokens", {}, True),
        ("/v1/models", {b"anthropic-version": b"2023-06-01"}, True),
        ("/v1/models/demo/m", {b"anthropic-version": b"2023-06-01"}, True),
        ("/v1/models", {}, False),
        ("/v1/chat/completions", {b"anthropic-version": b"2023-06-01"}, False),
        ("/api/generate", {}, False),
        ("/", {}, False),
        ("", {}, False),
    ],
)
def test_errors_are_told_in_the_callers_dialect(path: str, headers: dict[bytes, bytes], anthropic: bool) -> None:
    """The path says who calls; the list of models, which both SDKs ask for, goes by Anthropic's header."""
    assert (dialect_of(path, headers) is Dialect.ANTHROPIC_MESSAGES) is anthropic


@pytest.mark.parametrize("dialect", OPENAI_SHAPED)
def test_openais_body(dialect: Dialect) -> None:
    """OpenAI's surfaces and our own tell message, type, field, code and request ID."""
    assert json.loads(error_body(dialect, WRONG, "req_1")) == {
        "error": {
            "message": "temperature: 9 is too hot",
            "type": "invalid_request_error",
            "param": "temperature",
            "code": "invalid_request",
            "request_id": "req_1",
        }
    }


@pytest.mark.parametrize("dialect", ANTHROPIC_SHAPED)
def test_anthropics_body(dialect: Dialect) -> None:
    """Anthropic's surfaces tell Anthropic's type, our code beside it, and the request ID where its SDK looks."""
    assert json.loads(error_body(dialect, WRONG, "req_1")) == {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "temperature: 9 is too hot",
            "details": {"error_code": "invalid_request", "param": "temperature"},
        },
        "request_id": "req_1",
    }


@pytest.mark.parametrize(("dialect", "event"), [(Dialect.OPENAI_CHAT, None), (Dialect.ANTHROPIC_MESSAGES, "error")])
def test_a_stream_ends_with_the_same_body_as_an_event(dialect: Dialect, event: str | None) -> None:
    """The last words of a broken stream are one whole event with the error's body, named as the dialect names it."""
    parser = SseParser()
    told = parser.feed(error_frames(dialect, WRONG, "req_1"))
    assert [(one.event or None, json.loads(one.data)) for one in told] == [
        (event, json.loads(error_body(dialect, WRONG, "req_1")))
    ]


@pytest.mark.parametrize("kind", list(leaves()), ids=lambda kind: str(kind.__name__))
def test_every_error_can_be_answered(kind: type[NarthexError]) -> None:
    """Each error of the tree has a status line, whatever its status."""
    line = STATUS_LINES[kind.status]
    assert line.startswith(b"HTTP/1.1 %d " % kind.status)
    assert line.endswith(b"\r\n")
    assert line.count(b"\r\n") == 1


def test_status_lines_name_what_http_names() -> None:
    """Registered statuses carry their phrase, others none; a provider's odd status has a line too."""
    assert STATUS_LINES[429] == b"HTTP/1.1 429 Too Many Requests\r\n"
    assert STATUS_LINES[errors.Cancelled.status] == b"HTTP/1.1 499 \r\n"
    assert set(STATUS_LINES) >= set(range(200, 600))


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, {}),
        (0.0, {b"retry-after": b"0", b"retry-after-ms": b"0"}),
        (-3.0, {b"retry-after": b"0", b"retry-after-ms": b"0"}),
        (0.2, {b"retry-after": b"1", b"retry-after-ms": b"200"}),
        (1.0, {b"retry-after": b"1", b"retry-after-ms": b"1000"}),
        (2.5, {b"retry-after": b"3", b"retry-after-ms": b"2500"}),
    ],
)
def test_when_to_try_again(seconds: float | None, told: dict[bytes, bytes]) -> None:
    """Whole seconds are rounded up, so that nobody comes too early; milliseconds are told beside them."""
    assert dict(error_headers(Overloaded(retry_after_s=seconds))) == told


@given(st.floats(min_value=0, max_value=sys.float_info.max) | st.just(float("inf")))
def test_any_wait_can_be_told(seconds: float) -> None:
    """Whatever wait a provider asks for, the headers are short numbers, and never less than a wait that makes sense."""
    headers = dict(error_headers(Overloaded(retry_after_s=seconds)))
    assert all(value.isdigit() and len(value) < 15 for value in headers.values())
    assert int(headers[b"retry-after"]) >= min(seconds, LONGEST_WAIT_S)
    assert int(headers[b"retry-after-ms"]) <= seconds * 1_000


@pytest.mark.parametrize("origin", ["", "origin: http://127.0.0.1\r\n"], ids=["lane", "ordinary"])
def test_a_provider_that_asks_for_an_absurd_wait_is_answered(tmp_path: Path, origin: str) -> None:
    """A rate limit that is said to last for ages reaches the client as a rate limit, through either door."""
    body = json.dumps({"model": "up/m", "messages": [{"role": "user", "content": "Hi"}]}).encode()
    with ScriptedUpstream() as upstream:
        upstream.always(whole(openai_error("later"), status=429, headers={"retry-after": "1e308"}))
        providers: Json = {"up": {"kind": "openai", "base_url": f"{upstream.url}/v1"}}
        with running(tmp_path, providers=providers) as gateway, RawClient(gateway.port) as client:
            client.send(post("/v1/chat/completions", body, key=None, more=origin))
            status, headers, answer = client.response()
    assert status == 429
    assert headers["retry-after"].isdigit()
    assert cast("dict[str, Json]", json.loads(answer))["error"]["type"] == "rate_limit_error"
