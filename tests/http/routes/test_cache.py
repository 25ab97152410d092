"""The cache is seen and managed by those whose it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import cast

import httpx
import pytest

from tests.gateways import running
from tests.http.doors import Json
from tests.http.routes.accounts import SETTINGS, Root, code, flushed

READER = ["cache:read"]
KEEPER = ["cache:read", "cache:write"]
TIMES: Json = {"age_s": 0, "fresh_s": 0}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A server with several workspaces."""
    with running(tmp_path_factory.mktemp("cache"), **SETTINGS) as gateway, Root(gateway) as one:
        yield one


def ask(client: httpx.Client, words: str, **headers: str) -> httpx.Response:
    """Ask what is answered from the cache the second time."""
    body = {"model": "demo/m", "temperature": 0, "messages": [{"role": "user", "content": words}]}
    answer = client.post("/v1/chat/completions", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def how(answer: httpx.Response) -> str:
    """Return how a call was answered."""
    return answer.headers["x-narthex-cache"]


def entries(client: httpx.Client, **query: str) -> list[Json]:
    """Return what is listed."""
    told = client.get("/api/cache/entries", params=query)
    assert told.status_code == 200, told.text
    listed: list[Json] = told.json()["data"]
    return listed


def stats(client: httpx.Client) -> Json:
    """Return the figures."""
    told: Json = client.get("/api/cache/stats").json()
    return told


def rows(told: Json, name: str) -> list[Json]:
    """Return a list that is told."""
    return cast("list[Json]", told[name])


def audited(root: Root, action: str) -> list[Json]:
    """Return the rows of the audit log of an action, the latest first."""
    flushed(root)
    told: Json = root.client.get("/api/audit", params={"action": action}).json()
    return rows(told, "data")


def test_a_workspace_sees_how_its_cache_does(root: Root) -> None:
    """Hits, misses, what was saved, what is used most, and why calls missed: of its own calls alone."""
    with root.caller(root.workspace(), READER) as mine, root.caller(root.workspace(), READER) as theirs:
        missed, hit = ask(mine, "a"), ask(mine, "a")
        told = stats(mine)
        assert (told["hits"], told["misses"], told["stored"], told["hit_rate"]) == ({"hit": 1}, {"absent": 1}, 1, 0.5)
        assert (told["everything"], told["enabled"], told["mode"]) == (False, True, "deterministic")
        memory, disk = rows(told, "tiers")
        assert (disk["hits"], disk["misses"]) == (0, 1)
        assert (memory["name"], memory["hits"], memory["misses"], memory["entries"]) == ("memory", 1, 1, 1)
        assert 0 < float(str(memory["latency_p50_us"])) <= float(str(memory["latency_p99_us"]))
        assert memory["evicted"] is None
        (top,) = rows(told, "top")
        assert (top["model"], top["uses"], top["shared_by"]) == ("demo/m", 1, "workspace")
        assert top["request_id"] == missed.headers["x-request-id"]
        assert "content" not in top
        (miss,) = rows(told, "last_misses")
        assert (miss["request_id"], miss["reason"]) == (missed.headers["x-request-id"], "absent")
        assert how(hit) == "HIT"
        other = stats(theirs)
        assert (other["hits"], other["misses"], other["top"], other["last_misses"]) == ({}, {}, [], [])
        assert entries(theirs) == []
    everything = stats(root.client)
    assert everything["everything"] is True
    assert rows(everything, "tiers")[0]["evicted"] == 0


def test_why_a_call_missed_is_told_to_its_workspace(root: Root) -> None:
    """By its ID; nobody else hears of it."""
    with root.caller(root.workspace(), READER) as mine, root.caller(root.workspace(), READER) as theirs:
        request_id = ask(mine, "why", **{"x-narthex-cache": "refresh"}).headers["x-request-id"]
        query = {"request_id": request_id}
        (told,) = mine.get("/api/cache/misses", params=query).json()["data"]
        assert (told["reason"], told["model"]) == ("refresh", "demo/m")
        assert mine.get("/api/cache/misses").json()["data"] == [told]
        assert root.client.get("/api/cache/misses", params=query).json()["data"] == [told]
        ask(mine, "why not")
        later = mine.get("/api/cache/misses", params={"limit": 1}).json()
        assert (later["data"][0]["reason"], later["has_more"]) == ("absent", True)
        assert mine.get("/api/cache/misses", params={"after": later["next"]}).json()["data"] == [told]
        assert theirs.get("/api/cache/misses", params=query).json()["data"] == []
        assert theirs.get("/api/cache/misses").json()["data"] == []


def test_entries_are_listed_in_parts_and_by_what_they_have(root: Root) -> None:
    """The latest first; by model and by tag of one's own."""
    with root.caller(root.workspace(), READER) as mine:
        for number in range(3):
            ask(mine, f"part {number}", **{"x-narthex-cache": f'on; tags="n{number} all"'})
        whole = entries(mine)
        assert len(whole) == 3
        first = mine.get("/api/cache/entries", params={"limit": 2}).json()
        rest = mine.get("/api/cache/entries", params={"limit": 2, "after": first["next"]}).json()
        keys = [one["key"] for one in (*first["data"], *rest["data"])]
        assert (first["has_more"], rest["has_more"], keys) == (True, False, [one["key"] for one in whole])
        assert [one["tags"] for one in entries(mine, tag="n1")] == [["n1", "all"]]
        assert len(entries(mine, model="demo/m", tag="all")) == 3
        assert entries(mine, model="demo/other") == entries(mine, tag="none") == []


def test_what_an_answer_says_is_told_to_who_may_read_it(root: Root) -> None:
    """To nobody else; and it is noted who read it."""
    workspace = root.workspace()
    with (
        root.caller(workspace, READER) as mine,
        root.caller(workspace, [*READER, "requests:read_content"]) as reads,
        root.caller(root.workspace(), [*READER, "requests:read_content"]) as stranger,
    ):
        ask(mine, "secret")
        path = f"/api/cache/entries/{entries(mine)[0]['key']}"
        assert {**mine.get(path).json(), **TIMES} == {**entries(mine)[0], **TIMES}
        assert code(mine.get(path, params={"content": "true"})) == (403, "permission_denied")
        told = reads.get(path, params={"content": "true"}).json()
        assert told["content"]["choices"][0]["message"]["content"] == "ok"
        assert stranger.get(path, params={"content": "true"}).status_code == 404
        assert code(mine.get("/api/cache/entries/zz")) == (404, "not_found")
    (row,) = audited(root, "content.read")
    assert row["target"] == f"cache:{told['key']}"


def test_an_answer_that_was_deleted_is_fetched_anew(root: Root) -> None:
    """By its own workspace; to others it is not there. Who did it is written down."""
    workspace = root.workspace()
    with (
        root.caller(workspace, KEEPER) as mine,
        root.caller(workspace, READER) as reader,
        root.caller(root.workspace(), KEEPER) as stranger,
    ):
        ask(mine, "gone")
        key = entries(mine)[0]["key"]
        path = f"/api/cache/entries/{key}"
        assert stranger.delete(path).status_code == 404
        assert code(reader.delete(path)) == (403, "permission_denied")
        assert how(ask(mine, "gone")) == "HIT"
        assert mine.delete(path).json() == {"object": "cache_entry", "key": key, "deleted": True}
        assert mine.delete(path).status_code == 404
        assert how(ask(mine, "gone")) == "MISS"
    assert audited(root, "cache.delete")[0]["target"] == key


def test_a_workspace_clears_what_is_its_own(root: Root) -> None:
    """Whoever shares its answers; all of them are for whoever runs the server."""
    with root.caller(root.workspace(), KEEPER) as mine, root.caller(root.workspace(), KEEPER) as theirs:
        for client in (mine, theirs):
            ask(client, "x")
            ask(client, "x", **{"x-narthex-cache": "on; shared_by=key"})
        assert code(mine.post("/api/cache/clear", json={"everything": True})) == (403, "permission_denied")
        assert mine.post("/api/cache/clear", json={}).json() == {"object": "cache_change", "removed": 2}
        assert (entries(mine), len(entries(theirs))) == ([], 2)
        assert how(ask(mine, "x")) == "MISS"
        assert how(ask(theirs, "x")) == "HIT"
        assert root.client.post("/api/cache/clear", json={"everything": True}).json()["removed"] >= 3
        assert entries(theirs) == []
    last, *_ = audited(root, "cache.clear")
    assert json.loads(json.dumps(last["details"]))["everything"] is True


def void(client: httpx.Client, **what: object) -> int:
    """Declare something void; return how much of it was in memory."""
    answer = client.post("/api/cache/invalidate", json=what)
    assert answer.status_code == 200, answer.text
    removed: int = answer.json()["removed"]
    return removed


def test_what_was_declared_void_is_fetched_anew(root: Root) -> None:
    """By key, tag, pattern and model, of one's own workspace alone; by whoever runs the server, everywhere."""
    with root.caller(root.workspace(), KEEPER) as mine, root.caller(root.workspace(), KEEPER) as theirs:
        for client in (mine, theirs):
            for name in ("red", "green", "blue"):
                ask(client, name, **{"x-narthex-cache": f"on; tags=c.{name}"})
        key = entries(mine, tag="c.blue")[0]["key"]

        assert void(mine, tags=["c.red"]) == 1
        assert void(theirs, keys=[key]) == 0
        assert void(mine, keys=[key]) == 1
        assert void(mine, tags=["c.*"]) == 1
        assert len(entries(theirs)) == 3
        for version in (1, 2, 3):
            ask(mine, f"prompt {version}", **{"x-narthex-cache": f"on; prompt=reply@{version}"})
        assert void(mine, prompts=["reply@2", "reply@9", "rep"]) == 1
        assert void(mine, prompts=["reply"]) == 2
        ask(mine, "red")
        assert void(mine, models=["demo/other"]) == 0
        assert void(mine, models=["demo/*"]) == 1
        assert len(entries(theirs)) == 3
        assert void(root.client, tags=["c.red"]) == 0
        assert void(root.client, tags=["c.red"], everything=True) == 1
        assert void(root.client, models=["demo/m"], everything=True) >= 2
        assert entries(theirs) == []
        assert code(mine.post("/api/cache/invalidate", json={"tags": ["a"], "everything": True}))[0] == 403
    assert audited(root, "cache.invalidate")[0]["details"]["models"] == ["demo/m"]  # type: ignore[index]  # an object


def test_questions_are_answered_before_they_are_asked(root: Root) -> None:
    """Each on the caller's account, through every gate, with a report of each."""
    workspace = root.workspace()
    with (
        root.caller(workspace, KEEPER) as mine,
        root.caller(workspace, ["cache:write"], scopes={"routes": ["control"]}) as other_door,
    ):
        bodies = [
            {"model": model, "messages": [{"role": "user", "content": words}]}
            for model, words in (("demo/m", "one"), ("demo/none", "two"), ("demo/m", "three"))
        ]
        told = mine.post("/api/cache/warm", json={"requests": bodies, "tags": ["w"], "ttl_s": 60, "parallel": 2}).json()
        assert (told["kept"], told["not_kept"], told["failed"]) == (2, 0, 1)
        assert [(one["index"], one["status"], one["code"]) for one in told["data"]] == [
            (0, "kept", None),
            (1, "failed", "model_not_found"),
            (2, "kept", None),
        ]
        kept = entries(mine, tag="w")
        assert {one["key"] for one in kept} == {told["data"][0]["key"], told["data"][2]["key"]}
        assert all(50 < int(str(one["fresh_s"])) <= 66 for one in kept)
        answer = mine.post("/v1/chat/completions", json=bodies[0], headers={"x-narthex-cache": "on"})
        assert how(answer) == "HIT"
        refused = other_door.post("/api/cache/warm", json={"requests": bodies[:1]})
        assert refused.status_code == 403
    assert audited(root, "cache.warm")[-1]["details"] == {"kept": 2, "not_kept": 0, "failed": 1}


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("warm", {"requests": []}, "requests"),
        ("warm", {"requests": [{}], "tags": ['a"b']}, "tags"),
        ("warm", {"requests": [{}], "parallel": 99}, "parallel"),
        ("invalidate", {"keys": ["zz"]}, "keys[0]"),
        ("clear", {"all": True}, None),
    ],
)
def test_bad_wishes_are_told(root: Root, path: str, body: Json, param: str | None) -> None:
    """What cannot be done is named with the field."""
    answer = root.client.post(f"/api/cache/{path}", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_permissions_are_asked_for(root: Root) -> None:
    """Who may not read reads nothing, and who may not write changes nothing."""
    with root.caller(root.workspace()) as nobody, root.caller(root.workspace(), READER) as reader:
        for path in ("stats", "misses", "entries", "entries/" + "0" * 64):
            assert code(nobody.get(f"/api/cache/{path}")) == (403, "permission_denied")
        for path in ("clear", "invalidate", "warm"):
            assert code(reader.post(f"/api/cache/{path}", json={})) == (403, "permission_denied")


# -- questions that mean the same --------------------------------------------------------------------------------------


def test_whoever_runs_the_server_reopens_a_category(root: Root) -> None:
    """Nobody else does; where the semantic cache is off there is none, and `stats` says so."""
    told = root.client.post("/api/cache/reopen", json={"category": "fact"})
    assert code(told) == (404, "not_found")
    assert root.client.post("/api/cache/reopen", json={"category": "facts"}).status_code == 400
    assert stats(root.client)["semantic"] is None
    organisation = root.organisation()
    with root.caller(root.workspace(organisation), KEEPER) as client:
        assert client.post("/api/cache/reopen", json={"category": "fact"}).status_code == 403
