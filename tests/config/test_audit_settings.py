"""Master keys are checked before anything is started, and never told."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from pydantic import SecretStr

from narthex.config.audit_settings import SecretsSettings, master_key_bytes, why_not_secrets
from narthex.config.load import load

KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize("text", [KEY, KEY.rstrip("="), f" {KEY}\n", bytes(range(32)).hex()])
def test_a_key_is_32_bytes_in_base64_or_hexadecimal(text: str) -> None:
    """As tools write them."""
    assert master_key_bytes(text) == bytes(range(32))


@pytest.mark.parametrize("text", ["", "hunter2", KEY[:-4], KEY + KEY, "z" * 64, "ä" * 44])
def test_anything_else_is_no_key(text: str) -> None:
    """It is refused without being told."""
    assert master_key_bytes(text) is None
    ((option, reason),) = why_not_secrets(SecretsSettings(master_key=SecretStr(text)))
    assert option == "master_key"
    assert "openssl rand -base64 32" in reason
    assert len(text) < 5 or text not in reason


def test_contradictions_are_told() -> None:
    """Old keys without a new one."""
    assert list(why_not_secrets(SecretsSettings())) == []
    assert [option for option, _ in why_not_secrets(SecretsSettings(previous_master_keys=(SecretStr(KEY),)))] == [
        "previous_master_keys"
    ]


def test_the_key_comes_from_the_environment_by_its_short_name(tmp_path: Path) -> None:
    """As by its long one."""
    for name in ("NARTHEX_MASTER_KEY", "NARTHEX_SECRETS__MASTER_KEY"):
        key = load(environ={name: KEY, "NARTHEX_DATA_DIR": str(tmp_path)}).settings.secrets.master_key
        assert key is not None
        assert key.get_secret_value() == KEY


def test_keys_are_named_by_references(tmp_path: Path) -> None:
    """So that no key stands in a file of settings."""
    (tmp_path / "old").write_text(f"{KEY}\n")
    (tmp_path / "narthex.toml").write_text(
        '[secrets]\nmaster_key = "${NEW}"\nprevious_master_keys = ["file:old", "${OLD}"]\n'
    )
    environ = {"NEW": "1" * 64, "OLD": "2" * 64, "HOME": str(tmp_path)}
    secrets = load(environ=environ, directory=tmp_path).settings.secrets
    assert secrets.master_key == SecretStr("1" * 64)
    assert secrets.previous_master_keys == (SecretStr(KEY), SecretStr("2" * 64))
