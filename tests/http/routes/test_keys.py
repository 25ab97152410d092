"""Virtual keys over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from narthex.tenancy import clerk
from tests.gateways import running
from tests.http.doors import Json
from tests.http.routes.accounts import SETTINGS, Root, code, flushed

CALL = {"messages": [{"role": "user", "content": "x"}]}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A server with one key in its configuration."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clerk, "EVERY_S", 0.05)
        audit = {"level": "detailed"}
        with running(tmp_path_factory.mktemp("keys"), **SETTINGS, audit=audit) as gateway, Root(gateway) as one:
            yield one


def calls(client: httpx.Client) -> int:
    """Return the status of a model call."""
    return client.post("/v1/chat/completions", json=CALL).status_code


def test_a_key_is_told_once_and_opens(root: Root) -> None:
    """The answer that makes it holds it; no other does."""
    made = root.key(root.workspace())
    assert str(made["key"]).startswith(str(made["shown"]))
    with root.with_key(str(made["key"])) as client:
        assert calls(client) == 200
    told = root.client.get(f"/api/keys/{made['id']}")
    assert "key" not in told.json()
    assert str(made["key"]) not in root.client.get("/api/keys", params={"limit": 100}).text


def test_a_mistyped_key_is_told_from_an_unknown_one(root: Root) -> None:
    """By its checksum."""
    key = str(root.key(root.workspace())["key"])
    for wrong, words in ((key[:-1], "looks mistyped"), (key[:30] + "AAAA" + key[34:], "looks mistyped")):
        with root.with_key(wrong) as client:
            answer = client.post("/v1/chat/completions", json=CALL)
        assert code(answer) == (401, "invalid_api_key")
        assert words in answer.text


def waited_for(root: Root, action: str, key_id: str) -> list[Json]:
    """Return what the audit log has of a key, once it has something."""
    deadline = time.monotonic() + 10
    while True:
        mine = root.client.get("/api/audit", params={"action": action, "target": key_id}).json()["data"]
        if mine:
            return list(mine)
        assert time.monotonic() < deadline, f"no {action} of {key_id}"
        time.sleep(0.05)


def test_it_is_told_when_a_key_was_used(root: Root) -> None:
    """First and last, through either door; the first use stands in the audit log once, its address by a pseudonym."""
    made = root.key(root.workspace())
    path, began = f"/api/keys/{made['id']}", int(time.time())
    assert (made["first_used_at"], made["last_used_at"]) == (None, None)
    with root.with_key(str(made["key"])) as client:
        assert calls(client) == 200
        (first,) = waited_for(root, "key.first_use", str(made["id"]))
        told = root.client.get(path).json()
        assert began <= told["first_used_at"] <= told["last_used_at"] <= time.time()
        assert (told["version"], first["actor"]) == (1, made["id"])
        assert str(first["address"]).startswith("per_")
        deadline = time.monotonic() + 10
        while root.client.get(path).json()["last_used_at"] == told["last_used_at"]:
            assert time.monotonic() < deadline
            assert client.get("/v1/models").status_code == 200
            time.sleep(0.2)
    assert root.client.get(path).json()["first_used_at"] == told["first_used_at"]
    assert len(waited_for(root, "key.first_use", str(made["id"]))) == 1
    news = root.client.get("/api/audit", params={"action": "key.new_address", "target": str(made["id"])}).json()
    assert news["data"] == []


def test_a_use_is_kept_by_a_server_that_stops(tmp_path: Path) -> None:
    """What was marked is written before the database is closed."""
    with running(tmp_path, **SETTINGS) as gateway, Root(gateway) as root:
        made = root.key(root.workspace())
        with root.with_key(str(made["key"])) as client:
            assert calls(client) == 200
    with running(tmp_path, **SETTINGS) as gateway, Root(gateway) as root:
        assert root.client.get(f"/api/keys/{made['id']}").json()["last_used_at"] is not None


def test_keys_that_are_refused_are_written_down(root: Root) -> None:
    """Which, and why; an unknown one by how it begins alone, and each once however often it is tried."""
    made = root.key(root.workspace())
    key = str(made["key"])
    root.client.post(f"/api/keys/{made['id']}/revoke")
    for wrong in (key, key, key[:-1], key[:-1]):
        with root.with_key(wrong) as client:
            assert calls(client) == 401
    flushed(root)
    found = root.client.get("/api/audit", params={"action": "key.denied", "limit": 100}).json()["data"]
    mine = [one for one in found if one["target"] in {made["id"], made["shown"]}]
    assert sorted((one["target"], one["details"]["why"]) for one in mine) == sorted(
        [(made["id"], "revoked"), (made["shown"], "mistyped")]
    )
    assert {one["outcome"] for one in mine} == {"denied"}
    assert key not in str(found)


def test_a_rotated_key_is_good_for_a_while(root: Root) -> None:
    """Both are, until the overlap is over; without one the old key ends at once."""
    made = root.key(root.workspace())
    new = root.client.post(f"/api/keys/{made['id']}/rotate", json={"overlap_s": 60}).json()
    with root.with_key(str(made["key"])) as old, root.with_key(new["key"]) as fresh:
        assert (calls(old), calls(fresh)) == (200, 200)
        last = root.client.post(f"/api/keys/{new['id']}/rotate", json={}).json()
        assert (calls(old), calls(fresh)) == (200, 401)
        assert root.client.get(f"/api/keys/{new['id']}").json()["rotated_to"] == last["id"]
    again = root.client.post(f"/api/keys/{new['id']}/rotate", json={})
    assert code(again) == (409, "conflict")


def test_a_revoked_key_opens_nothing_at_once(root: Root) -> None:
    """On a connection that is open already, too."""
    made = root.key(root.workspace())
    with root.with_key(str(made["key"])) as client:
        assert calls(client) == 200
        assert root.client.post(f"/api/keys/{made['id']}/revoke").json()["revoked_at"] is not None
        answer = client.post("/v1/chat/completions", json=CALL)
        assert answer.status_code == 401
        assert "revoked" in answer.text
    assert code(root.client.patch(f"/api/keys/{made['id']}", json={"name": "x"})) == (409, "conflict")


def test_scopes_hold_at_both_doors(root: Root) -> None:
    """Routes, addresses and the end of a key are looked at, whichever way a call comes in."""
    where = root.workspace()
    here, elsewhere = {"addresses": ["127.0.0.0/8"]}, {"addresses": ["192.0.2.0/24"]}
    pipelined = {"origin": "http://localhost"}
    for headers in ({}, pipelined):
        for scopes, status in ((here, 200), (elsewhere, 403), ({"routes": ["embeddings"]}, 403)):
            with root.caller(where, scopes=scopes) as client:
                answer = client.post("/v1/chat/completions", json=CALL, headers=headers)
                assert answer.status_code == status, (headers, scopes, answer.text)
    made = root.key(where, expires_at=int(time.time()) + 2)
    with root.with_key(str(made["key"])) as client:
        assert calls(client) == 200
        deadline = time.monotonic() + 10
        while calls(client) == 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert "expired" in client.get("/v1/models").text


def test_changes_are_made_under_their_version(root: Root) -> None:
    """The ETag of what was read goes with the change."""
    made = root.key(root.workspace())
    path = f"/api/keys/{made['id']}"
    tag = root.client.get(path).headers["etag"]
    changed = root.client.patch(path, json={"name": "New", "tags": {"team": "a"}}, headers={"if-match": tag})
    assert (changed.json()["name"], changed.json()["tags"]) == ("New", {"team": "a"})
    assert changed.headers["etag"] != tag
    late = root.client.patch(path, json={"name": "Late"}, headers={"if-match": tag})
    assert code(late) == (412, "version_conflict")
    wrong = root.client.patch(path, json={"name": "x"}, headers={"if-match": "first"})
    assert code(wrong) == (400, "invalid_request")


def test_keys_are_listed_by_what_is_asked(root: Root) -> None:
    """By workspace, by whether they are revoked, part by part."""
    where = root.workspace()
    made = [str(root.key(where)["id"]) for _ in range(3)]
    root.client.post(f"/api/keys/{made[0]}/revoke")
    query: dict[str, str | int] = {"workspace_id": where, "limit": 2}
    first = root.client.get("/api/keys", params=query).json()
    rest = root.client.get("/api/keys", params={**query, "after": first["next"]}).json()
    assert sorted(one["id"] for one in first["data"] + rest["data"]) == sorted(made)
    assert (first["has_more"], rest["has_more"], rest["next"]) == (True, False, None)
    gone = root.client.get("/api/keys", params={"workspace_id": where, "revoked": "true"}).json()
    assert [one["id"] for one in gone["data"]] == [made[0]]
    assert root.client.get("/api/keys", params={"limit": 0}).status_code == 400
    assert root.client.get("/api/keys", params={"revoked": "yes"}).status_code == 400
    assert root.client.get("/api/keys", params={"after": "x"}).status_code == 404


def test_a_restart_forgets_no_key(tmp_path: Path) -> None:
    """A key is good after a restart, as soon as the keys are known."""
    with running(tmp_path, **SETTINGS) as gateway, Root(gateway) as root:
        key = str(root.key(root.workspace())["key"])
    with running(tmp_path, **SETTINGS) as gateway, Root(gateway) as root, root.with_key(key) as client:
        deadline = time.monotonic() + 10
        while (status := calls(client)) == 503:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert status == 200


def test_without_configured_keys_virtual_ones_are_told_apart(tmp_path: Path) -> None:
    """The local user needs none; who presents a virtual key is who it says, and a wrong one is refused."""
    with running(tmp_path, **{**SETTINGS, "keys": []}) as gateway, httpx.Client(base_url=gateway.url) as local:
        where = local.post("/api/workspaces", json={"slug": "shop"}).json()["id"]
        key = local.post("/api/keys", json={"name": "k", "workspace_id": where}).json()["key"]
        assert calls(local) == 200
        assert local.get("/api/keys", headers={"x-api-key": "anything"}).status_code == 200
        assert local.get("/api/keys", headers={"x-api-key": key}).json()["data"] == []
        assert local.get("/api/keys", headers={"x-api-key": key[:-1]}).status_code == 401
