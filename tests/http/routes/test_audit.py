"""The audit log over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.gateways import running
from tests.http.doors import Json
from tests.http.routes.accounts import SETTINGS, Root, code


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """A server with one key in its configuration, which writes everything."""
    with (
        running(tmp_path_factory.mktemp("audit"), **SETTINGS, audit={"level": "detailed"}) as gateway,
        Root(gateway) as one,
    ):
        yield one


def _list(root: Root, **wanted: str | int) -> list[Json]:
    asked: dict[str, str | int] = {"limit": 100, **wanted}
    answer = root.client.get("/api/audit", params=asked)
    assert answer.status_code == 200, answer.text
    entries: list[Json] = answer.json()["data"]
    return entries


def _soon(root: Root, **wanted: str | int) -> list[Json]:
    """Return the entries once there are some: what is noted is written a moment later."""
    for _ in range(200):
        found = _list(root, **wanted)
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"nothing was written: {wanted}")


def test_what_is_done_is_there_at_once(root: Root) -> None:
    """With who did it, and a hash that the next entry holds."""
    workspace_id = root.workspace()
    (entry,) = _list(root, target=workspace_id)
    assert (entry["action"], entry["actor"], entry["outcome"]) == ("workspace.create", "config:root", "ok")
    assert len(str(entry["hash"])) == 64


def test_filters_narrow_it_down(root: Root) -> None:
    """By kind of action, by time, by outcome."""
    workspace_id = root.workspace()
    key_id = root.key(workspace_id)["id"]
    assert {entry["action"] for entry in _list(root, action="key")} == {"key.create"}
    assert [entry["target"] for entry in _list(root, workspace_id=workspace_id)] == [key_id, workspace_id]
    assert _list(root, since=int(time.time()) + 100) == []
    assert _list(root, until=1) == []


def test_parts_follow_one_another(root: Root) -> None:
    """Each entry once, the newest first."""
    for _ in range(3):
        root.workspace()
    seen: list[int] = []
    after: dict[str, str] = {}
    while True:
        told = root.client.get("/api/audit", params={"limit": 2, "action": "workspace", **after}).json()
        seen += [entry["seq"] for entry in told["data"]]
        if not told["has_more"]:
            break
        after = {"after": told["next"]}
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) >= 3


def test_a_denial_is_written(root: Root) -> None:
    """With what was lacking."""
    key = root.key(root.workspace())
    with root.with_key(str(key["key"])) as client:
        assert code(client.get("/api/users"))[0] == 403
    entry = _soon(root, actor=str(key["id"]), outcome="denied")[0]
    assert (entry["action"], entry["details"]) == ("permission.denied", {"permission": "users:read"})
    assert str(entry["address"]).startswith("per_")


def test_who_is_behind_a_pseudonym_is_told_when_asked(root: Root) -> None:
    """And not before."""
    key = root.key(root.workspace())
    with root.with_key(str(key["key"])) as client:
        client.get("/api/users")
    entry = _soon(root, actor=str(key["id"]), outcome="denied")[0]
    assert entry["persons"] == {}
    (told,) = _list(root, actor=str(key["id"]), outcome="denied", reveal="true")
    assert told["persons"] == {entry["address"]: "127.0.0.1"}


def test_of_others_nothing_is_seen(root: Root) -> None:
    """A key sees the entries of its own workspace, if it may see any."""
    mine, other = root.workspace(), root.workspace()
    with root.with_key(str(root.key(mine, ["audit:read"])["key"])) as client:
        seen = client.get("/api/audit", params={"limit": 100}).json()["data"]
        assert {entry["workspace_id"] for entry in seen} == {mine}
        assert code(client.get("/api/audit", params={"workspace_id": other}))[0] == 404
        assert code(client.get("/api/audit", params={"organisation_id": root.organisation()}))[0] == 404
        lines = client.get("/api/audit/export").text.splitlines()
        assert {json.loads(line)["workspace_id"] for line in lines} == {mine}
    with root.with_key(str(root.key(mine)["key"])) as client:
        assert code(client.get("/api/audit"))[0] == 403
        assert code(client.get("/api/audit/export"))[0] == 403


def test_all_of_it_is_exported_oldest_first(root: Root) -> None:
    """A JSON object in each line, without a gap; and that it was exported is written."""
    lines = [json.loads(line) for line in root.client.get("/api/audit/export").text.splitlines()]
    assert [line["seq"] for line in lines] == [*range(1, len(lines) + 1)]
    assert _soon(root, action="audit.export")


def test_no_entry_is_lost_between_two_parts(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent at once ends anywhere."""
    monkeypatch.setattr("narthex.http.routes.audit._PART", 2)
    lines = [json.loads(line) for line in root.client.get("/api/audit/export").text.splitlines()]
    assert len(lines) > 3
    assert [line["seq"] for line in lines] == [*range(1, len(lines) + 1)]


@pytest.mark.parametrize(
    "wrong",
    [{"after": "x"}, {"since": "yesterday"}, {"until": "-1"}, {"reveal": "maybe"}, {"outcome": "fine"}],
)
def test_bad_filters_are_refused(root: Root, wrong: dict[str, str]) -> None:
    """With the name of the parameter."""
    answer = root.client.get("/api/audit", params=wrong)
    assert code(answer)[0] == 400
    assert answer.json()["error"]["param"] == next(iter(wrong))


@pytest.mark.parametrize("path", ["/api/audit", "/api/audit/export"])
def test_a_workspace_that_is_none_is_not_found(root: Root, path: str) -> None:
    """Also one without a name."""
    for name in ("", "ws_aaaaaaaaaaaaaaaa"):
        answer = root.client.get(path, params={"workspace_id": name, "organisation_id": ""})
        assert answer.status_code == 404
