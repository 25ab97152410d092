"""Where the database is, and how that is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from narthex.errors import ConfigError
from narthex.stores.database import addresses
from narthex.stores.database.addresses import address_of


def test_by_default_it_is_a_file_in_the_data_folder(tmp_path: Path) -> None:
    """Nothing needs to be configured."""
    address = address_of(None, data_dir=tmp_path)
    assert (address.kind, address.path, address.shown) == ("sqlite", tmp_path / "main.db", str(tmp_path / "main.db"))


def test_a_file_is_meant_from_where_narthex_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is made whole, so that it stays the same file."""
    monkeypatch.chdir(tmp_path)
    assert address_of("sqlite:///a.db", data_dir=Path("elsewhere")).path == tmp_path / "a.db"


def test_a_server_is_shown_without_its_password() -> None:
    """What is shown holds neither user, nor password, nor options."""
    address = address_of("postgres://user:hunter2@host:5433/name?sslmode=require", data_dir=Path())
    assert address.url == "postgresql+psycopg://user:hunter2@host:5433/name?sslmode=require"
    assert address.shown == "postgresql://host:5433/name"
    assert "hunter2" not in repr(address)


def test_a_wrong_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """So is one whose driver is not installed."""
    with pytest.raises(ConfigError, match=r"database\.url: expected"):
        address_of("mysql://host/name", data_dir=Path())
    monkeypatch.setattr(addresses, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"narthex\[postgres\]"):
        address_of("postgresql://host/name", data_dir=Path())
