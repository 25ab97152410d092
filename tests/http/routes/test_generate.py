"""The native generation route: whole and streamed, in each form, and what it says when there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from narthex.http.app import build_app
from narthex.testing.acts import Stall, cut_after, streamed, whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import anthropic_answer, openai_error, openai_frames
from narthex.wire.sse import SseParser
from tests.gateways import KEY
from tests.http.doors import Json, Left, Seen, house, visit

GENERATE = "/api/generate"
SCRIPT: Json = {
    "models": ["m"],
    "reply": "You said: {prompt}",
    "replies": [
        {"when": "as json", "reply": 'Sure: {"a": [1, 2,]}'},
        {"when": "as xml", "reply": "<answer><b>1 & 2</b></answer>"},
        {"when": "nonsense", "reply": "no such thing"},
    ],
}
PROVIDERS: Json = {"demo": {"kind": "scripted", "script": SCRIPT}}


def events_in(body: bytes) -> list[tuple[str, Json]]:
    """Return the events of a stream by name."""
    return [(event.event or "", json.loads(event.data)) for event in SseParser().feed(body)]


def openai_at(upstream: ScriptedUpstream) -> Json:
    """Return the settings of a house before this upstream."""
    return {
        "providers": {"up": {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["m"]}},
        "default_model": "up/m",
    }


# -- whole -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "output", "repaired"),
    [
        ({"prompt": "Hi"}, "You said: Hi", False),
        ({"prompt": "as json", "format": "json"}, {"a": [1, 2]}, True),
        ({"prompt": "as xml", "format": "xml", "root": "answer"}, "<answer><b>1 &amp; 2</b></answer>", True),
    ],
    ids=["text", "json", "xml"],
)
async def test_a_whole_answer(tmp_path: Path, asked: Json, output: object, repaired: bool) -> None:
    """A prompt is answered in the form asked for; what had to be repaired is marked, and the text stays as written."""
    async with house(tmp_path, providers=PROVIDERS) as one:
        response = await one.client.post(GENERATE, json=asked)
    told = response.json()
    assert response.status_code == 200
    assert (told["output"], told["repaired"], told["format"]) == (output, repaired, asked.get("format", "text"))
    assert (told["text"] == told["output"]) is not repaired
    assert told["id"] == response.headers["x-request-id"]
    assert told["model"] == response.headers["x-narthex-model"] == "demo/m"
    assert (told["finish_reason"], told["usage"]["estimated"]) == ("stop", False)
    assert "x-narthex-usage" not in response.headers


async def test_usage_counted_here_is_called_an_estimate(tmp_path: Path) -> None:
    """Where the provider tells no usage the answer says so, in its body and in its headers."""
    async with house(tmp_path, providers={"demo": {"kind": "scripted", "script": {**SCRIPT, "usage": False}}}) as one:
        response = await one.client.post(GENERATE, json={"prompt": "Hi"})
    assert response.json()["usage"]["estimated"] is True
    assert response.headers["x-narthex-usage"] == "estimated"


async def test_what_the_model_cannot_take_is_named(tmp_path: Path) -> None:
    """Settings that the provider's wire cannot carry are left out and named."""
    async with ScriptedUpstream() as upstream:
        upstream.play(whole(anthropic_answer("Hello")))
        providers = {"ant": {"kind": "anthropic", "base_url": upstream.url, "models": ["c"]}}
        async with house(tmp_path, providers=providers, default_model="ant/c") as one:
            response = await one.client.post(GENERATE, json={"prompt": "Hi", "seed": 7})
    assert response.json()["text"] == "Hello"
    assert response.headers["x-narthex-dropped"] == "seed"
    assert "seed" not in upstream.requests[-1].json()


async def test_the_call_is_the_callers(tmp_path: Path) -> None:
    """The call is logged under the answer's ID, on the account of the key that was presented."""
    async with house(tmp_path, providers=PROVIDERS, keys=[{"name": "test", "key": KEY}]) as one:
        response = await one.client.post(GENERATE, json={"prompt": "Hi"}, headers={"x-api-key": KEY})
    (line,) = one.logged()
    assert (line["request_id"], line["key"]) == (response.json()["id"], "test")


# -- streamed ----------------------------------------------------------------------------------------------------------


async def test_a_streamed_answer(tmp_path: Path) -> None:
    """Pieces come as `delta`, and the whole object comes as `done` at the end, with the text that they make."""
    async with house(tmp_path, providers=PROVIDERS) as one:
        response = await one.client.post(GENERATE, json={"prompt": "Hi there", "stream": True})
    events = events_in(response.content)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store, no-transform"
    assert [name for name, _ in events] == ["delta"] * (len(events) - 1) + ["done"]
    done = events[-1][1]
    assert "".join(str(delta["text"]) for _, delta in events[:-1]) == done["text"] == "You said: Hi there"
    assert done["id"] == response.headers["x-request-id"]
    assert done["model"] == response.headers["x-narthex-model"]


async def test_a_broken_stream_ends_in_an_error(tmp_path: Path) -> None:
    """A stream that the provider cuts ends in `error` with the header's ID, and `done` never comes."""
    async with ScriptedUpstream() as upstream:
        upstream.play(cut_after(streamed(openai_frames("one two three")), sends=3))
        async with house(tmp_path, **openai_at(upstream)) as one:
            response = await one.client.post(GENERATE, json={"prompt": "Hi", "stream": True})
    events = events_in(response.content)
    assert [name for name, _ in events] == ["delta"] * (len(events) - 1) + ["error"]
    error = events[-1][1]["error"]
    assert isinstance(error, dict)
    assert error["code"] == "provider_truncated_answer"
    assert error["request_id"] == response.headers["x-request-id"]


async def test_a_client_that_leaves_ends_the_call(tmp_path: Path) -> None:
    """When the client leaves in the middle of a stream the provider's call is ended."""

    async def leave(seen: Seen) -> None:
        if b"one" in seen.body:
            raise Left

    async with ScriptedUpstream() as upstream:
        upstream.play((*streamed(openai_frames("one two")[:3], ended=False), Stall()))
        async with house(tmp_path, **openai_at(upstream)) as one:
            body = b'{"prompt": "Hi", "stream": true}'
            seen = await visit(build_app(one.services), "POST", GENERATE, body=[body], watch=leave)
            await upstream.disconnected()
    assert not seen.complete
    assert [line["code"] for line in one.logged()] == ["cancelled"]


# -- no answer ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b'{"prompt": 7}', "prompt"),
        (b'{"prompt": "x", "temperature": 3}', "temperature"),
        (b'{"prompt": "x", "schema": {}}', "schema"),
        (b'{"prompt": "x", "format": "json", "schema": {"type": 7}}', "schema"),
        (b'{"prompt": "x", "format": "xml", "root": "no name"}', "root"),
    ],
)
async def test_what_is_no_request_is_refused(tmp_path: Path, body: bytes, param: str | None) -> None:
    """A body that is not a request is a 400 that names the field, and no model is asked."""
    async with house(tmp_path, providers=PROVIDERS) as one:
        response = await one.client.post(GENERATE, content=body)
        assert one.gateway.metrics.total == 0
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, "invalid_request", param)


@pytest.mark.parametrize("form", ["json", "xml"])
async def test_an_answer_without_its_form_is_an_error(tmp_path: Path, form: str) -> None:
    """What is not the form asked for is never passed off as it; the error has the ID that the log has."""
    async with house(tmp_path, providers=PROVIDERS) as one:
        response = await one.client.post(GENERATE, json={"prompt": "nonsense", "format": form})
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (502, "unformed_answer")
    assert error["request_id"] == response.headers["x-request-id"] == one.logged()[0]["request_id"]


async def test_a_stream_without_its_form_ends_in_an_error(tmp_path: Path) -> None:
    """Streamed, the text is told as it comes, and the end is an error instead of `done`."""
    async with house(tmp_path, providers=PROVIDERS) as one:
        asked = {"prompt": "nonsense", "format": "json", "stream": True}
        events = events_in((await one.client.post(GENERATE, json=asked)).content)
    assert events[-1][0] == "error"
    assert "done" not in dict(events)


async def test_a_failing_provider_is_told(tmp_path: Path) -> None:
    """What the provider fails with before its first word is the answer's status, with the time to try again."""
    async with ScriptedUpstream() as upstream:
        upstream.always(whole(openai_error("slow down"), status=429, headers={"retry-after": "7"}))
        async with house(tmp_path, **openai_at(upstream)) as one:
            for stream in (False, True):
                response = await one.client.post(GENERATE, json={"prompt": "Hi", "stream": stream})
                assert (response.status_code, response.headers["retry-after"]) == (429, "7")
                assert response.json()["error"]["type"] == "rate_limit_error"


async def test_a_client_that_leaves_before_it_has_asked_asks_nothing(tmp_path: Path) -> None:
    """A request whose client leaves before its end never reaches a model."""
    async with house(tmp_path, providers=PROVIDERS) as one:
        seen = await visit(build_app(one.services), "POST", GENERATE, body=[])
        assert one.gateway.metrics.total == 0
    assert seen.status == 408
