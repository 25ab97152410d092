"""`narthex workspace`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Invoke


def test_a_workspace_from_its_making_to_its_archive(home: Path, invoke: Invoke) -> None:
    """Made, changed, given members, put away and brought back."""
    (home / "narthex.toml").write_text('data_dir = "data"\n', encoding="utf-8")
    made = json.loads(invoke("workspace", "create", "shop", "--json").stdout)
    assert made["organisation_id"] == "org_default"
    edited = invoke(
        "workspace", "edit", "shop", "--name", "Shop", "--set", "default_model=a/b", "--set", "caching=false"
    )
    assert edited.exit_code == 0, edited.output
    shown = json.loads(invoke("workspace", "show", made["id"], "--json").stdout)
    assert (shown["name"], shown["settings"]["default_model"], shown["settings"]["caching"]) == ("Shop", "a/b", False)
    invoke("user", "create", "Ada", "--email", "ada@example.org")
    assert invoke("workspace", "members", "add", "shop", "ada@example.org", "--role", "admin").exit_code == 0
    assert "admin" in invoke("workspace", "members", "list", "shop").stdout
    assert invoke("workspace", "members", "remove", "shop", "ada@example.org").exit_code == 0
    assert json.loads(invoke("workspace", "members", "list", "shop", "--json").stdout) == []
    invoke("workspace", "archive", "shop")
    assert "shop" not in invoke("workspace", "list").stdout
    assert "shop" in invoke("workspace", "list", "--all", "--organisation", "default").stdout
    assert json.loads(invoke("workspace", "restore", "shop", "--json").stdout)["archived_at"] is None


def test_what_cannot_be_done_is_told_in_a_line(home: Path, invoke: Invoke) -> None:
    """An unknown workspace, a wrong setting, a name that is taken."""
    (home / "narthex.toml").write_text('data_dir = "data"\n', encoding="utf-8")
    for arguments, words in (
        (("show", "nope"), "there is no workspace 'nope'"),
        (("edit", "default", "--set", "colour=red"), "colour"),
        (("edit", "default", "--set", "colour"), "NAME=VALUE"),
        (("create", "default"), "already"),
        (("archive", "default"), "cannot be archived"),
    ):
        ended = invoke("workspace", *arguments)
        assert ended.exit_code != 0
        assert words in ended.output, ended.output


def test_a_workspace_goes_out_and_comes_in(home: Path, invoke: Invoke) -> None:
    """As a file, sealed if that is wanted; a file that is none is told in a line."""
    (home / "narthex.toml").write_text('data_dir = "data"\n', encoding="utf-8")
    invoke("workspace", "create", "shop")
    invoke("key", "create", "ci", "--workspace", "shop")
    assert invoke("workspace", "export", "shop", "-o", "shop.json").exit_code == 0
    sealed = invoke("workspace", "export", "shop", "--sealed", NARTHEX_PASSPHRASE="correct horse battery").stdout
    assert json.loads(sealed)["sealed"]
    (home / "other.toml").write_text('data_dir = "other"\n', encoding="utf-8")
    taken = invoke("workspace", "import", "shop.json", "--json", "-c", "other.toml")
    assert json.loads(taken.stdout)[0]["slug"] == "shop"
    again = invoke("workspace", "export", "shop", "-c", "other.toml").stdout
    assert json.loads(again) == json.loads((home / "shop.json").read_text(encoding="utf-8"))
    elsewhere = invoke(
        "workspace", "import", "-", "-c", "other.toml", text=sealed, NARTHEX_PASSPHRASE="correct horse battery"
    )
    assert "another master key" in elsewhere.output
    assert "no JSON" in invoke("workspace", "import", "-", text="{").output
