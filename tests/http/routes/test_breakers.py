"""Breakers can be looked at and held by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.http.doors import house

CHAT = {"model": "demo/m", "messages": [{"role": "user", "content": "Hi"}]}


async def test_a_breaker_is_there_once_its_model_was_called(tmp_path: Path) -> None:
    """Each model that was asked has one, closed while all goes well."""
    async with house(tmp_path) as opened:
        assert (await opened.client.get("/api/breakers")).json() == {"object": "list", "data": []}
        await opened.client.post("/v1/chat/completions", json=CHAT)
        (breaker,) = (await opened.client.get("/api/breakers")).json()["data"]
    assert (breaker["object"], breaker["name"], breaker["state"]) == ("breaker", "demo/m", "closed")
    assert (breaker["calls"], breaker["failure_rate"]) == (1, 0.0)


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
