"""`narthex user invite` and what belongs to it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Invoke


def test_somebody_is_invited_from_the_command_line(home: Path, invoke: Invoke) -> None:
    """The link alone is on standard output; it is listed without it, and taken back."""
    (home / "narthex.toml").write_text('data_dir = "data"\n', encoding="utf-8")
    done = invoke("user", "invite", "ada@example.org", "--workspace", "default", "--role", "viewer")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("/invitation#nxi_")
    assert "ada@example.org" in done.stderr
    whole = invoke("user", "invite", "eve@example.org", "--address", "https://gateway.example/", "--json")
    told = json.loads(whole.stdout)
    assert told["link"] == f"https://gateway.example/invitation#{told['token']}"
    listed = invoke("user", "invitations", "--organisation", "default").stdout
    assert "ada@example.org" in listed
    assert told["token"] not in listed
    gone = json.loads(invoke("user", "uninvite", told["id"], "--json").stdout)
    assert gone["revoked_at"] is not None
    assert "30 days" in invoke("user", "invite", "a@b", "--expires-in", "31d").output
