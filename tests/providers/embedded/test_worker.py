"""The engine's own process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from narthex.providers.embedded import worker
from narthex.providers.embedded.worker import Parameters, configure

ENGINE = """
class Threads:
    n_threads = 0

class Model:
    path = ""

class CommonParams:
    def __init__(self):
        self.model, self.cpuparams, self.cpuparams_batch = Model(), Threads(), Threads()

class Server:
    def __init__(self, parameters):
        if parameters.model.path == "bad":
            raise RuntimeError("Failed to init server")
        self.listening_address = f"unix://{parameters.model.path}:{parameters.cpuparams.n_threads}:{parameters.n_ctx}"
"""


def _run(folder: Path, engine: str, options: dict[str, object]) -> dict[str, str]:
    """Run the worker with an engine of our own, to the end of its input."""
    (folder / "xllamacpp.py").write_text(engine, encoding="utf-8")
    program = "import runpy, sys; sys.path.insert(0, sys.argv[1]); runpy.run_path(sys.argv[2], run_name='__main__')"
    ran = subprocess.run(
        [sys.executable, "-c", program, str(folder), worker.__file__],
        input=json.dumps(options) + "\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ran.stderr == ""
    said: dict[str, str] = json.loads(ran.stdout)
    return said


def test_tells_its_address_and_ends_with_its_input(tmp_path: Path) -> None:
    """Once loaded it says where it is; when nobody holds its input any more, it ends."""
    door = tmp_path / "folder" / "engine.sock"
    door.parent.mkdir()
    options: dict[str, object] = {"path": "m", "threads": 3, "n_ctx": 64, "hostnames": [str(door)]}
    assert _run(tmp_path, ENGINE, options) == {"address": "unix://m:3:64"}
    assert not door.parent.exists()


def test_tells_what_went_wrong(tmp_path: Path) -> None:
    """A file that is refused and an engine that is missing are told apart."""
    assert _run(tmp_path, ENGINE, {"path": "bad", "threads": 1}) == {"refused": "Failed to init server"}
    missing = "raise ImportError('no such library')"
    assert _run(tmp_path, missing, {"path": "m", "threads": 1}) == {"missing": "no such library"}


def test_options_reach_the_engine() -> None:
    """Threads for reading and for writing, the file, and everything else by its name."""
    parameters = SimpleNamespace(
        model=SimpleNamespace(), cpuparams=SimpleNamespace(), cpuparams_batch=SimpleNamespace()
    )
    configure(cast("Parameters", parameters), {"path": "/m", "threads": 2, "n_parallel": 4, "api_keys": ["k"]})
    assert parameters.model.path == "/m"
    assert (parameters.cpuparams.n_threads, parameters.cpuparams_batch.n_threads) == (2, 2)
    assert (parameters.n_parallel, parameters.api_keys) == (4, ["k"])


def test_it_imports_nothing_of_ours() -> None:
    """It is run as a script, beside modules whose names must not get in its way."""
    text = Path(worker.__file__).read_text(encoding="utf-8")
    assert "narthex." not in text.partition('"""\n\nfrom')[2]


@pytest.mark.embedded
def test_every_option_is_one_of_the_engines() -> None:
    """A newer engine that renames an option is noticed here."""
    engine = pytest.importorskip("xllamacpp")
    names = set(dir(engine.CommonParams()))
    assert set(Parameters.__annotations__) <= names
