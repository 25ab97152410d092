"""Imports point one way: the rooms and their lines are drawn in pyproject.toml, and checked."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import cast

import pytest


def _layers() -> list[str]:
    document = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    contracts = cast("list[dict[str, object]]", document["tool"]["importlinter"]["contracts"])
    rows = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [room.strip(" ()") for row in cast("list[str]", rows) for room in row.replace(":", "|").split("|")]


def test_every_room_has_its_line() -> None:
    """A new room is drawn into the picture before anything may import it."""
    rooms = {
        path.stem for path in Path("src/narthex").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert sorted(rooms - {"__init__", "__main__", "py"} - set(_layers())) == []


def test_imports_keep_to_their_lines() -> None:
    """Every contract holds for the tree as it stands."""
    linter = Path(sys.executable).parent / "lint-imports"
    ran = subprocess.run([linter, "--no-cache"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_a_breach_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check can fail: values that import a face are refused."""
    package = tmp_path / "narthex"
    for room in ("types", "http"):
        (package / room).mkdir(parents=True)
        (package / room / "__init__.py").write_text("", encoding="utf-8")
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "types" / "wrong.py").write_text("import narthex.http\n", encoding="utf-8")
    (tmp_path / ".importlinter").write_text(
        "[importlinter]\nroot_package = narthex\n[importlinter:contract:layers]\nname = layers\ntype = layers\n"
        "containers = narthex\nlayers =\n    http\n    types\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    linter = Path(sys.executable).parent / "lint-imports"
    ran = subprocess.run([linter, "--no-cache"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "narthex.types.wrong -> narthex.http" in ran.stdout
