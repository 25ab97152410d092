"""`narthex key`."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx

from tests.cli.conftest import Invoke
from tests.gateways import KEY, running
from tests.http.routes.accounts import SETTINGS

CALL = {"messages": [{"role": "user", "content": "x"}]}


def test_a_running_server_takes_and_leaves_keys(home: Path, invoke: Invoke) -> None:
    """A key that is made beside it opens it, and one that is revoked does not any more, within a second or so."""
    (home / "narthex.toml").write_text('data_dir = "data"\n', encoding="utf-8")
    with running(home / "data", **SETTINGS) as gateway, httpx.Client(base_url=gateway.url) as client:
        # Until the database is open, nothing beside it is written.
        assert client.get("/api/workspaces", headers={"x-api-key": KEY}).status_code == 200
        made = json.loads(invoke("key", "create", "ci", "--model", "demo/*", "--tag", "team=a", "--json").stdout)

        def status() -> int:
            answer = client.post("/v1/chat/completions", json=CALL, headers={"x-api-key": made["key"]})
            return answer.status_code

        _become(status, 200)
        assert invoke("key", "revoke", made["id"]).exit_code == 0
        _become(status, 401)


def _become(status: object, wanted: int) -> None:
    assert callable(status)
    deadline = time.monotonic() + 10
    while status() != wanted:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_key_is_shown_once(home: Path, invoke: Invoke) -> None:
    """On standard output alone, so that it can be kept by a program; no list and no other command has it."""
    (home / "narthex.toml").write_text('data_dir = "data"\n', encoding="utf-8")
    made = invoke("key", "create", "ci", "--expires-in", "90d")
    key = made.stdout.strip()
    assert key.startswith("sk-nx-")
    assert "shown once" in made.stderr
    (row,) = json.loads(invoke("key", "list", "--json").stdout)
    assert key not in json.dumps(row)
    assert "digest" not in row
    rotated = json.loads(invoke("key", "rotate", row["id"], "--overlap", "1h", "--json").stdout)
    assert rotated["key"] != key
    assert json.loads(invoke("key", "show", row["id"], "--json").stdout)["rotated_to"] == rotated["id"]
    invoke("key", "revoke", row["id"])
    assert row["id"] not in invoke("key", "list", "--workspace", "default").stdout
    assert row["id"] in invoke("key", "list", "--all").stdout


def test_what_is_no_key_is_told_in_a_line(home: Path, invoke: Invoke) -> None:
    """An unknown key, a wrong address, a wrong time."""
    (home / "narthex.toml").write_text('data_dir = "data"\n', encoding="utf-8")
    for arguments, words in (
        (("show", "key_no"), "there is no key"),
        (("create", "x", "--address", "10.0.0.0/99"), "no address or network"),
        (("create", "x", "--expires-in", "soon"), "no time"),
        (("create", "x", "--permission", "all"), "no permission"),
    ):
        ended = invoke("key", *arguments)
        assert ended.exit_code != 0
        assert words in ended.output, ended.output
