"""How the server is: for people, probes and Prometheus."""

from __future__ import annotations

import json
import os
import re
import resource
import sys
import time
from pathlib import Path
from typing import Never, cast

import pytest

from narthex.http.app import build_routes
from narthex.http.routes import system
from narthex.testing.acts import whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_error
from tests.gateways import KEY
from tests.http.doors import ADDRESS, DEMO, House, Json, house, visit

STATUS = "/api/system/status"
PROMPT = {"prompt": "Hi"}


async def status_of(one: House) -> Json:
    """Return the system's status."""
    response = await one.client.get(STATUS)
    assert response.status_code == 200
    return cast("Json", response.json())


# -- probes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "stopping", "status", "state"),
    [
        ("/health", False, 200, "ok"),
        ("/health", True, 200, "stopping"),
        ("/livez", True, 200, "ok"),
        ("/readyz", False, 200, "ok"),
        ("/readyz", True, 503, "stopping"),
    ],
)
async def test_the_routes_of_probes_answer_as_the_door_does(
    tmp_path: Path, path: str, stopping: bool, status: int, state: str
) -> None:
    """Without the door before them the documented routes give the probes' answers themselves."""
    async with house(tmp_path) as one:
        one.gateway.doorkeeper.stopping = stopping
        seen = await visit(build_routes(one.services), "GET", path)
        through_the_door = await one.client.get(path)
    assert (seen.status, seen.json()["status"]) == (status, state)
    assert (through_the_door.status_code, through_the_door.content) == (seen.status, seen.body)


# -- metrics -----------------------------------------------------------------------------------------------------------


async def test_metrics_are_prometheus_text(tmp_path: Path) -> None:
    """Metrics come in Prometheus's format, each family described, and calls are counted by model and outcome."""
    async with house(tmp_path) as one:
        await one.client.post("/api/generate", json=PROMPT)
        response = await one.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = response.text.splitlines()
    assert 'narthex_requests_total{operation="chat",model="demo/m",outcome="ok"} 1' in lines
    described = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    named = {re.sub(r"_(bucket|sum|count)$", "", re.split(r"[{ ]", line)[0]) for line in lines if line[0] != "#"}
    assert named <= described


async def test_metrics_need_the_key(tmp_path: Path) -> None:
    """Who has no key learns nothing of what is asked here."""
    async with house(tmp_path, keys=[{"name": "test", "key": KEY}]) as one:
        assert (await one.client.get("/metrics")).status_code == 401
        assert (await one.client.get(STATUS)).status_code == 401
        assert (await one.client.get("/metrics", headers={"x-api-key": KEY})).status_code == 200


# -- status ------------------------------------------------------------------------------------------------------------


async def test_the_status_describes_the_server(tmp_path: Path) -> None:
    """The status says what runs here, since when, and where it is reached."""
    before = time.time()
    async with house(tmp_path) as one:
        told = await status_of(one)
    assert told["object"] == "system.status"
    assert (told["version"], told["pid"]) == (one.services.version, os.getpid())
    assert (told["address"], told["data_dir"]) == (ADDRESS, str(tmp_path))
    assert (told["status"], told["auth_required"], told["default_model"]) == ("ok", False, "demo/m")
    assert before - 1 <= cast("float", told["started_at"]) <= time.time()
    assert 0 <= cast("float", told["uptime_s"]) < 60
    assert 1_000_000 < cast("int", told["memory_bytes"]) < 2**40
    assert told["embedded"] == {
        "installed": False,
        "loaded": False,
        "model": None,
        "progress": None,
        "detail": "switched off",
    }


async def test_the_status_counts_calls_and_tokens(tmp_path: Path) -> None:
    """Calls are counted when they end, failures among them, and the tokens are those that were reported."""
    async with house(tmp_path) as one:
        before = await status_of(one)
        answer = (await one.client.post("/api/generate", json=PROMPT)).json()
        await one.client.post("/api/generate", json={**PROMPT, "model": "demo/none"})
        after = await status_of(one)
    assert before["requests"] == {"active": 0, "total": 0, "failed": 0}
    assert after["requests"] == {"active": 0, "total": 2, "failed": 1}
    usage = answer["usage"]
    assert after["tokens"] == {"input": usage["input_tokens"], "output": usage["output_tokens"]}


async def test_the_status_follows_keys_and_the_stop(tmp_path: Path) -> None:
    """Whether keys are asked for, and whether the server stops, is told as it is now."""
    async with house(tmp_path, keys=[{"name": "test", "key": KEY}]) as one:
        one.client.headers["x-api-key"] = KEY
        one.gateway.doorkeeper.stopping = True
        told = await status_of(one)
    assert (told["auth_required"], told["status"]) == (True, "stopping")


async def test_the_status_tells_how_providers_are(tmp_path: Path) -> None:
    """Each provider is told with its address, its models and its health; its key is never told."""
    async with ScriptedUpstream() as upstream:
        upstream.always(whole(openai_error("no such key"), status=401))
        base_url = f"{upstream.url}/v1"
        up = {"kind": "openai", "base_url": base_url, "api_key": "sk-provider-key-never-shown", "models": ["a", "b"]}
        async with house(tmp_path, providers={"demo": DEMO, "up": up}) as one:
            await one.client.post("/api/generate", json={**PROMPT, "model": "up/a"})
            told = await status_of(one)
    demo, far = cast("list[Json]", told["providers"])
    assert (demo["name"], demo["kind"], demo["base_url"], demo["models"]) == ("demo", "scripted", None, 1)
    assert (far["name"], far["kind"], far["base_url"], far["models"]) == ("up", "openai", base_url, 2)
    well, ill = cast("Json", demo["health"]), cast("Json", far["health"])
    assert (well["status"], ill["status"]) == ("ok", "down")
    assert "api_key" in str(ill["detail"])
    assert "sk-provider-key-never-shown" not in json.dumps(told)


async def test_the_status_tells_how_keys_stand(tmp_path: Path) -> None:
    """Keys are told by opaque IDs, their state and their last characters."""
    refused = whole(openai_error("no", code="invalid_api_key"), status=401)
    limited = whole(openai_error("no", code="rate_limit_exceeded"), status=429, headers={"retry-after": "50"})
    async with ScriptedUpstream() as upstream:
        upstream.play(refused, limited)
        shared = {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["a"]}
        many = {**shared, "api_key": "sk-never-shown-1", "api_keys": ["sk-never-shown-2", "sk-never-shown-3"]}
        providers = {"many": many, "one": {**shared, "api_keys": ["sk-never-shown-4"]}}
        async with house(tmp_path, providers=providers) as one:
            for model in ("many/a", "one/a"):
                reply = await one.client.post("/api/generate", json={**PROMPT, "model": model})
                assert reply.status_code == 200
            told = await status_of(one)
        shown = [request.headers["authorization"].rpartition("-")[2] for request in upstream.requests]
    many_keys, one_keys = (cast("list[Json]", each["keys"]) for each in cast("list[Json]", told["providers"]))
    assert shown == ["1", "2", "3", "4"]
    assert [(key["id"], key["state"]) for key in many_keys] == [
        ("key-1", "retired"), ("key-2", "cooling"), ("key-3", "usable"),
    ]  # fmt: skip
    assert 0 < cast("float", many_keys[1]["usable_in_s"]) <= 50
    assert many_keys[2]["usable_in_s"] == 0
    assert [(key["id"], key["state"], key["ends"]) for key in one_keys] == [("key-1", "usable", "wn-4")]
    assert "never-shown" not in json.dumps(told)


@pytest.mark.parametrize(("platform", "factor"), [("darwin", 1), ("linux", 1024)])
async def test_memory_is_told_where_the_system_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, factor: int
) -> None:
    """Without `/proc` the most that the process ever used is told, in bytes, whatever unit the system counts in."""

    def unreadable(path: str) -> Never:
        raise FileNotFoundError(path)

    monkeypatch.setattr(system, "Path", unreadable)
    monkeypatch.setattr(sys, "platform", platform)
    async with house(tmp_path) as one:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        told = cast("int", (await status_of(one))["memory_bytes"])
    assert peak * factor <= told <= 2 * peak * factor
