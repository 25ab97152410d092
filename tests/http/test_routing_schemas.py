"""The schemas of breakers and decisions, held against what the API answers and takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema_rs import Draft202012Validator

from narthex.http.routing_schemas import ROUTING
from narthex.http.schemas import SCHEMAS, ref
from tests.http.doors import house


def fits(name: str, value: object) -> bool:
    """Return whether a value is as the document says."""
    return Draft202012Validator({**ref(name), "components": {"schemas": {**SCHEMAS, **ROUTING}}}).is_valid(value)


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


async def test_explanations_are_as_documented(tmp_path: Path) -> None:
    """With a rule, a virtual model and members that are gone, no field is more or less than described."""
    members = ["demo/m", "demo/gone", {"model": "demo/old", "draining": True}]
    rules = [
        {"name": "batch", "when": {"tags": ["batch"], "percentage": 50}, "use": "demo/m"},
        {"name": "all", "use": "quick"},
    ]
    question = {"tags": ["night"], "at": "2026-03-04T12:00:00Z", "request": None, "modalities": ["image"]}
    async with house(tmp_path, virtual={"quick": {"members": members}}, rules=rules) as opened:
        told = (await opened.client.post("/api/route", json=question)).json()
        plain = (await opened.client.post("/api/route", json={})).json()
    assert fits("RouteQuestion", question)
    for explained in (told, plain):
        assert fits("RouteExplanation", explained)
        assert not fits("RouteExplanation", {**explained, "more": 1})
        assert not fits("RouteExplanation", {name: explained[name] for name in explained if name != "rules"})


@pytest.mark.parametrize(
    "question", [{"tags": ["a,b"]}, {"tags": [""]}, {"at": "1066-10-14T09:00:00Z"}, {"more": 1}, {"input_tokens": -1}]
)
async def test_questions_that_are_refused_are_not_documented(tmp_path: Path, question: dict[str, object]) -> None:
    """The document allows no more than the route takes."""
    assert not fits("RouteQuestion", question)
    async with house(tmp_path) as opened:
        assert (await opened.client.post("/api/route", json=question)).status_code == 400
