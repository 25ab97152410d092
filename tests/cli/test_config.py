"""`narthex config`."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from narthex.config.options import options
from narthex.config.schema import json_schema, reference_markdown
from tests.cli.conftest import Invoke

KEY = "0123456789abcdef-hush"


def test_check_of_nothing(invoke: Invoke) -> None:
    """Without a file, all is well."""
    result = invoke("config", "check")
    assert (result.exit_code, result.stdout) == (0, "no configuration file; the defaults: ok\n")


def test_check_tells_all_problems(invoke: Invoke, home: Path) -> None:
    """Every problem is a line on standard output, and the exit code is that of configuration."""
    (home / "narthex.toml").write_text("[server]\nprot = 1\nport = 70000\n")
    result = invoke("config", "check")
    assert result.exit_code == 78
    assert result.stdout.splitlines() == [
        'narthex.toml:2:1 server.prot: unknown key; did you mean "port"?',
        "narthex.toml:3:1 server.port: must be at most 65535, got 70000",
    ]


def test_check_for_programs(invoke: Invoke, home: Path) -> None:
    """JSON says the same, whether it is well or not."""
    (home / "narthex.toml").write_text("[log]\nlevel = 'info'\n")
    good = json.loads(invoke("config", "check", "--json", NARTHEX_ZZZ="1").stdout)
    assert (good["ok"], good["file"], len(good["warnings"])) == (True, str(home / "narthex.toml"), 1)
    bad = invoke("config", "check", "--json", NARTHEX_LOG__LEVEL="x")
    assert bad.exit_code == 78
    assert len(json.loads(bad.stdout)["problems"]) == 1


def test_check_shows_warnings(invoke: Invoke) -> None:
    """What is probably not meant is told, and does not fail."""
    result = invoke("config", "check", NARTHEX_PORT="1")
    assert result.exit_code == 0
    assert "did you mean NARTHEX_SERVER__PORT?" in result.stdout


@pytest.fixture
def configured(home: Path) -> Path:
    """Return a file with secrets of every kind."""
    file = home / "narthex.toml"
    file.write_text(
        f"""
        [[keys]]
        name = "ci"
        key = "{KEY}"
        [providers.groq]
        api_key = "gsk-hush"
        api_keys = ["gsk-more-hush"]
        headers = {{ x-token = "header-hush" }}
        """
    )
    return file


@pytest.mark.parametrize("options_given", [(), ("--origin",), ("--json",), ("--json", "--origin")])
def test_show_masks_every_secret(invoke: Invoke, configured: Path, options_given: tuple[str, ...]) -> None:
    """No form of the listing holds a key, a header's value or how long they are."""
    assert configured.exists()
    result = invoke("config", "show", *options_given, OPENAI_API_KEY="sk-hush", NARTHEX_SERVER__PORT="9")
    assert result.exit_code == 0
    assert "hush" not in result.stdout
    assert result.stdout.count('"********"') >= 5


def test_show_tells_where_values_come_from(invoke: Invoke, configured: Path) -> None:
    """Each value has its origin beside it."""
    assert configured.exists()
    lines = invoke("config", "show", "--origin", OPENAI_API_KEY="sk", NARTHEX_SERVER__PORT="9").stdout.splitlines()
    origins = {line.split(" = ")[0]: line.partition("  # ")[2] for line in lines}
    assert origins["server.port"] == "env NARTHEX_SERVER__PORT"
    assert origins["server.host"] == "default"
    assert origins["providers.groq.api_key"] == "narthex.toml:6"
    assert origins["providers.openai.api_key"] == "discovered (OPENAI_API_KEY)"
    shown = {line.split(" = ")[0] for line in lines}
    assert {option.name for option in options() if option.section is None and len(option.path) == 2} <= {
        *shown, "aliases",
    }  # fmt: skip


def test_show_for_programs(invoke: Invoke, configured: Path) -> None:
    """JSON has the values as a tree, and on request the origins by path."""
    assert json.loads(invoke("config", "show", "--json").stdout)["server"]["port"] == 8484
    told = json.loads(invoke("config", "show", "--json", "--origin").stdout)
    assert told["file"] == str(configured)
    limits = {"max_tokens_per_s": None, "max_bytes_per_s": None}
    shown = {"name": "ci", "key": "********", "tenant": None, "priority": "normal", **limits}
    assert told["settings"]["keys"] == [shown]
    assert told["origins"]["keys"] == "narthex.toml:2"


def test_schema(invoke: Invoke) -> None:
    """The schema and the reference page are those of the configuration."""
    assert json.loads(invoke("config", "schema").stdout) == json.loads(json.dumps(json_schema()))
    assert invoke("config", "schema", "--markdown").stdout == reference_markdown()


def test_path(invoke: Invoke, home: Path) -> None:
    """It prints the file that is read, or fails and says where it looked."""
    missing = invoke("config", "path")
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert str(home / ".config/narthex/narthex.toml") in missing.stderr
    (home / "narthex.toml").write_text("")
    assert invoke("config", "path").stdout == f"{home}/narthex.toml\n"


def test_init_writes_once(invoke: Invoke, home: Path) -> None:
    """A first file is written for its owner only; an existing one is never touched."""
    assert invoke("config", "init", "etc/narthex.toml").exit_code == 0
    file = home / "etc/narthex.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert invoke("config", "check", "--config", str(file)).exit_code == 0
    file.write_text("mine")
    again = invoke("config", "init", "etc/narthex.toml")
    assert again.exit_code == 1
    assert "exists and is left as it is" in again.stderr
    assert file.read_text() == "mine"
