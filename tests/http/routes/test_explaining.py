"""Decisions are explained by the route, for whom asks."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.gateways import KEY
from tests.http.doors import house

CHAT = {"model": "demo/m", "messages": [{"role": "user", "content": "Hi"}]}
RULES = [{"name": "ours", "when": {"callers": ["app"]}, "use": "demo/m"}]


async def test_an_explanation_says_what_the_header_says(tmp_path: Path) -> None:
    """The call goes as it was told, under the key that asked."""
    keys = [{"name": "app", "key": KEY}, {"name": "other", "key": KEY[::-1]}]
    async with house(tmp_path, keys=keys, rules=RULES) as opened:
        for key, header in ((KEY, "rule=ours; to=demo/m"), (KEY[::-1], "to=demo/m")):
            authorization = {"authorization": f"Bearer {key}"}
            told = (await opened.client.post("/api/route", json={"request": CHAT}, headers=authorization)).json()
            called = await opened.client.post("/v1/chat/completions", json=CHAT, headers=authorization)
            assert told["header"] == called.headers["x-narthex-route"] == header
            assert told["model"] == called.headers["x-narthex-model"] == "demo/m"
        assert (await opened.client.post("/api/route", json={})).status_code == 401


@pytest.mark.parametrize(
    ("body", "param"), [(b"{", None), (b'{"at": "soon"}', "at"), (b'{"request": {"model": 1}}', "model")]
)
async def test_bad_questions_are_told(tmp_path: Path, body: bytes, param: str | None) -> None:
    """Our error body names the field."""
    async with house(tmp_path) as opened:
        answer: httpx.Response = await opened.client.post("/api/route", content=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_new_rules_are_explained_at_once(tmp_path: Path) -> None:
    """After a reload the explanation is that of the new configuration."""
    async with house(tmp_path) as opened:
        assert (await opened.client.post("/api/route", json={})).json()["rule"] is None
        settings = opened.gateway.settings
        changed = settings.model_validate({**settings.model_dump(), "rules": [{"name": "all", "use": "demo/m"}]})
        await opened.gateway.reload(changed)
        assert (await opened.client.post("/api/route", json={})).json()["rule"] == "all"
