"""`narthex user`."""

from __future__ import annotations

import json
from pathlib import Path

from narthex.tenancy.sign_in.reception import may_have_users
from tests.cli.conftest import Invoke


def test_a_user_is_made_and_acts_no_more(home: Path, invoke: Invoke) -> None:
    """And acts again; people and service accounts are listed alike."""
    (home / "narthex.toml").write_text('data_dir = "data"\n', encoding="utf-8")
    made = json.loads(invoke("user", "create", "Ada", "--email", "ada@example.org", "--role", "admin", "--json").stdout)
    invoke("user", "create", "deploy", "--service")
    assert json.loads(invoke("user", "disable", "ada@example.org", "--json").stdout)["disabled_at"] is not None
    assert json.loads(invoke("user", "enable", made["id"], "--json").stdout)["disabled_at"] is None
    listed = invoke("user", "list", "--organisation", "default").stdout
    assert "ada@example.org" in listed
    assert "service" in listed
    assert json.loads(invoke("user", "show", made["id"], "--json").stdout)["role"] == "admin"
    assert "e-mail" in invoke("user", "create", "Eve").output


def test_a_password_is_set_and_a_second_factor_taken_back(home: Path, invoke: Invoke) -> None:
    """Not a poor one, and none for a service account; the server takes it."""
    (home / "narthex.toml").write_text('data_dir = "data"\n', encoding="utf-8")
    invoke("user", "create", "Ada", "--email", "ada@example.org", "--role", "owner")
    poor = invoke("user", "password", "ada@example.org", "--stdin", text="password1234")
    assert "first that are guessed" in poor.output
    done = invoke("user", "password", "ada@example.org", "--stdin", text="nine blue herons stand\n")
    assert done.exit_code == 0, done.output
    assert invoke("user", "totp-reset", "ada@example.org").exit_code == 0
    robot = json.loads(invoke("user", "create", "deploy", "--service", "--json").stdout)
    assert "no password" in invoke("user", "password", robot["id"], "--stdin", text="nine blue herons stand").output
    assert may_have_users(None, home / "data")
