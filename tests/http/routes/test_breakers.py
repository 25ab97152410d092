"""Breakers can be looked at and held by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.http.doors import house

CHAT = {"model": "demo/m", "messages": [{"role": "user", "content": "Hi"}]}


async def test_a_breaker_is_there_once_its_model_was_called(tmp_path: Path) -> None:
    """Each model that was asked has one, and so has its provider; both are closed while all goes well."""
    async with house(tmp_path) as opened:
        assert (await opened.client.get("/api/breakers")).json() == {"object": "list", "data": []}
        await opened.client.post("/v1/chat/completions", json=CHAT)
        provider, model = (await opened.client.get("/api/breakers")).json()["data"]
    assert (provider["object"], provider["name"], provider["scope"]) == ("breaker", "demo", "provider")
    assert (model["object"], model["name"], model["scope"]) == ("breaker", "demo/m", "model")
    for breaker in (provider, model):
        assert (breaker["state"], breaker["calls"], breaker["failure_rate"]) == ("closed", 1, 0.0)


async def test_a_model_is_taken_out_of_service_and_back(tmp_path: Path) -> None:
    """Held open, a model is answered for with 503 and the reason; set free, it serves again."""
    async with house(tmp_path) as opened:
        held = await opened.client.put("/api/breakers/demo/m", json={"state": "forced_open"})
        assert held.json()["state"] == "forced_open"
        refused = await opened.client.post("/v1/chat/completions", json=CHAT)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "provider_overloaded")
        assert refused.headers["x-narthex-attempts"] == "demo/m first overloaded"
        free = await opened.client.put("/api/breakers/demo/m", json={"state": None})
        assert free.json()["state"] == "closed"
        assert (await opened.client.post("/v1/chat/completions", json=CHAT)).status_code == 200


async def test_a_provider_is_taken_out_of_service_with_all_its_models(tmp_path: Path) -> None:
    """Held open, a provider is asked for none of its models, and the caller hears which of the two it was."""
    async with house(tmp_path) as opened:
        held = await opened.client.put("/api/breakers/demo", json={"state": "forced_open"})
        assert (held.json()["name"], held.json()["scope"], held.json()["state"]) == ("demo", "provider", "forced_open")
        refused = await opened.client.post("/v1/chat/completions", json=CHAT)
        assert refused.status_code == 503
        assert refused.json()["error"]["message"].startswith("demo was taken out of service")
        metrics = (await opened.client.get("/metrics")).text
        assert 'narthex_breaker_state{breaker="demo"} 3' in metrics
        await opened.client.put("/api/breakers/demo", json={"state": None})
        assert (await opened.client.post("/v1/chat/completions", json=CHAT)).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("demo/m", b'{"state": "open"}', 400, "state"),
        ("demo/m", b"{}", 400, "state"),
        ("demo/m", b"\xff", 400, "state"),
        ("demo/m", b'{"state": null, "more": 1}', 400, "state"),
        ("nobody/m", b'{"state": null}', 404, "name"),
    ],
)
async def test_bad_wishes_are_told(tmp_path: Path, path: str, body: bytes, status: int, param: str) -> None:
    """What cannot be done is named with its remedy, and changes nothing."""
    async with house(tmp_path) as opened:
        answer = await opened.client.put(f"/api/breakers/{path}", content=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
        assert (await opened.client.get("/api/breakers")).json()["data"] == []
