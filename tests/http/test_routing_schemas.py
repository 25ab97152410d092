"""The schemas of breakers, held against what the API answers and takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema_rs import Draft202012Validator

from narthex.http.routing_schemas import ROUTING
from narthex.http.schemas import ref
from tests.http.doors import house


def fits(name: str, value: object) -> bool:
    """Return whether a value is as the document says."""
    return Draft202012Validator({**ref(name), "components": {"schemas": dict(ROUTING)}}).is_valid(value)


async def test_what_is_answered_is_what_is_documented(tmp_path: Path) -> None:
    """A breaker that is held, and the list of all, are as described, with no field more or less."""
    async with house(tmp_path) as opened:
        held = (await opened.client.put("/api/breakers/demo/m", json={"state": "forced_open"})).json()
        listed = (await opened.client.get("/api/breakers")).json()
    assert fits("Breaker", held)
    assert fits("Breakers", listed)
    assert not fits("Breaker", {**held, "more": 1})
    assert not fits("Breaker", {key: value for key, value in held.items() if key != "cause"})


@pytest.mark.parametrize(
    ("wish", "good"),
    [({"state": None}, True), ({"state": "forced_open"}, True), ({"state": "open"}, False), ({}, False)],
)
async def test_what_is_taken_is_what_is_documented(tmp_path: Path, wish: object, good: bool) -> None:
    """The route takes just what the document allows."""
    assert fits("BreakerWish", wish) is good
    async with house(tmp_path) as opened:
        answer = await opened.client.put("/api/breakers/demo/m", json=wish)
    assert (answer.status_code == 200) is good
