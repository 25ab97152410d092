"""Limits over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateways import running
from tests.http.routes.accounts import SETTINGS, Root, code

CAP: dict[str, Any] = {"name": "all", "measure": "requests", "amount": 1_000, "period": "day"}
WISH: dict[str, Any] = {
    "subject_kind": "key",
    "subject": "*",
    "measure": "cost_microusd",
    "amount": 2_500_000,
    "period": "month",
    "alert_percents": [80, 100],
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A server with one key and one limit in its configuration."""
    with running(tmp_path_factory.mktemp("limits"), **SETTINGS, caps=[CAP]) as gateway, Root(gateway) as one:
        yield one


def test_a_limit_is_made_changed_and_taken_away(root: Root) -> None:
    """Its version is its ETag, and what has changed meanwhile is not overwritten."""
    workspace_id = root.workspace()
    made = root.made("/api/limits", **WISH, workspace_id=workspace_id)
    assert (made["object"], made["amount_usd"], made["workspace_id"]) == ("limit", "2.500000", workspace_id)
    path = f"/api/limits/{made['id']}"
    assert root.client.get(path).headers["etag"].startswith('"1-')
    changed = root.client.patch(path, json={"amount": 5, "hard": False}, headers={"if-match": '"1"'})
    assert (changed.json()["amount"], changed.json()["hard"], changed.headers["etag"]) == (5, False, '"2"')
    late = root.client.patch(path, json={"amount": 6}, headers={"if-match": '"1"'})
    assert code(late) == (412, "version_conflict")
    listed = root.client.get("/api/limits", params={"workspace_id": workspace_id}).json()
    assert [one["id"] for one in listed["data"]] == [made["id"]]
    assert root.client.delete(path).json() == {"object": "limit", "id": made["id"], "deleted": True}
    assert root.client.get(path).status_code == 404


def test_what_cannot_hold_is_refused(root: Root) -> None:
    """The field at fault is named."""
    for given, param in (
        ({"amount": -1}, "amount"),
        ({"currency": "EUR"}, "currency"),
        ({"period": "fortnight"}, "period"),
        ({"period": "total", "window": "rolling"}, "window"),
        ({"burst": 5}, "burst"),
        ({"subject": "key_no"}, "subject"),
        ({"subject_kind": "tag", "subject": "red"}, "subject"),
        ({"subject_kind": "model", "subject": "gpt-[4"}, "subject"),
        ({"measure": "parallel"}, "period"),
    ):
        answer = root.client.post("/api/limits", json={**WISH, **given})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text
    assert root.client.post("/api/limits", json={**WISH, "workspace_id": "ws_no"}).status_code == 404
    assert root.client.post("/api/limits", json={**WISH, "colour": "red"}).status_code == 400


def test_how_limits_stand_is_told(root: Root) -> None:
    """Those of the configuration too, to those who run the server."""
    workspace_id = root.workspace()
    made = root.made("/api/limits", subject_kind="workspace", subject=workspace_id, measure="parallel", amount=3)
    standing = {one["limit_id"]: one for one in root.client.get("/api/limits/usage").json()["data"]}
    assert standing["cap:all"]["amount"] == 1_000
    assert standing["cap:all"]["resets_at"] is not None
    assert (standing[made["id"]]["used"], standing[made["id"]]["reserved"]) == (0, 0)
    with root.caller(workspace_id, ["limits:read"]) as client:
        seen = {one["limit_id"] for one in client.get("/api/limits/usage").json()["data"]}
        assert "cap:all" not in seen
        assert client.get("/api/alerts").json() == {"object": "list", "data": [], "has_more": False, "next": None}


def test_a_workspaces_limits_are_its_own(root: Root) -> None:
    """Another workspace's are not there; who may only read changes nothing."""
    own, other = root.workspace(), root.workspace()
    made = root.made("/api/limits", **WISH, workspace_id=own)
    path = f"/api/limits/{made['id']}"
    with root.caller(own, ["limits:read"]) as reader, root.caller(other, ["limits:read", "limits:write"]) as stranger:
        assert reader.get(path).status_code == 200
        assert [one["id"] for one in reader.get("/api/limits").json()["data"]] == [made["id"]]
        assert code(reader.patch(path, json={"amount": 1})) == (403, "permission_denied")
        assert code(reader.delete(path)) == (403, "permission_denied")
        assert stranger.get("/api/limits").json()["data"] == []
        for answer in (stranger.get(path), stranger.patch(path, json={"amount": 1}), stranger.delete(path)):
            assert answer.status_code == 404
        assert stranger.post("/api/limits", json={**WISH, "workspace_id": own}).status_code == 404


def test_limits_hold_as_soon_as_they_are_made(root: Root) -> None:
    """A call over one is refused, with which it was and how it stands; when it is taken away calls go on."""
    workspace_id = root.workspace()
    ask = {"model": "demo/m", "messages": [{"role": "user", "content": "hi"}]}
    with root.caller(workspace_id) as client:
        assert client.post("/v1/chat/completions", json=ask).status_code == 200
        made = root.made(
            "/api/limits", subject_kind="workspace", subject=workspace_id, measure="requests", amount=0, period="day"
        )
        refused = client.post("/v1/chat/completions", json=ask)
        assert code(refused) == (429, "limit_exceeded")
        assert refused.json()["error"]["limit"]["id"] == made["id"]
        assert refused.headers["x-should-retry"] == "false"
        # The call before it was made counts as well.
        change = root.client.patch(f"/api/limits/{made['id']}", json={"amount": 2})
        assert change.status_code == 200
        assert client.post("/v1/chat/completions", json=ask).status_code == 200
        again = client.post("/v1/chat/completions", json=ask)
        assert again.status_code == 429
        assert int(again.headers["retry-after"]) > 0
        assert root.client.delete(f"/api/limits/{made['id']}").status_code == 200
        assert client.post("/v1/chat/completions", json=ask).status_code == 200


def test_thresholds_that_were_passed_are_listed(root: Root) -> None:
    """In a moment, once, to those who see the limit."""
    workspace_id = root.workspace()
    made = root.made(
        "/api/limits",
        subject_kind="workspace",
        subject=workspace_id,
        workspace_id=workspace_id,
        measure="requests",
        amount=2,
        period="day",
        hard=False,
        alert_percents=[50],
    )
    ask = {"model": "demo/m", "messages": [{"role": "user", "content": "hi"}]}
    told: list[dict[str, object]] = []
    with root.caller(workspace_id, ["limits:read"]) as client:
        for _ in range(3):
            assert client.post("/v1/chat/completions", json=ask).status_code == 200
        for _ in range(400):
            told = client.get("/api/alerts").json()["data"]
            if told:
                break
            time.sleep(0.01)
    assert [(one["limit_id"], one["percent"], one["used"]) for one in told] == [(made["id"], 50, 1)]
