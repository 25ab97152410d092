"""`narthex models`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from narthex.cli import models, weights
from narthex.config.settings import Settings
from narthex.errors import ModelUnavailable
from narthex.testing import RunningGateway
from tests.cli.conftest import Invoke
from tests.cli.test_run import write_local


def test_the_models_of_a_server(invoke: Invoke, gateway: RunningGateway) -> None:
    """Names, what they can do and how they are stand in columns."""
    head, row = invoke("models", "--url", gateway.url).stdout.splitlines()
    assert head.split() == ["NAME", "ALIASES", "CAN", "CONTEXT", "STATE"]
    assert row.startswith("scripted/scripted")
    assert "chat" in row
    assert row.endswith("ok")


def test_the_models_for_programs(invoke: Invoke, gateway: RunningGateway) -> None:
    """`models` and `models list` print what the native API lists."""
    short = invoke("models", "--json", "--url", gateway.url).stdout
    assert json.loads(short)["data"][0]["name"] == "scripted/scripted"
    assert invoke("models", "list", "--json", "--url", gateway.url).stdout == short


def test_the_models_without_a_server(invoke: Invoke, home: Path) -> None:
    """Without a server the list is made here, with aliases, and a remark says so."""
    write_local(home)
    result = invoke("models", NARTHEX_SERVER__PORT="9", NARTHEX_ALIASES__ECHO="scripted/scripted")
    assert "scripted/scripted  echo" in result.stdout
    assert "in this process" in result.stderr


def test_no_models_at_all(invoke: Invoke) -> None:
    """An empty list says how to fill it."""
    environ = {"NARTHEX_EMBEDDED__ENABLED": "false", "NARTHEX_DISCOVERY__OLLAMA": "false"}
    result = invoke("models", "--local", **environ)
    assert result.stdout == ""
    assert "OPENAI_API_KEY" in result.stderr


class Shelf:
    """Weights that come and go as a test wants."""

    def __init__(self, *there: str) -> None:
        self.there = set(there)
        self.folder: Path | None = None

    def state(self, name: str, _settings: Settings) -> str:
        """Tell whether a model is there."""
        return "ok" if name in self.there else "missing"

    def install(self, names: list[str], settings: Settings, *, on_progress: object) -> None:
        """Put models there."""
        assert callable(on_progress)
        self.folder = weights.models_dir(settings)
        for name in names:
            on_progress(f"{name}: 50 %")
            if name == "qwen2.5-coder-0.5b":
                raise ModelUnavailable("no network; try again")
            self.there.add(name)


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """Return an empty shelf in place of the network."""
    one = Shelf()
    monkeypatch.setattr(models, "weights_state", one.state)
    monkeypatch.setattr(models, "install_weights", one.install)
    return one


def test_install_fetches_what_is_missing(invoke: Invoke, shelf: Shelf, home: Path) -> None:
    """Without names, all that are offered by default; what is there is left alone; progress is a remark."""
    shelf.there.add("minilm")
    result = invoke("models", "install", NARTHEX_DATA_DIR=str(home / "data"))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "installed smollm2\n", "smollm2: 50 %\n")
    assert shelf.folder == home / "data/models"
    assert invoke("models", "install").stdout == "installed already\n"


def test_install_that_fails(invoke: Invoke, shelf: Shelf) -> None:
    """What hinders it is told in one line, with the remedy."""
    result = invoke("models", "install", "qwen2.5-coder-0.5b")
    assert result.exit_code == 69
    assert result.stderr.endswith("no network; try again\n")
    assert shelf.there == set()


def test_install_of_an_unknown_model(invoke: Invoke) -> None:
    """The models there are, are named."""
    result = invoke("models", "install", "gpt-9")
    assert result.exit_code == 2
    assert "smollm2" in result.stderr


def test_verify(invoke: Invoke, shelf: Shelf) -> None:
    """It fails until all is right, and says what mends it."""
    result = invoke("models", "verify")
    assert result.exit_code == 1
    assert "narthex models install smollm2 minilm" in result.stderr
    assert json.loads(invoke("models", "verify", "--json").stdout) == {
        "ok": False,
        "models": {"smollm2": "missing", "minilm": "missing"},
    }
    shelf.there |= {"smollm2", "minilm"}
    assert invoke("models", "verify").exit_code == 0


def test_verify_looks_at_the_files(invoke: Invoke, home: Path) -> None:
    """A file that is not the model is told as damaged."""
    folder = home / "data/models"
    folder.mkdir(parents=True)
    (folder / "smollm2.gguf").write_bytes(b"GGUF")
    result = invoke("models", "verify", "--json", NARTHEX_DATA_DIR=str(home / "data"))
    assert json.loads(result.stdout)["models"] == {"smollm2": "damaged", "minilm": "missing"}
