"""Usage, forecasts, entries and exports over HTTP."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TypedDict

import httpx
import pytest

from tests.gateways import running
from tests.http.routes.accounts import SETTINGS, Root, code
from tests.proof.waiting import until

PRICE = {"demo/m": {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0}}
CALL = {"model": "demo/m", "messages": [{"role": "user", "content": "x"}], "user": "=1+1"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A server whose model has a price."""
    settings = {**SETTINGS, "prices": PRICE}
    with running(tmp_path_factory.mktemp("usage"), **settings) as gateway, Root(gateway) as one:
        yield one


@contextmanager
def called(root: Root, workspace: str, calls: int = 1, **headers: str) -> Iterator[httpx.Client]:
    """Give a client with a key of a workspace that may see its ledger, after calls of it that are written down."""
    with root.caller(workspace, ["usage:read", "ledger:read"]) as client:
        for _ in range(calls):
            assert client.post("/v1/chat/completions", json=CALL, headers=headers).status_code == 200
        until(lambda: entries(client, limit=100) == calls)
        yield client


def entries(client: httpx.Client, **query: object) -> int:
    """Return how many entries a client is told."""
    return len(told(client, "/api/ledger/entries", **query)["data"])


class Row(TypedDict):
    """What is told of a sum or an entry, as far as it is looked at here."""

    id: str
    by: dict[str, str]
    start_at: int
    requests: int
    attempts: int
    input_tokens: int
    output_tokens: int
    cost_usd: str
    provider_cache_saved_usd: str


class Told(TypedDict):
    """What is told of a list."""

    data: list[Row]
    total: Row
    next: str | None
    has_more: bool


def told(client: httpx.Client, path: str, **query: object) -> Told:
    """Return what is answered."""
    answer = client.get(path, params=query)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    body: Told = answer.json()
    return body


def test_sums_are_those_of_the_calls(root: Root) -> None:
    """By model and day, with what they cost to the last picodollar."""
    with called(root, root.workspace(), calls=3, **{"x-narthex-tags": "team=a"}) as client:
        body = told(client, "/api/usage", by="model,tag:team", period="day")
        (row,) = body["data"]
        cost = Decimal(row["cost_usd"])
        assert (row["by"], row["requests"], row["attempts"]) == ({"model": "demo/m", "tag:team": "a"}, 3, 3)
        assert cost == (row["input_tokens"] + 2 * row["output_tokens"]) / Decimal(10**6) > 0
        assert row["start_at"] <= time.time() < row["start_at"] + 86_400
        assert body["total"]["cost_usd"] == row["cost_usd"]
        assert row["provider_cache_saved_usd"] == body["total"]["provider_cache_saved_usd"] == "0"
        assert told(client, "/api/usage", by="provider", provider="other")["data"] == []
        listed = told(client, "/api/ledger/entries", limit=100)["data"]
        assert sum(Decimal(one["cost_usd"]) for one in listed) == cost


def test_pages_follow_each_other(root: Root) -> None:
    """Of sums and of entries."""
    with called(root, root.workspace(), calls=5) as client:
        for path, query in (("/api/usage", {"by": "request"}), ("/api/ledger/entries", {})):
            seen: list[str] = []
            after: str | None = None
            while True:
                more = {} if after is None else {"after": after}
                body = told(client, path, limit=2, to=time.time_ns() // 10**9 + 60, **query, **more)
                seen += [one["id"] if path.endswith("entries") else one["by"]["request"] for one in body["data"]]
                after = body["next"]
                if not body["has_more"]:
                    break
            assert len(seen) == len(set(seen)) == 5


def test_who_sees_what(root: Root) -> None:
    """A key its own workspace; an owner all of the organisation; whoever runs the server everything; nobody others'."""
    organisation = root.organisation()
    one, other = root.workspace(organisation), root.workspace(organisation)
    with called(root, one) as client, called(root, other, calls=2) as second:
        assert told(client, "/api/usage")["total"]["requests"] == 1
        assert told(client, "/api/usage", organisation_id=organisation)["total"]["requests"] == 1
        assert told(second, "/api/usage")["total"]["requests"] == 2
        assert told(root.client, "/api/usage", organisation_id=organisation)["total"]["requests"] == 3
        by = told(root.client, "/api/usage", organisation_id=organisation, by="workspace")["data"]
        assert {row["by"]["workspace"]: row["requests"] for row in by} == {one: 1, other: 2}
        for path in ("/api/usage", "/api/usage/forecast", "/api/usage/export", "/api/ledger/entries"):
            assert code(client.get(path, params={"workspace_id": other}))[0] == 404
            assert code(client.get(path, params={"organisation_id": "org_default"}))[0] == 404
            assert code(client.get(path, params={"organisation_id": "org_none"}))[0] == 404
    with root.caller(one) as plain:
        assert code(plain.get("/api/usage"))[0] == 403
    with root.caller(one, ["usage:read"]) as reader:
        assert reader.get("/api/usage").status_code == 200
        assert code(reader.get("/api/ledger/entries"))[0] == 403
        assert code(reader.get("/api/usage/export", params={"what": "entries"}))[0] == 403


def test_exports_are_files(root: Root) -> None:
    """With a name, of the kind that was asked for, and no formula in them."""
    with called(root, root.workspace(), calls=2) as client:
        answer = client.get("/api/usage/export", params={"what": "entries"})
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["content-disposition"] == 'attachment; filename="narthex-entries.csv"'
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [row["end_user"] for row in rows] == ["'=1+1", "'=1+1"]
        focus = client.get("/api/usage/export", params={"what": "focus", "format": "json"}).json()
        assert Decimal(focus[0]["BilledCost"]) == sum(Decimal(row["cost_usd"]) for row in rows)
        assert client.get("/api/usage/export", params={"format": "parquet"}).content[:4] == b"PAR1"


def test_a_forecast_is_marked_as_one(root: Root) -> None:
    """With its method, and without an interval where little is known."""
    with called(root, root.workspace()) as client:
        body = client.get("/api/usage/forecast", params={"period": "week"}).json()
    assert (body["estimate"], body["method"], body["low_usd"], body["level"]) == (True, "rate", None, None)
    assert Decimal(body["expected_usd"]) >= Decimal(body["spent_usd"]) > 0


@pytest.mark.parametrize(
    ("path", "query", "param"),
    [
        ("/api/usage", {"by": "modle"}, "by"),
        ("/api/usage", {"by": ""}, "by"),
        ("/api/usage", {"period": "year"}, "period"),
        ("/api/usage", {"from": "soon"}, "from"),
        ("/api/usage", {"from": "2026-02-01", "to": "2026-01-01"}, "from"),
        ("/api/usage", {"limit": "0"}, "limit"),
        ("/api/usage", {"after": "x"}, "after"),
        ("/api/usage/forecast", {"period": "hour"}, "period"),
        ("/api/usage/export", {"what": "prompts"}, "what"),
        ("/api/usage/export", {"format": "xlsx"}, "format"),
    ],
)
def test_what_cannot_be_asked_is_told(root: Root, path: str, query: dict[str, str], param: str) -> None:
    """With the name of the parameter."""
    answer = root.client.get(path, params=query)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param
