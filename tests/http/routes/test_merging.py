"""Tests of several calls made one stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest

from tests.gateways import RunningGateway, running

UNDER_WAY = {"queued", "in_progress"}
FIRST, SECOND = "Ships pass at night.", "Lamps burn in the harbour."


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RunningGateway]:
    """Run a server with two models that answer at a pace."""
    providers = {
        "a": {"kind": "scripted", "script": {"models": ["x"], "reply": FIRST, "tokens_per_second": 200}},
        "b": {"kind": "scripted", "script": {"models": ["y"], "reply": SECOND, "tokens_per_second": 200}},
        "down": {"kind": "scripted", "script": {"faults": [{"fault": "fail", "status": 503}]}},
    }
    with running(tmp_path, providers=providers) as one:
        yield one


def asked(*models: str, **more: object) -> dict[str, object]:
    """Return a body with a request to each of these."""
    messages = [{"role": "user", "content": "Tell me."}]
    return {"requests": [{"model": model, "messages": messages} for model in models], **more}


def post(gateway: RunningGateway, body: object, **headers: str) -> httpx.Response:
    """Send a body to the route."""
    return httpx.post(f"{gateway.url}/v1/streams/merge", json=body, headers=headers)


def events_of(text: str) -> list[dict[str, object]]:
    """Return the events of a stream, without its closing mark."""
    assert text.endswith("data: [DONE]\n\n")
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: {")]


def text_of(events: list[dict[str, object]], index: int) -> str:
    """Return what a source says."""
    chunks = [
        cast("dict[str, list[dict[str, dict[str, str]]]]", one["event"]) for one in events if one["index"] == index
    ]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk.get("choices", ())]
    return "".join(delta.get("content") or "" for delta in deltas)


@pytest.mark.parametrize("mode", ["interleave", "sequence", "race"])
def test_events_tell_their_source(gateway: RunningGateway, mode: str) -> None:
    """Each event stands in one that names its source; the last names none, and tells what all has cost."""
    told = post(gateway, asked("a/x", "b/y", mode=mode))
    assert told.headers["content-type"].startswith("text/event-stream")
    assert told.headers["x-narthex-sources"] == "a/x, b/y"
    events = events_of(told.text)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    said = [text_of(events, 0), text_of(events, 1)]
    assert said == [FIRST, SECOND] if mode != "race" else not min(said)
    end = cast("dict[str, object]", events[-1]["event"])
    assert (events[-1]["source"], end["object"], end["merge"]) == (None, "stream.merge.end", mode)
    assert len(cast("list[object]", end["sources"])) == 2


def test_the_same_model_twice_is_told_apart(gateway: RunningGateway) -> None:
    """By the place of its request."""
    events = events_of(post(gateway, asked("a/x", "a/x")).text)
    assert text_of(events, 0) == text_of(events, 1) == FIRST


def test_a_source_that_fails_tells_why(gateway: RunningGateway) -> None:
    """Its last event is its error; the others go on."""
    events = events_of(post(gateway, asked("down/scripted", "b/y")).text)
    failed = [cast("dict[str, object]", event["event"]) for event in events if event["index"] == 0]
    assert "error" in failed[-1]
    assert text_of(events, 1) == SECOND


def test_the_best_is_streamed_alone(gateway: RunningGateway) -> None:
    """Only the chosen source says something."""
    body = asked("a/x", "b/y", mode="best_of", judge="a/x")
    events = events_of(post(gateway, body).text)
    assert len({event["index"] for event in events[:-1]}) == 1


def test_bad_bodies_are_refused(gateway: RunningGateway) -> None:
    """With the field at fault, and a remedy."""
    for body, status, word in (
        ({"requests": []}, 400, "requests"),
        (asked("a/x", "b/y", mode="best_of"), 400, "judge"),
        (asked("a/x", "nobody/z"), 404, "nobody/z"),
        (asked("a/x", ""), 400, "model"),
    ):
        told = post(gateway, body)
        assert told.status_code == status
        assert word in told.text


def test_it_is_kept_and_resumed(gateway: RunningGateway) -> None:
    """As any stream: the same request with the last ID goes on behind it."""
    body = asked("a/x", "b/y", mode="sequence")
    name = "merged-0001"
    told = post(gateway, body, **{"x-narthex-stream-id": name})
    parts = [f"{part}\n\n" for part in told.text.split("\n\n") if part]
    rest = post(gateway, body, **{"last-event-id": f"{name}:4"})
    assert rest.text == "".join(parts[4:])


def test_a_name_that_leads_to_a_merge_is_one(tmp_path: Path) -> None:
    """By an alias and by no name at all; a response in the background is found under the ID that was told."""
    providers = {name: {"kind": "scripted", "script": {"models": ["m"], "reply": FIRST}} for name in ("a", "b")}
    merges = {"duel": {"models": ["a/m", "b/m"], "mode": "sequence"}}
    with running(tmp_path, providers=providers, merges=merges, aliases={"both": "duel"}, default_model="both") as one:
        for named in ({"model": "both"}, {"model": "duel"}, {}):
            body = {**named, "messages": [{"role": "user", "content": "Tell me."}]}
            told = httpx.post(f"{one.url}/v1/chat/completions", json=body).json()
            assert told["choices"][0]["message"]["content"].count(FIRST) == 2
        explained = httpx.post(f"{one.url}/api/route", json={}).json()
        assert [member["model"] for member in explained["merge"]["members"]] == ["a/m", "b/m"]
        for mode in ("sequence", "race"):
            asking = {"model": "duel", "input": "Tell me.", "background": True}
            headers = {"x-narthex-merge": mode}
            begun = httpx.post(f"{one.url}/v1/responses", json=asking, headers=headers).json()
            while (found := httpx.get(f"{one.url}/v1/responses/{begun['id']}").json())["status"] in UNDER_WAY:
                pass
            assert (found["id"], found["status"]) == (begun["id"], "completed")
