"""The command line in a clean surrounding: an empty folder, no configuration, no keys."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click.testing
import pytest

from narthex.cli import main
from narthex.testing import RunningGateway, scripted_gateway
from narthex.types.vendors import VENDORS

Invoke = Callable[..., click.testing.Result]
Program = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working directory that is also the user's home."""
    keys = {variable for vendor in VENDORS.values() for variable in (*vendor.key_variables, vendor.base_url_variable)}
    for name in list(os.environ):
        if name.startswith(("NARTHEX_", "XDG_", "_NARTHEX")) or name in keys:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def invoke() -> Invoke:
    """Call the program in this process."""
    runner = click.testing.CliRunner()

    def call(*arguments: str, text: str | bytes | None = None, **environ: str) -> click.testing.Result:
        return runner.invoke(main, arguments, input=text, env=environ, prog_name="narthex")

    return call


@pytest.fixture
def program(home: Path) -> Program:
    """Call the program in a process of its own, with a closed input unless one is given."""

    def call(*arguments: str, data: bytes = b"", **environ: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "narthex", *arguments],
            input=data,
            capture_output=True,
            check=False,
            cwd=home,
            env={**os.environ, **environ},
            timeout=50,
        )

    return call


@pytest.fixture(scope="session")
def gateway() -> Iterator[RunningGateway]:
    """Return a server that repeats what it is told."""
    with scripted_gateway(reply="You said: {prompt}") as running:
        yield running
