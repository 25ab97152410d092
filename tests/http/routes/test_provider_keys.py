"""The keys shown to providers can be looked at, taken out of service and brought back; none is ever told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from narthex.testing.acts import whole
from narthex.testing.upstream import ScriptedUpstream
from narthex.testing.wires import openai_error
from tests.http.doors import DEMO, House, house

KEYS = ["sk-never-shown-0001", "sk-never-shown-0002"]
CHAT = {"model": "two/gpt-test", "messages": [{"role": "user", "content": "Hi"}]}


@asynccontextmanager
async def keyed(data_dir: Path) -> AsyncIterator[tuple[House, ScriptedUpstream]]:
    """Serve a provider with two keys, one with one, and one that takes none."""
    async with ScriptedUpstream() as upstream:
        far = {"kind": "openai", "base_url": f"{upstream.url}/v1", "models": ["gpt-test"]}
        providers = {"demo": DEMO, "two": {**far, "api_keys": KEYS}, "one": {**far, "api_key": KEYS[0]}}
        async with house(data_dir, providers=providers) as opened:
            yield opened, upstream


async def test_keys_are_listed_without_the_key(tmp_path: Path) -> None:
    """Each key of each provider has its place, its state and its last characters."""
    async with keyed(tmp_path) as (opened, _):
        answer = (await opened.client.get("/api/provider-keys")).json()
    assert answer["object"] == "list"
    assert [(key["provider"], key["id"], key["state"], key["ends"]) for key in answer["data"]] == [
        ("two", "key-1", "usable", "0001"),
        ("two", "key-2", "usable", "0002"),
        ("one", "key-1", "usable", "0001"),
    ]
    assert "never-shown" not in json.dumps(answer)


async def test_a_key_is_taken_out_of_service_and_back(tmp_path: Path) -> None:
    """Retired by hand, a key is shown to nobody; without any key the caller hears why, and who mends it."""
    async with keyed(tmp_path) as (opened, upstream):

        async def hold(path: str, state: str) -> dict[str, object]:
            answer = await opened.client.put(f"/api/provider-keys/{path}", json={"state": state})
            assert answer.status_code == 200
            return dict(answer.json())

        held = await hold("two/key-1", "retired")
        assert (held["object"], held["state"], held["by_hand"], held["usable_in_s"]) == (
            *("provider_key", "retired", True),
            None,
        )
        for _ in range(3):
            assert (await opened.client.post("/v1/chat/completions", json=CHAT)).status_code == 200
        assert {request.headers["authorization"] for request in upstream.requests} == {f"Bearer {KEYS[1]}"}
        await hold("two/key-2", "retired")
        refused = await opened.client.post("/v1/chat/completions", json=CHAT)
        assert (refused.status_code, refused.json()["error"]["code"]) == (502, "provider_authentication")
        assert "PUT /api/provider-keys/two" in refused.json()["error"]["message"]
        assert 'narthex_provider_keys{provider="two",state="retired"} 2' in (await opened.client.get("/metrics")).text
        assert (await hold("two/key-1", "usable"))["state"] == "usable"
        assert (await opened.client.post("/v1/chat/completions", json=CHAT)).status_code == 200


async def test_the_only_key_of_a_provider_stays_in_use(tmp_path: Path) -> None:
    """Refused, it is shown with what was said of it, and tried again until the breaker leaves the provider alone."""
    async with keyed(tmp_path) as (opened, upstream):
        upstream.play(whole(openai_error("Wrong key.", code="invalid_api_key"), status=401))
        assert (await opened.client.post("/v1/chat/completions", json={**CHAT, "model": "one/gpt-test"})).is_error
        listed = (await opened.client.get("/api/provider-keys")).json()["data"]
        assert [(key["state"], key["reason"]) for key in listed if key["provider"] == "one"] == [
            ("usable", "authentication")
        ]
        assert (await opened.client.post("/v1/chat/completions", json={**CHAT, "model": "one/gpt-test"})).is_success


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("two/key-1", b'{"state": "cooling"}', 400, "state"),
        ("two/key-1", b"{}", 400, "state"),
        ("two/key-1", b"\xff", 400, "state"),
        ("two/key-9", b'{"state": "retired"}', 404, "key"),
        ("demo/key-1", b'{"state": "retired"}', 404, "key"),
        ("nobody/key-1", b'{"state": "retired"}', 404, "provider"),
    ],
)
async def test_bad_wishes_are_told(tmp_path: Path, path: str, body: bytes, status: int, param: str) -> None:
    """What cannot be done is named with what could be, and changes nothing."""
    async with keyed(tmp_path) as (opened, _):
        answer = await opened.client.put(f"/api/provider-keys/{path}", content=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
        listed = (await opened.client.get("/api/provider-keys")).json()["data"]
        assert {key["state"] for key in listed} == {"usable"}
