"""Limits and shedding can be looked at."""

from __future__ import annotations

from pathlib import Path

from tests.http.doors import house

CHAT = {"model": "demo/m", "messages": [{"role": "user", "content": "Hi"}]}


async def test_a_limit_is_there_once_its_model_was_called(tmp_path: Path) -> None:
    """Each model that was asked is listed with its limit, and the state of the door beside them."""
    async with house(tmp_path, limits={"maximum": 3}) as opened:
        assert (await opened.client.get("/api/concurrency")).json() == {
            "object": "list",
            "data": [],
            "shedding": {
                "takes": ["low", "normal", "high"],
                "lag_s": 0.0,
                "active": 0,
                "max_active": 5_000,
                "refused": [],
            },
            "allowances": [],
        }
        await opened.client.post("/v1/chat/completions", json=CHAT)
        (limit,) = (await opened.client.get("/api/concurrency")).json()["data"]
    assert limit == {
        "object": "concurrency",
        "name": "demo/m",
        "limit": 3,
        "learned": False,
        "in_flight": 0,
        "waiting": 0,
        "refused": 0,
        "crowded": 0,
    }
