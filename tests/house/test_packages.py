"""What is published works on its own: the wheel holds the dashboard, and serves where only it is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

BUILT = Path("src/narthex/dashboard/dist/index.html")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive, as `make build` makes them."""
    if not BUILT.is_file():
        pytest.skip("the dashboard is not built: install Node.js and run `make dashboard`")
    folder = tmp_path_factory.mktemp("packages")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), "."]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder


@pytest.fixture(scope="module")
def installed(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing in it but what the wheel holds."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(next(packages.glob("*.whl"))) as wheel:
        wheel.extractall(folder)  # noqa: S202 - an archive of our own
    return folder


@pytest.mark.timeout(300)
def test_the_archives_hold_what_they_should(packages: Path) -> None:
    """The wheel holds the code, the dashboard and the licence; the source archive all that a build needs."""
    with zipfile.ZipFile(next(packages.glob("*.whl"))) as wheel:
        held = wheel.namelist()
    assert "narthex/dashboard/dist/index.html" in held
    assert "narthex/py.typed" in held
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert [name for name in held if not name.startswith(("narthex/", "narthex-"))] == []
    with tarfile.open(next(packages.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"Makefile", "requirements/runtime.lock", "tests/conftest.py", "scripts/node.py", "ui/package.json"} <= names
    assert not any("node_modules" in name for name in names)


@pytest.mark.timeout(300)
def test_the_wheel_is_small(packages: Path) -> None:
    """Our own code with its dashboard stays within 6 MB."""
    assert next(packages.glob("*.whl")).stat().st_size < 6_000_000


@pytest.fixture
def address(installed: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a server that runs from the wheel alone, in a folder of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    environment = kept | {
        "PYTHONPATH": str(installed),
        "NARTHEX_DATA_DIR": str(tmp_path / "data"),
        "NARTHEX_DISCOVERY__OLLAMA": "false",
    }
    where = [sys.executable, "-c", "import narthex; print(narthex.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).is_relative_to(installed)
    command = [sys.executable, "-m", "narthex", "serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield _address_told(server.stdout)
        finally:
            server.terminate()
            server.communicate(timeout=30)


def _address_told(log: Iterator[str]) -> str:
    read: list[str] = []
    for line in log:
        read.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found.group()
    pytest.fail("the server did not start:\n" + "".join(read))


@pytest.mark.timeout(300)
def test_the_wheel_serves(address: str) -> None:
    """A server from the wheel alone answers its health and shows the dashboard."""
    with urllib.request.urlopen(f"{address}/health", timeout=10) as answer:
        assert b'"ok"' in answer.read()
    with urllib.request.urlopen(f"{address}/", timeout=10) as answer:
        assert b"/assets/" in answer.read()
