"""The address of a database is checked before anything is started, and its password never told."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from narthex.config import database_settings
from narthex.config.database_settings import DatabaseSettings, why_not_database, why_not_database_url


@pytest.mark.parametrize(
    "url",
    [
        *("sqlite:///narthex.db", "sqlite:////var/lib/narthex/main.db", "sqlite:///~/main.db"),
        *("postgresql://user:secret@host/name", "postgres://host:5433/name?sslmode=require"),
        *("postgresql+psycopg://host/name", "postgresql:///name?host=/run/postgresql"),
    ],
)
def test_good_addresses(url: str) -> None:
    """A file by relative or whole path, and a server with and without user, port and options."""
    assert why_not_database_url(url, installed=lambda _: True) is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://user:hunter2@host/name", "expected an address"),
        ("/var/lib/narthex/main.db", "expected an address"),
        ("postgresql+asyncpg://user:hunter2@host/name", "expected an address"),
        ("postgresql://user:hunter2@host:port/name", "not an address"),
        ("postgresql://user:hunter2@host", "names no database"),
        ("postgresql://user:hunter2@host:0/name", "names no database"),
        ("sqlite://", "names no file"),
        ("sqlite://main.db", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///main.db?mode=ro", "takes no options"),
    ],
)
def test_bad_addresses_are_explained(url: str, said: str) -> None:
    """What is wrong is said with the remedy, without the address, which may hold a password."""
    reason = why_not_database_url(url, installed=lambda _: True)
    assert reason is not None
    assert said in reason
    assert "hunter2" not in reason


def test_a_missing_driver_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configured without the driver there is one line that says what to install; SQLite needs none."""
    monkeypatch.setattr(database_settings, "find_spec", lambda _: None)
    assert list(why_not_database(DatabaseSettings())) == []
    assert list(why_not_database(DatabaseSettings(url=SecretStr("sqlite:///a.db")))) == []
    ((option, reason),) = why_not_database(DatabaseSettings(url=SecretStr("postgresql://host/name")))
    assert (option, "pip install 'narthex[postgres]'" in reason) == ("url", True)


def test_the_password_is_masked() -> None:
    """No representation of the settings shows it."""
    assert "hunter2" not in repr(DatabaseSettings(url=SecretStr("postgresql://:hunter2@host/name")))
