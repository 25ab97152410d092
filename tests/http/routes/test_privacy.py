"""What is kept of a person, over HTTP."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from narthex.ledger.unfit import FILE
from tests.gateways import running
from tests.http.routes.accounts import SETTINGS, Root, code

EMAIL, NAME, PROMPT = "ada.lovelace@example.org", "Ada Lovelace", "prompt-marker-4711"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    """A server with one key in its configuration."""
    with running(tmp_path, **SETTINGS) as gateway, Root(gateway) as one:
        yield one


def _keyed(root: Root) -> tuple[str, str]:
    """Make a person with a key; return their ID, and the key."""
    workspace_id = root.workspace()
    user_id = str(root.made("/api/users", name=NAME, email=EMAIL)["id"])
    root.made(f"/api/workspaces/{workspace_id}/members", user_id=user_id, role="member")
    key = root.made("/api/keys", name=f"key of {NAME}", workspace_id=workspace_id, user_id=user_id)
    return user_id, str(key["key"])


def _person(root: Root) -> tuple[str, str]:
    """Make a person who has called a model with a key; return the IDs of their workspace and theirs."""
    workspace_id = root.workspace()
    user_id = str(root.made("/api/users", name=NAME, email=EMAIL)["id"])
    root.made(f"/api/workspaces/{workspace_id}/members", user_id=user_id, role="member")
    key = root.made("/api/keys", name=f"key of {NAME}", workspace_id=workspace_id, user_id=user_id)
    call = {"messages": [{"role": "user", "content": PROMPT}], "user": EMAIL}
    with root.with_key(str(key["key"])) as client:
        assert client.post("/v1/chat/completions", json=call).status_code == 200
    return workspace_id, user_id


def _holding(folder: Path) -> list[str]:
    traces = [one.encode() for one in (EMAIL, NAME, PROMPT)]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(trace in path.read_bytes() for trace in traces)]


def test_a_person_is_handed_out_and_erased(tmp_path: Path) -> None:
    """After it no file of the data folder holds the address, the name or the prompt."""
    with running(tmp_path, **SETTINGS) as gateway, Root(gateway) as root:
        workspace_id, user_id = _person(root)
        aside = tmp_path / "ledger" / FILE
        entry = {"id": "req_0:0", "user_id": user_id, "end_user": EMAIL}
        aside.write_text(json.dumps({"why": f"too long: {EMAIL}", "entry": entry}) + "\n", encoding="utf-8")
        answer = root.client.get(f"/api/users/{user_id}/export")
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert json.loads(archive.read("users.jsonl"))["email"] == EMAIL
            assert json.loads(archive.read("ledger_entries.jsonl"))["end_user"] == EMAIL
            assert json.loads(archive.read("ledger_unfit.jsonl"))["entry"] == entry
        assert answer.headers["content-disposition"] == f'attachment; filename="{user_id}.zip"'
        told = root.client.post(f"/api/users/{user_id}/erase").json()
        assert (told["id"], told["erased"], told["rows"]["users"]) == (user_id, True, 1)
        assert (told["rows"]["ledger_entries"], told["rows"]["ledger_unfit"]) == (1, 1)
        assert root.client.get(f"/api/users/{user_id}").json()["name"] == "erased"
        assert root.client.get(f"/api/workspaces/{workspace_id}/members").json()["data"] == []
        actions = [entry["action"] for entry in root.client.get("/api/audit?action=privacy").json()["data"]]
        assert actions == ["privacy.erase", "privacy.export"]
        journals = tmp_path / "ledger"
        for _ in range(3_000):
            if not _holding(journals):
                break
            time.sleep(0.01)
        assert _holding(journals) == []
    assert _holding(tmp_path) == []


def test_calls_under_way_end_without_the_name(tmp_path: Path) -> None:
    """A person and an end user who are erased meanwhile: no file has a name of theirs when the calls have ended."""
    slow = {"models": ["m"], "reply": "ok", "faults": [{"fault": "delay", "seconds": 0.8}]}
    settings = {**SETTINGS, "providers": {"demo": {"kind": "scripted", "script": slow}}}
    with running(tmp_path, **settings) as gateway, Root(gateway) as root:
        user_id, key = _keyed(root)

        def ask(said: str) -> int:
            call = {"messages": [{"role": "user", "content": "Hi"}], "user": said}
            with root.with_key(key) as client:
                return client.post("/v1/chat/completions", json=call).status_code

        with ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(ask, said) for said in (EMAIL, PROMPT)]
            while gateway.gateway is None or gateway.gateway.books.book.under_way < 2:
                time.sleep(0.005)
            assert root.client.post(f"/api/users/{user_id}/erase").status_code == 200
            # Of this one nothing was kept yet.
            assert root.client.post("/api/end-users/erase", json={"end_user": PROMPT}).status_code in {200, 404}
            assert [one.result() for one in asked] == [200, 200]
            assert gateway.gateway.books.book.flush()
        told = root.client.get("/api/ledger/entries").json()["data"]
        names = sorted(str(one["end_user"])[:4] for one in told)
    assert names == ["eras", "per_"]
    assert _holding(tmp_path) == []


def test_who_may_not_is_refused(root: Root) -> None:
    """An export needs one permission, an erasure another one; nobody is not found."""
    workspace_id, user_id = _person(root)
    with root.with_key(str(root.key(workspace_id, ["privacy:read"])["key"])) as client:
        assert code(client.post(f"/api/users/{user_id}/erase"))[0] in {403, 404}
        assert code(client.post("/api/end-users/erase", json={"end_user": EMAIL}))[0] == 403
    assert code(root.client.get("/api/users/usr_none/export"))[0] == 404
    assert code(root.client.post("/api/end-users/erase", json={"end_user": "nobody"}))[0] == 404
    assert code(root.client.post("/api/end-users/erase", json={}))[0] == 400
