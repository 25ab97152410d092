"""The model routes' ordinary door: the same answers as in the fast lane, for those who cannot take it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from narthex.http.app import build_app
from narthex.http.routes.model_calls import answer_headers
from narthex.pipeline.exchange import Exchange
from narthex.testing.acts import Stall, cut_after, silent, streamed, whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import (
    anthropic_answer,
    anthropic_frames,
    openai_answer,
    openai_embeddings,
    openai_error,
    openai_frames,
)
from narthex.types.dialects import Dialect
from narthex.types.usage import Usage
from narthex.wire.sse import SseParser
from tests.gateways import KEY
from tests.http.doors import DEMO, Json, Left, Seen, house, visit

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
HI: Json = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """A provider of both wires."""
    with ScriptedUpstream() as one:
        yield one


def before(upstream: ScriptedUpstream, **more: object) -> Json:
    """Return the settings of a house before this upstream, and more providers."""
    return {
        "providers": {
            "up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"]},
            "ant": {"kind": "anthropic", "base_url": upstream.url, "models": ["c"]},
            "demo": DEMO,
            **more,
        }
    }


def asked(model: str, **more: object) -> Json:
    """Return a chat."""
    return {"model": model, **HI, **more}


def body_of(value: Json) -> list[bytes]:
    """Write a body in two pieces."""
    data = json.dumps(value).encode()
    return [data[:9], data[9:]]


# -- whole -------------------------------------------------------------------------------------------------------------


async def test_a_whole_answer_passes_through(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """What the provider answers is what the caller gets, byte for byte, and whose answer it is."""
    answer = json.dumps(json.loads(openai_answer("Hello")), indent=3).encode()
    upstream.play(whole(answer))
    async with house(tmp_path, **before(upstream)) as one:
        seen = await visit(build_app(one.services), "POST", CHAT, body=body_of(asked("up/m")))
    assert (seen.status, seen.body) == (200, answer)
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["x-narthex-model"] == "up/m"
    assert not {"x-narthex-dropped", "x-narthex-usage"} & set(seen.headers)
    assert one.logged()[0]["request_id"] == seen.headers["x-request-id"]


@pytest.mark.parametrize(
    ("path", "answer", "body"),
    [
        (MESSAGES, anthropic_answer("Hello"), {"model": "ant/c", **HI, "max_tokens": 5}),
        ("/v1/embeddings", openai_embeddings([[0.5, 0.25]]), {"model": "up/m", "input": "Hi"}),
    ],
)
async def test_each_route_speaks_its_dialect(
    tmp_path: Path, upstream: ScriptedUpstream, path: str, answer: bytes, body: Json
) -> None:
    """Messages and embeddings are asked and answered as they are in their own dialects."""
    upstream.play(whole(answer))
    async with house(tmp_path, **before(upstream)) as one:
        response = await one.client.post(path, json=body)
    assert (response.status_code, response.content) == (200, answer)
    assert upstream.requests[-1].path == path


async def test_tokens_are_counted(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """Anthropic's count of tokens is served here, for a provider of ours too."""
    async with house(tmp_path, **before(upstream)) as one:
        response = await one.client.post(f"{MESSAGES}/count_tokens", json=asked("demo/m"))
    assert response.status_code == 200
    assert response.json()["input_tokens"] > 0
    assert response.headers["request-id"] == response.headers["x-request-id"]


async def test_what_was_dropped_and_estimated_is_named(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """Tuning that the provider cannot take is named in a header, and so is usage that was counted here."""
    upstream.play(whole(anthropic_answer("Hello")))
    quiet = {"kind": "scripted", "script": {"models": ["m"], "usage": False, "reply": "x"}}
    async with house(tmp_path, **before(upstream, quiet=quiet)) as one:
        dropped = await one.client.post(CHAT, json=asked("ant/c", seed=7, logprobs=True))
        estimated = await one.client.post(CHAT, json=asked("quiet/m"))
    assert sorted(dropped.headers["x-narthex-dropped"].split(", ")) == ["logprobs", "seed"]
    assert "x-narthex-usage" not in dropped.headers
    assert estimated.headers["x-narthex-usage"] == "estimated"


async def test_the_key_is_asked_for_once_and_is_the_callers(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """A call is logged on the account of its key; without one no provider is asked."""
    async with house(tmp_path, **before(upstream), keys=[{"name": "test", "key": KEY}]) as one:
        refused = await one.client.post(CHAT, json=asked("up/m"))
        await one.client.post(CHAT, json=asked("demo/m"), headers={"authorization": f"Bearer {KEY}"})
    assert refused.status_code == 401
    assert upstream.requests == []
    assert [line["key"] for line in one.logged()] == ["test"]


# -- streamed ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "model", "frames"),
    [(CHAT, "up/m", openai_frames("Hello there", usage=False)), (MESSAGES, "ant/c", anthropic_frames("Hello there"))],
)
async def test_a_stream_passes_through(
    tmp_path: Path, upstream: ScriptedUpstream, path: str, model: str, frames: list[bytes]
) -> None:
    """A stream in the caller's dialect reaches the caller as it is, marked as not to be kept or held back."""
    upstream.play(streamed(frames))
    async with house(tmp_path, **before(upstream)) as one:
        response = await one.client.post(path, json=asked(model, stream=True, max_tokens=5))
    assert response.content == b"".join(frames)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store, no-transform"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["x-narthex-model"] == model


@pytest.mark.parametrize(
    ("path", "model", "last"),
    [(CHAT, "demo/m", b"[DONE]"), (CHAT, "ant/c", b"[DONE]"), (MESSAGES, "up/m", b'{"type":"message_stop"}')],
)
async def test_a_stream_is_translated(
    tmp_path: Path, upstream: ScriptedUpstream, path: str, model: str, last: bytes
) -> None:
    """A stream of another dialect is written in the caller's, to the end that this dialect has."""
    frames = {"ant/c": anthropic_frames("You said: Hi"), "up/m": openai_frames("You said: Hi")}
    if model in frames:
        upstream.play(streamed(frames[model]))
    async with house(tmp_path, **before(upstream)) as one:
        response = await one.client.post(path, json=asked(model, stream=True, max_tokens=50))
    events = SseParser().feed(response.content)
    assert events[-1].data.replace(b" ", b"") == last
    for word in ("You", "said", "Hi"):
        assert word in response.text


@pytest.mark.parametrize(("path", "model"), [(CHAT, "up/m"), (MESSAGES, "up/m")])
async def test_a_cut_stream_ends_in_an_error(tmp_path: Path, upstream: ScriptedUpstream, path: str, model: str) -> None:
    """A stream that the provider cuts ends in an error of the caller's dialect, under the ID of the headers."""
    upstream.play(cut_after(streamed(openai_frames("one two three")), sends=4))
    async with house(tmp_path, **before(upstream)) as one:
        response = await one.client.post(path, json=asked(model, stream=True, max_tokens=5))
    last = SseParser().feed(response.content)[-1]
    told: Json = json.loads(last.data)
    error = told["error"]
    assert isinstance(error, dict)
    if path == MESSAGES:
        assert last.event == told["type"] == "error"
        assert error["details"]["error_code"] == "provider_truncated_answer"
    else:
        assert error["code"] == "provider_truncated_answer"
    assert response.headers["x-request-id"] in (told.get("request_id"), error.get("request_id"))
    assert "[DONE]" not in response.text


# -- no answer, or nobody to take it -----------------------------------------------------------------------------------


async def test_a_failure_before_the_first_frame_has_a_status(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """What fails before anything was written is an error answer, whole, under the ID that the log has."""
    upstream.always(whole(openai_error("no"), status=500))
    async with house(tmp_path, **before(upstream)) as one:
        response = await one.client.post(CHAT, json=asked("up/m", stream=True))
    assert response.status_code == 502
    told = response.json()["error"]["request_id"]
    assert told == response.headers["x-request-id"] == one.logged()[0]["request_id"]


async def test_a_client_that_leaves_ends_the_call(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """When the caller leaves in the middle of a stream the provider's call is ended, and logged as that."""

    async def leave(seen: Seen) -> None:
        if b"one" in seen.body:
            raise Left

    upstream.play((*streamed(openai_frames("one two")[:3], ended=False), Stall()))
    async with house(tmp_path, **before(upstream)) as one:
        body = body_of(asked("up/m", stream=True))
        seen = await visit(build_app(one.services), "POST", CHAT, body=body, watch=leave)
        await upstream.disconnected()
        assert one.gateway.metrics.active == 0
    assert not seen.complete
    assert [line["code"] for line in one.logged()] == ["cancelled"]


async def test_a_call_that_is_ended_ends_the_providers(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    """When the server ends a call that still waits for its first word, the provider's call ends with it."""
    upstream.play(silent())
    async with house(tmp_path, **before(upstream)) as one:
        work = visit(build_app(one.services), "POST", CHAT, body=body_of(asked("up/m")))
        task = asyncio.ensure_future(work)
        await upstream.requested()
        task.cancel()
        await asyncio.wait({task})
        await upstream.disconnected()
        assert one.gateway.metrics.active == 0


async def test_a_client_that_leaves_before_it_has_asked_asks_nothing(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    """A request that breaks off in its body never reaches a provider."""
    async with house(tmp_path, **before(upstream)) as one:
        seen = await visit(build_app(one.services), "POST", CHAT, body=[])
        assert one.gateway.metrics.total == 0
    assert seen.status == 408
    assert upstream.requests == []


async def test_usage_is_not_told_before_it_is_known() -> None:
    """The headers of a stream, which are sent first, do not say what nobody can know yet."""
    exchange = Exchange(Dialect.OPENAI_CHAT, b"", {})
    exchange.usage = Usage(estimated=True)
    assert answer_headers(exchange, whole=True) == {"x-request-id": exchange.id, "x-narthex-usage": "estimated"}
    assert answer_headers(exchange, whole=False) == {"x-request-id": exchange.id}
