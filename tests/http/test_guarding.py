"""Every route is held to its permission."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.gateways import KEY, running
from tests.http.doors import Json, house
from tests.http.routes.accounts import SETTINGS, Root, code, flushed
from tests.tenancy.towns import WrittenDown

CALL = {"messages": [{"role": "user", "content": "x"}]}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A server with one key in its configuration."""
    with running(tmp_path_factory.mktemp("guarding"), **SETTINGS) as gateway, Root(gateway) as one:
        yield one


def test_what_all_share_is_for_who_runs_the_server(root: Root) -> None:
    """A virtual key sees neither breakers nor metrics nor providers' keys, and changes nothing of them."""
    with root.caller(root.workspace(), ["settings:read", "settings:write", "secrets:read", "secrets:write"]) as client:
        for path in ("/metrics", "/api/breakers", "/api/concurrency", "/api/provider-keys", "/api/system/status"):
            assert code(client.get(path)) == (403, "permission_denied"), path
            assert root.client.get(path).status_code == 200, path
        assert client.put("/api/breakers/demo", json={"state": "forced_open"}).status_code == 403


def test_models_are_open_to_every_key(root: Root) -> None:
    """A virtual key lists and calls them, without any permission beyond."""
    with root.caller(root.workspace()) as client:
        assert client.get("/v1/models").status_code == 200
        assert client.get("/api/models").status_code == 200
        assert client.post("/api/generate", json={"prompt": "x"}).status_code == 200


def test_what_is_not_there_is_told_like_what_is_not_theirs(root: Root) -> None:
    """Nobody learns from an answer whether another's thing exists."""
    key = root.key(root.workspace())["id"]
    with root.caller(root.workspace(), ["keys:read", "keys:write"]) as client:
        theirs = client.get(f"/api/keys/{key}")
        nobodys = client.get("/api/keys/key_aaaaaaaaaaaaaaaa")
        assert code(theirs) == code(nobodys) == (404, "not_found")
        assert theirs.json()["error"]["message"] == nobodys.json()["error"]["message"]


def denials_in(root: Root, workspace_id: str) -> list[Json]:
    """Return what the audit log has of denials in a workspace."""
    flushed(root)
    asked = {"action": "permission.denied", "workspace_id": workspace_id, "outcome": "denied"}
    return list(root.client.get("/api/audit", params=asked).json()["data"])


def test_every_denial_is_written_down(root: Root) -> None:
    """Above the role, out of the scopes of a key, and what is another's: who, what, and where they belong."""
    where, theirs = root.workspace(), str(root.key(root.workspace())["id"])
    settings = {"models": ["demo/*"], "addresses": ["192.0.2.0/24"]}
    made = [root.key(where, ["keys:read"], scopes={"models": ["no/*"]}), root.key(where, scopes=settings)]
    with root.with_key(str(made[0]["key"])) as client:
        assert client.post("/v1/chat/completions", json={"messages": []}).status_code in {400, 403}
        assert client.post("/v1/chat/completions", json=CALL).status_code == 403
        assert client.post("/v1/chat/completions", json=CALL, headers={"origin": "http://x"}).status_code == 403
        assert client.get("/api/breakers").status_code == 403
        assert client.post("/api/keys", json={"name": "k", "workspace_id": where}).status_code == 403
        assert client.get(f"/api/keys/{theirs}").status_code == 404
        assert client.get("/api/keys/key_aaaaaaaaaaaaaaaa").status_code == 404
    with root.with_key(str(made[1]["key"])) as client:
        assert {client.post("/v1/chat/completions", json=CALL).status_code for _ in range(3)} == {403}
    found = denials_in(root, where)
    told = {(one["actor"], one["target"], *cast("Json", one["details"]).values()) for one in found}
    first, second = str(made[0]["id"]), str(made[1]["id"])
    assert told == {
        (first, "model:demo/m", "model"),
        (first, "GET /api/breakers", "settings:read"),
        (first, "POST /api/keys", "keys:write"),
        (first, f"GET /api/keys/{theirs}", "keys:read", "not_found"),
        (second, "chat", "address"),
    }
    assert len(found) == len(told)


async def test_a_denial_is_noted(tmp_path: Path) -> None:
    """With who, what and where from; and what is done is written down with who did it."""
    audit = WrittenDown()
    async with house(tmp_path, keys=[{"name": "root", "key": KEY}]) as one:
        one.services.office.audit = one.services.keyring.denials.audit = audit
        client, headers = one.client, {"authorization": f"Bearer {KEY}"}
        made = await client.post("/api/keys", json={"name": "k"}, headers=headers)
        theirs = {"authorization": f"Bearer {made.json()['key']}"}
        denied = await client.get("/api/breakers", headers=theirs)
    assert denied.status_code == 403
    (created, by), (action, fields) = audit.rows
    assert (created, action) == ("key.create", "permission.denied")
    assert str(by["actor"]).count("config:root") == 1
    assert str(fields["actor"]).count(made.json()["id"]) == 1
    assert (fields["outcome"], fields["target"], fields["address"]) == ("denied", "GET /api/breakers", "127.0.0.1")
    assert fields["request_id"] == denied.headers["x-request-id"]
