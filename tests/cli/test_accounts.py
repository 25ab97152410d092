"""What commands on accounts work on."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import pytest

from narthex.cli.accounts import opened_accounts, operator
from narthex.errors import MasterKeyUnusable, StoreUnreachable
from tests.cli.accounts import made


def test_database_and_master_key_are_opened_together(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the configuration has them."""
    monkeypatch.setenv("NARTHEX_DATA_DIR", made(home / "data"))
    with opened_accounts(None) as opened:
        assert len(opened.sealer.mac_key("x")) == 32
        assert opened.checkpoints.folder == home / "data" / "audit"


def test_what_is_missing_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No database, and then no master key for it; neither is made anew."""
    monkeypatch.setenv("NARTHEX_DATA_DIR", str(home / "data"))
    with pytest.raises(StoreUnreachable, match="narthex db migrate"), opened_accounts(None):
        pass
    made(home / "data")
    (home / "data" / "master.key").unlink()
    with pytest.raises(MasterKeyUnusable, match="is lost"), opened_accounts(None):
        pass


def test_who_works_is_told_by_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is one; else by the number of whoever runs it."""
    monkeypatch.setattr(getpass, "getuser", lambda: "ada")
    assert operator() == ("cli", "ada")

    def nobody() -> str:
        raise OSError

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert operator() == ("cli", str(os.geteuid()))
