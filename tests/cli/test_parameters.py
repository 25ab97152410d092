"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path

import pytest

from narthex.testing import RunningGateway
from tests.cli.conftest import Invoke


@pytest.mark.parametrize("command", ["serve", "run", "models", "config check", "config show", "doctor"])
def test_the_same_option_is_called_the_same(invoke: Invoke, command: str) -> None:
    """Whatever reads the configuration takes `--config`, in the same words."""
    text = " ".join(invoke(*command.split(), "--help").stdout.split())
    assert "-c, --config FILE Configuration file; by default narthex.toml here." in text


@pytest.mark.parametrize("command", ["config check", "config show", "doctor --offline"])
def test_a_named_file_must_be_there(invoke: Invoke, command: str) -> None:
    """A file that was named and is missing is no reason to go on with defaults."""
    result = invoke(*command.split(), "--config", "gone.toml")
    assert result.exit_code in {1, 78}
    assert "gone.toml: cannot be read" in result.stdout + result.stderr


def test_a_named_file_is_used(invoke: Invoke, home: Path) -> None:
    """`--config` wins over the file that lies there."""
    (home / "narthex.toml").write_text("broken")
    (home / "other.toml").write_text("[server]\nport = 5\n")
    assert "server.port = 5" in invoke("config", "show", "-c", "other.toml").stdout


def test_a_server_is_named_the_same_way(invoke: Invoke, gateway: RunningGateway) -> None:
    """`--url` wins over NARTHEX_URL wherever a server is asked."""
    for arguments in (("run", "Hi"), ("models",), ("models", "list")):
        result = invoke(*arguments, "--url", gateway.url, NARTHEX_URL="http://127.0.0.1:9")
        assert result.exit_code == 0
