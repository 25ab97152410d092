"""Through both doors: a client that lost its answer asks again under its key, and gets that answer, once paid for."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from narthex.testing.acts import delayed, streamed, whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import anthropic_frames, openai_answer, openai_error, openai_frames
from narthex.wire.sse import SseParser
from tests.gateways import KEY, RawClient, RunningGateway, post, running

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
ASKED: dict[str, object] = {"model": "up/m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 50}
STREAMED = {**ASKED, "stream": True, "stream_options": {"include_usage": True}}
FRAMES = openai_frames("one two three four")
OTHER_KEY = "sk-other-0123456789abcdef"


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """Open a provider on both wires."""
    with ScriptedUpstream() as opened:
        yield opened


def before(upstream: ScriptedUpstream) -> dict[str, object]:
    """Return the settings of a server before a provider, with two keys."""
    return {
        "keys": [{"name": "test", "key": KEY}, {"name": "other", "key": OTHER_KEY}],
        "providers": {
            "up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"]},
            "ant": {"kind": "anthropic", "base_url": upstream.url, "models": ["n"]},
        },
    }


@pytest.fixture
def gateway(upstream: ScriptedUpstream, tmp_path: Path) -> Iterator[RunningGateway]:
    """Run a server before it."""
    with running(tmp_path, **before(upstream)) as one:
        yield one


def ask(
    gateway: RunningGateway, body: object = ASKED, *, path: str = CHAT, idempotency_key: str = "k", **headers: str
) -> httpx.Response:
    """Ask under a key, at the lane's door; with an `origin` at the ordinary one."""
    more = {"authorization": f"Bearer {KEY}", "idempotency-key": idempotency_key, **headers}
    return httpx.post(f"{gateway.url}{path}", json=body, headers=more, timeout=20)


@pytest.mark.parametrize("body", [ASKED, STREAMED], ids=["whole", "streamed"])
@pytest.mark.parametrize("first_ordinary", [False, True])
def test_both_doors_give_the_same_answer(
    gateway: RunningGateway, upstream: ScriptedUpstream, body: dict[str, object], first_ordinary: bool
) -> None:
    """Whichever door the first call took, a repeat at either gets its bytes, marked, under a name of its own."""
    upstream.play(streamed(FRAMES) if "stream" in body else whole(openai_answer("one two three four")))
    doors: list[dict[str, str]] = [{}, {"origin": gateway.url}]
    order = [doors[first_ordinary], *doors]
    first, *repeats = [ask(gateway, body, **door) for door in order]
    assert "idempotent-replayed" not in first.headers
    for repeat in repeats:
        assert (repeat.status_code, repeat.content) == (200, first.content)
        assert repeat.headers["idempotent-replayed"] == "true"
        assert repeat.headers["x-narthex-model"] == first.headers["x-narthex-model"] == "up/m"
        assert repeat.headers["content-type"] == first.headers["content-type"]
    assert len({one.headers["x-request-id"] for one in (first, *repeats)}) == 3
    assert len(upstream.requests) == 1


def test_a_translated_answer_is_the_same_too(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """An answer that is written anew for each caller is written the same."""
    upstream.play(streamed(anthropic_frames("one two three four")))
    body = {**STREAMED, "model": "ant/n"}
    assert ask(gateway, body).content == ask(gateway, body, origin=gateway.url).content
    assert len(upstream.requests) == 1


def test_a_response_is_the_same_too(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """A dialect that tells when an answer began and ended tells the same times again."""
    upstream.play(streamed(FRAMES))
    body = {"model": "up/m", "input": "Hi", "stream": True, "store": False}
    first = ask(gateway, body, path="/v1/responses")
    time.sleep(1.1)
    again = ask(gateway, body, path="/v1/responses", origin=gateway.url)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert again.content == first.content
    assert b'"completed_at":' in first.content


@pytest.mark.parametrize("door", ["lane", "ordinary"])
@pytest.mark.parametrize("frames", range(len(FRAMES)))
def test_a_client_that_lost_its_connection_comes_back(
    gateway: RunningGateway, upstream: ScriptedUpstream, door: str, frames: int
) -> None:
    """Wherever the first connection is lost, the repeat gets every byte of the one call, which is billed once."""
    upstream.play(streamed(FRAMES, delay_s=0.02))
    raw = post(CHAT, json.dumps(STREAMED, separators=(",", ":")).encode(), more="idempotency-key: k\r\n")
    if door == "ordinary":
        raw = raw.replace(b"host:", f"origin: {gateway.url}\r\nhost:".encode(), 1)
    with RawClient(gateway.port) as client:
        client.send(raw)
        if frames:
            client.read_until(FRAMES[frames - 1])
        else:
            upstream.wait_for(lambda: len(upstream.requests) == 1)
    repeat = ask(gateway, STREAMED)
    assert repeat.content == b"".join(FRAMES)
    assert repeat.headers["idempotent-replayed"] == "true"
    assert len(upstream.requests) == 1
    gateway.stop()
    gateway.__exit__(None, None, None)
    lines = [json.loads(line) for line in (gateway.settings.data_dir / "logs/requests.jsonl").read_text().splitlines()]
    assert sorted(line.get("replayed", False) for line in lines) == [False, True]
    assert [line["output_tokens"] > 0 for line in lines if not line.get("replayed")] == [True]
    assert [line["output_tokens"] for line in lines if line.get("replayed")] == [0]


def test_a_hundred_at_once_are_one_call(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """A hundred calls under one key over as many connections are one call to the provider."""
    upstream.play(delayed(streamed(FRAMES, delay_s=0.01), 0.2))
    with ThreadPoolExecutor(100) as callers:
        answers = list(callers.map(lambda _number: ask(gateway, STREAMED).content, range(100)))
    assert set(answers) == {b"".join(FRAMES)}
    assert len(upstream.requests) == 1


def test_a_conflict_is_told_in_the_callers_dialect(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """Another body is refused with 409 in the shape of each surface, and SDKs are told not to try again."""
    upstream.always(whole(openai_answer("Hello")))
    ask(gateway)
    openai_says = ask(gateway, {**ASKED, "temperature": 1})
    assert openai_says.status_code == 409
    assert openai_says.headers["x-should-retry"] == "false"
    error = openai_says.json()["error"]
    assert (error["code"], error["type"]) == ("idempotency_conflict", "invalid_request_error")
    assert error["param"] == "idempotency-key"
    anthropic_says = ask(gateway, ASKED, path=MESSAGES)
    assert anthropic_says.status_code == 409
    told = anthropic_says.json()
    assert (told["type"], told["error"]["type"]) == ("error", "invalid_request_error")
    assert told["error"]["details"]["error_code"] == "idempotency_conflict"
    assert len(upstream.requests) == 1


def test_a_key_that_is_too_long_is_refused(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """A key of more than 255 characters is a bad request; one of 255 is a key."""
    upstream.always(whole(openai_answer("Hello")))
    refused = ask(gateway, idempotency_key="k" * 256)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "idempotency-key")
    assert ask(gateway, idempotency_key="k" * 255).status_code == 200


def test_a_failure_is_tried_anew(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """Neither a failure nor a refusal is remembered."""
    upstream.play(
        whole(openai_error("No."), status=500),
        whole(openai_error("Bad.", kind="invalid_request_error"), status=400),
        whole(openai_answer("Hello")),
    )
    assert [ask(gateway).status_code for _ in range(3)] == [502, 400, 200]
    assert len(upstream.requests) == 3


def test_keys_of_two_callers_never_meet(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """The same key and the same body of another caller are another call."""
    upstream.play(whole(openai_answer("for one")), whole(openai_answer("for another")))
    mine, theirs = ask(gateway), ask(gateway, authorization=f"Bearer {OTHER_KEY}")
    assert "idempotent-replayed" not in theirs.headers
    assert mine.content != theirs.content
    assert ask(gateway).content == mine.content


def test_a_restart_forgets(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """What is remembered is in the process: after a restart the same key is a new call."""
    upstream.always(whole(openai_answer("Hello")))
    for _ in range(2):
        with running(tmp_path, **before(upstream)) as gateway:
            assert "idempotent-replayed" not in ask(gateway).headers
            assert ask(gateway).headers["idempotent-replayed"] == "true"
    assert len(upstream.requests) == 2


def test_what_is_too_large_is_given_once(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """An answer over the bound is given whole; a repeat is told so, and to use a new key."""
    upstream.always(streamed(FRAMES))
    with running(tmp_path, **before(upstream), idempotency={"answer_bytes": 300}) as gateway:
        assert ask(gateway, STREAMED).content == b"".join(FRAMES)
        again = ask(gateway, STREAMED)
        assert (again.status_code, again.json()["error"]["code"]) == (409, "idempotency_answer_not_kept")
    assert len(upstream.requests) == 1


def test_it_can_be_switched_off(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """Where the header is not heeded every call is a call; the key is not passed on either way."""
    upstream.always(whole(openai_answer("Hello")))
    with running(tmp_path, **before(upstream), idempotency={"enabled": False}) as gateway:
        assert "idempotent-replayed" not in [*ask(gateway).headers, *ask(gateway).headers]
    assert len(upstream.requests) == 2
    assert all("idempotency-key" not in request.headers for request in upstream.requests)


@pytest.mark.parametrize("stream", [False, True])
def test_the_native_route_replays_too(gateway: RunningGateway, upstream: ScriptedUpstream, stream: bool) -> None:
    """`POST /api/generate` gives the same text and usage again, under the repeat's own ID."""
    upstream.play(streamed(FRAMES) if stream else whole(openai_answer("one two three four")))
    body = {"prompt": "Hi", "model": "up/m", "stream": stream}
    answers = [ask(gateway, body, path="/api/generate") for _ in range(2)]
    assert answers[1].headers["idempotent-replayed"] == "true"
    told = [json.loads(SseParser().feed(answer.content)[-1].data) if stream else answer.json() for answer in answers]
    assert told[0]["text"] == told[1]["text"] == "one two three four"
    assert told[0]["usage"] == told[1]["usage"]
    assert told[0]["usage"]["output_tokens"]
    assert told[0]["id"] != told[1]["id"]
    assert ask(gateway, {**body, "prompt": "Ho"}, path="/api/generate").status_code == 409
    assert len(upstream.requests) == 1


def test_a_bound_may_change_while_the_server_runs(gateway: RunningGateway, upstream: ScriptedUpstream) -> None:
    """A reload takes new bounds over at once, and what they have no room for is forgotten."""
    upstream.always(whole(openai_answer("Hello")))
    ask(gateway)
    running_gateway = gateway.gateway
    assert running_gateway is not None
    assert gateway._loop is not None
    changed = gateway.settings.model_copy(
        update={"idempotency": gateway.settings.idempotency.model_copy(update={"bytes": 0})}
    )
    asyncio.run_coroutine_threadsafe(running_gateway.reload(changed), gateway._loop).result(10)
    assert "idempotent-replayed" not in ask(gateway).headers
    assert ask(gateway).status_code == 409


@pytest.mark.parametrize("body", [ASKED, STREAMED], ids=["whole", "streamed"])
def test_an_answer_in_place_of_an_error_is_not_remembered(
    upstream: ScriptedUpstream, tmp_path: Path, body: dict[str, object]
) -> None:
    """Those who wait for a call that fails share its registered answer; a later repeat tries anew."""
    failing = delayed(whole(openai_error("No."), status=500), 1.0)
    upstream.play(failing, streamed(FRAMES) if "stream" in body else whole(openai_answer("Hello")))
    with running(tmp_path, **before(upstream), answers=[{"text": "Later."}]) as gateway:
        with ThreadPoolExecutor(3) as callers:
            given = list(callers.map(lambda _number: ask(gateway, body), range(3)))
        assert {one.headers["x-narthex-fallback"] for one in given} == {"static"}
        assert all(b"Later." in one.content for one in given)
        assert sorted(one.headers.get("idempotent-replayed", "") for one in given) == ["", "true", "true"]
        assert len(upstream.requests) == 1
        assert "x-narthex-fallback" not in ask(gateway, body).headers
    assert len(upstream.requests) == 2
