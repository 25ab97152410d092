"""What is wrong is told by name, with what to do about it; and nothing is done by halves."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Final

import httpx
import pytest

from tests.gateways import running
from tests.http.doors import Json
from tests.http.routes.accounts import SETTINGS, Root

CALL: Final[Json] = {"messages": [{"role": "user", "content": "x"}]}
CHAT: Final = "/v1/chat/completions"
LISTS: Final = ("workspaces", "keys", "limits", "prices", "roles", "users")
LIMIT: Final[Json] = {
    "subject_kind": "workspace",
    "subject": "ws_default",
    "measure": "cost_microusd",
    "period": "month",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A server with one key in its configuration."""
    with running(tmp_path_factory.mktemp("bad"), **SETTINGS) as gateway, Root(gateway) as one:
        yield one


def told(answer: httpx.Response, status: int, *words: str) -> None:
    """Hold an answer to its status, and its message to what it must say."""
    error = answer.json()["error"]
    assert answer.status_code == status, answer.text
    for word in words:
        assert word in error["message"] or word == error["param"], answer.text


def there(root: Root) -> Mapping[str, object]:
    """Return everything that somebody could have changed."""
    found: dict[str, object] = {}
    for name in LISTS:
        answer = root.client.get(f"/api/{name}", params={"limit": 100})
        assert answer.status_code == 200, answer.text
        found[name] = [one["id"] for one in answer.json()["data"]]
    found["default"] = root.client.get("/api/workspaces/ws_default").json()
    return found


@pytest.mark.parametrize("door", [{}, {"origin": "http://localhost"}])
def test_keys_that_open_nothing(root: Root, door: dict[str, str]) -> None:
    """Mistyped, revoked, replaced, expired, of an archived workspace, made up: each is told from the others."""
    where = root.workspace()
    key, gone, old = (root.key(where) for _ in range(3))
    root.client.post(f"/api/keys/{gone['id']}/revoke")
    root.client.post(f"/api/keys/{old['id']}/rotate", json={})
    put_away = root.workspace()
    away = root.key(put_away)
    root.client.post(f"/api/workspaces/{put_away}/archive")
    plain = str(key["key"])
    typo = plain[:25] + ("A" if plain[25] != "A" else "B") + plain[26:]
    for wrong, words in (
        (typo, ("mistyped", "copy it again")),
        (plain + "x", ("mistyped",)),
        (str(gone["key"]), ("revoked", "another one")),
        (str(old["key"]), ("expired", "make a new one")),
        (str(away["key"]), ("archived",)),
        ("sk-unknown", ("not valid here", "check it")),
    ):
        answer = root.client.post(CHAT, json=CALL, headers={"authorization": f"Bearer {wrong}", **door})
        told(answer, 401, *words)
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert wrong not in answer.text


def test_keys_out_of_their_scopes(root: Root) -> None:
    """By model, route, address and workspace: which it is, and what it is good for."""
    where, other = root.workspace(), root.workspace()
    scopes: tuple[tuple[Json, int, tuple[str, ...]], ...] = (
        ({"models": ["none/*"]}, 403, ("demo/m", "none/*", "model")),
        ({"routes": ["embeddings", "control"]}, 403, ("`chat`", "embeddings")),
        ({"addresses": ["192.0.2.0/24"]}, 403, ("127.0.0.1", "addresses")),
    )
    for scope, status, words in scopes:
        with root.caller(where, scopes=scope) as client:
            told(client.post(CHAT, json=CALL), status, *words)
    with root.caller(where, ["workspaces:read", "keys:write"]) as client:
        told(client.get(f"/api/workspaces/{other}"), 404)
        told(client.post("/api/keys", json={"name": "k", "workspace_id": other}), 404)


def test_nobody_acts_above_their_role(root: Root) -> None:
    """What is missing is named, and nothing is made or changed."""
    where = root.workspace()
    made = root.key(where, ["keys:write", "keys:read", "members:write"])
    with root.with_key(str(made["key"])) as client:
        before = there(root)
        wish = {"name": "k", "workspace_id": where}
        told(client.post("/api/keys", json={**wish, "scopes": {"permissions": ["audit:read"]}}), 403, "audit:read")
        more = {"scopes": {"permissions": ["keys:read", "prices:write"]}}
        told(client.patch(f"/api/keys/{made['id']}", json=more), 403, "prices:write")
        told(client.post("/api/limits", json={**LIMIT, "amount": 1}), 403, "limits:write")
        told(client.patch(f"/api/workspaces/{where}", json={"name": "x"}), 403, "workspaces:write")
        told(client.post(f"/api/workspaces/{where}/members", json={"user_id": "usr_no", "role": "owner"}), 404)
        told(client.post("/api/roles", json={"name": "r", "permissions": ["keys:read"]}), 403, "roles:write")
        assert there(root) == before


def test_a_limit_of_zero_lets_nothing_pass(root: Root) -> None:
    """It is told which, whose, and that waiting does not help; below zero there is none."""
    where = root.workspace()
    before = there(root)
    body = {**LIMIT, "workspace_id": where, "subject": where, "measure": "requests"}
    told(root.client.post("/api/limits", json={**body, "amount": -1}), 400, "amount", ">= 0")
    told(root.client.post("/api/limits", json={**body, "amount": 1, "burst": 0}), 400, "burst")
    assert there(root) == before
    made = root.made("/api/limits", **body, amount=0)
    with root.caller(where) as client:
        deadline = time.monotonic() + 10
        while (answer := client.post(CHAT, json=CALL)).status_code == 200:
            assert time.monotonic() < deadline
    assert answer.status_code == 429, answer.text
    assert str(made["id"]) in answer.text


def test_money_of_other_currencies(root: Root) -> None:
    """Workspaces, limits and prices are in dollars; which one was meant is said, and what there is."""
    before = there(root)
    price: Json = {"model": "demo/m", "input_usd_per_mtok": "1", "output_usd_per_mtok": "1"}
    told(root.client.post("/api/limits", json={**LIMIT, "amount": 1, "currency": "EUR"}), 400, "currency", "EUR")
    told(root.client.post("/api/prices", json={**price, "currency": "EUR"}), 400, "currency", "EUR", "USD")
    change = {"settings": {"currency": "EUR", "caching": False}}
    told(root.client.patch("/api/workspaces/ws_default", json=change), 400, "settings.currency", "EUR")
    told(root.client.post("/api/workspaces", json={"slug": "eur", **change}), 400, "settings.currency", "EUR")
    assert there(root) == before


def workspace_part(slug: str, template: str | None = None, **more: object) -> Json:
    """Return a workspace of a document."""
    return {"slug": slug, "name": slug, "template": template, **more}


def test_imports_that_cannot_be_done(root: Root) -> None:
    """Of a newer version, in a circle, of an unknown currency, with a name that is taken: none leaves a trace."""
    where = root.workspace()
    document: Json = root.client.post(f"/api/workspaces/{where}/export", json={}).json()
    taken = str(root.client.get(f"/api/workspaces/{where}").json()["slug"])
    fine = workspace_part("import-fine")
    before = there(root)
    for change, status, words in (
        ({"version": 99}, 400, ("version 99", "update")),
        ({"workspaces": [workspace_part("a", "b"), workspace_part("b", "a")]}, 409, ("a → b → a",)),
        ({"workspaces": [fine, workspace_part("b", "none")]}, 409, ("'none'", "'b'")),
        ({"workspaces": [fine, workspace_part("b", settings={"currency": "EUR"})]}, 400, ("EUR",)),
        ({"workspaces": [fine, workspace_part(taken)]}, 409, (taken,)),
        ({"format": "other"}, 400, ("other",)),
    ):
        answer = root.client.post("/api/workspace-imports", json={"document": {**document, **change}})
        told(answer, status, *words)
        assert there(root) == before, change
