"""Predictions over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

import httpx
import pytest

from scripts.pages.metrics import documented
from tests.gateways import running
from tests.http.doors import Json
from tests.http.routes.accounts import SETTINGS, Root, code
from tests.proof.waiting import until

PREDICTIVE = {"enabled": True, "usd_per_s": 1_000, "least_probability": 0.25}
PRICE = {"demo/m": {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0}}
KEEPER = ["cache:read", "cache:write", "usage:read"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A server whose cache predicts."""
    given = {**SETTINGS, "prices": PRICE, "cache": {"predictive": PREDICTIVE}}
    with running(tmp_path_factory.mktemp("predicting"), **given) as gateway, Root(gateway) as one:
        yield one


def ask(client: httpx.Client, words: str) -> str:
    """Ask in a conversation, and return how it was answered."""
    body = {"model": "demo/m", "temperature": 0, "messages": [{"role": "user", "content": words}]}
    answer = client.post("/v1/chat/completions", json=body, headers={"x-narthex-conversation": "c"})
    assert answer.status_code == 200, answer.text
    return answer.headers["x-narthex-cache"]


def post(client: httpx.Client, path: str, **body: object) -> list[Json]:
    """Return the list that is told."""
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return cast("list[Json]", answer.json()["data"])


def test_what_is_likely_is_told_made_and_written_down(root: Root) -> None:
    """On the account of who asks, and as what it is; another workspace hears nothing of it."""
    with root.caller(root.workspace(), KEEPER) as mine, root.caller(root.workspace(), KEEPER) as theirs:
        for _ in range(4):
            for words in ("open", "show", "close"):
                ask(mine, words)
        ask(mine, "open")
        assert mine.post("/api/cache/clear", json={}).status_code == 200
        (first, *_) = post(mine, "/api/cache/predict", conversation="c")
        assert (first["model"], first["pays"], first["held"]) == ("demo/m", True, False)
        assert post(theirs, "/api/cache/predict", conversation="c") == []
        assert post(theirs, "/api/cache/prefetch", conversation="c") == []
        (made, *_) = post(mine, "/api/cache/prefetch", conversation="c")
        assert made == {"key": first["key"], "rung": "generation", "outcome": "made"}
        assert ask(mine, "show") == "HIT"
        told: Json = mine.get("/api/cache/insights").json()
        assert (told["enabled"], told["everything"], told["outcomes"]) == (True, False, {})
        assert [one["contexts"] for one in cast("list[Json]", told["principals"])] != []
        other: Json = theirs.get("/api/cache/insights").json()
        assert (other["principals"], other["spent_usd"]) == ([], "0")
        assert root.client.get("/api/cache/insights").json()["everything"] is True

        def written() -> bool:
            rows = mine.get("/api/usage", params={"kind": "prefetch", "by": "tag:narthex-prefetch"}).json()["data"]
            return [(row["attempts"], row["requests"]) for row in rows] == [(1, 0)]

        until(written)


def test_who_may_not_is_refused(root: Root) -> None:
    """Who reads may not have anything made; what is no such question is told."""
    with root.caller(root.workspace(), ["cache:read"]) as reader, root.caller(root.workspace()) as plain:
        assert code(reader.post("/api/cache/prefetch", json={}))[0] == 403
        assert code(plain.get("/api/cache/insights"))[0] == 403
        assert code(plain.post("/api/cache/predict", json={}))[0] == 403
        assert code(reader.post("/api/cache/predict", json={"conversation": 1}))[0] == 400


def test_every_metric_of_a_server_is_documented(root: Root) -> None:
    """What the running server renders stands on the page, whatever was asked of it before."""
    named = set[str]()

    def is_complete() -> bool:
        # The database is opened while calls are answered already.
        named.update(re.findall(r"^# TYPE (\S+) ", root.client.get("/metrics").text, re.MULTILINE))
        return {"narthex_prefetch_total", "narthex_query_cache_hits_total", "narthex_database_waiting"} <= named

    until(is_complete)
    assert named - {name for name, _, _, _ in documented()} == set()
