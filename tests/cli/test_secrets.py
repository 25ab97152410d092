"""`narthex secrets`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from narthex.errors import StoreBusy
from narthex.stores.database import Database
from tests.cli.accounts import made
from tests.cli.conftest import Invoke


def test_the_master_key_is_changed_in_two_steps(invoke: Invoke, home: Path) -> None:
    """A new one is made and everything is wrapped anew; the old one stays until the end."""
    folder = made(home / "data")

    def status() -> tuple[list[str], dict[str, int]]:
        told = json.loads(invoke("secrets", "status", "--json", NARTHEX_DATA_DIR=folder).stdout)
        return told["keys"], told["sealed"]

    (old,), counts = status()
    assert counts == {old: 2}
    result = invoke("secrets", "rotate", NARTHEX_DATA_DIR=folder)
    assert result.exit_code == 0, result.stderr
    assert "--finish" in result.stderr
    (new, second), counts = status()
    assert second == old
    # The account of whoever did it is a person of its own in the audit log.
    assert set(counts) == {new}
    assert invoke("secrets", "rotate", "--finish", NARTHEX_DATA_DIR=folder).exit_code == 0
    assert status()[0] == [new]
    assert new in invoke("secrets", "status", NARTHEX_DATA_DIR=folder).stdout
    listed = json.loads(invoke("audit", "list", "--action", "secrets", "--json", NARTHEX_DATA_DIR=folder).stdout)
    assert [entry["action"] for entry in listed["entries"]] == ["secrets.rotate", "secrets.rotate"]


def test_a_key_of_the_configuration_is_changed_there(invoke: Invoke, home: Path) -> None:
    """Nothing is made; what was sealed under the old one is wrapped anew."""
    folder, old, new = str(home / "data"), "1" * 64, "2" * 64
    environ = {"NARTHEX_DATA_DIR": folder, "NARTHEX_MASTER_KEY": old}
    assert invoke("db", "migrate", **environ).exit_code == 0
    assert invoke("secrets", "status", **environ).exit_code == 0
    previous = json.dumps([old])
    both = {**environ, "NARTHEX_MASTER_KEY": new, "NARTHEX_SECRETS__PREVIOUS_MASTER_KEYS": previous}
    assert "1 records" in invoke("secrets", "rotate", **both).stdout
    assert invoke("secrets", "status", **{**environ, "NARTHEX_MASTER_KEY": new}).exit_code == 0
    lost = invoke("secrets", "status", **environ)
    assert lost.exit_code == 69
    assert "is not the master key of this database" in lost.stderr
    assert not (home / "data" / "master.key").exists()


def test_the_old_key_stays_until_all_is_on_the_disk(
    invoke: Invoke, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss of power could bring back records that are sealed under it."""
    folder = made(home / "data")
    assert invoke("secrets", "rotate", NARTHEX_DATA_DIR=folder).exit_code == 0

    def flush_log(_: Database) -> None:
        raise StoreBusy("somebody reads")

    monkeypatch.setattr(Database, "flush_log", flush_log)
    assert invoke("secrets", "rotate", "--finish", NARTHEX_DATA_DIR=folder).exit_code != 0
    assert len(json.loads(invoke("secrets", "status", "--json", NARTHEX_DATA_DIR=folder).stdout)["keys"]) == 2
