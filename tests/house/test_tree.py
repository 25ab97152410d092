"""The tree speaks of Narthex alone: no machine, no registry, no left-over."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

FORBIDDEN = {
    "a package registry": re.compile(r"pypi[.]org|pythonhosted[.]org|npmjs[.](?:org|com)"),
    "a Debian mirror": re.compile(r"deb[.]debian[.]org"),
    "a path of one machine": re.compile(r"(?<![\w.<{$/-])/(?:work|root|home)/[a-z]"),
    "a conflict that was not settled": re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE),
}

ALLOWED: dict[str, frozenset[str]] = {
    "a path of one machine": frozenset({"deploy/Dockerfile"}),
}
"""Files in which a thing is meant."""


def _tracked() -> list[Path]:
    """Every text file of the project; outside a checkout there is nothing to compare with."""
    ran = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], capture_output=True, text=True, check=False
    )
    if ran.returncode != 0:
        pytest.skip("not a checkout")
    files = (Path(line) for line in ran.stdout.splitlines())
    return [file for file in files if file.is_file() and b"\0" not in file.read_bytes()[:8_192]]


@pytest.mark.parametrize("thing", FORBIDDEN)
def test_no_file_holds(thing: str) -> None:
    """No file of the project names a registry's host, a path of one machine, or an open conflict."""
    pattern = FORBIDDEN[thing]
    found = {
        file.as_posix(): match.group()
        for file in _tracked()
        if (match := pattern.search(file.read_text(encoding="utf-8", errors="replace")))
    }
    assert {name: text for name, text in found.items() if name not in ALLOWED.get(thing, frozenset())} == {}


def test_locks_pin_every_package_with_a_hash() -> None:
    """Each package in a lock file has one version and at least one hash."""
    locks = sorted(Path("requirements").glob("*.lock"))
    assert locks
    for lock in locks:
        entries = re.split(r"\n(?=[A-Za-z0-9])", lock.read_text(encoding="utf-8").strip())
        loose = [entry.splitlines()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry]
        assert loose == [], lock


def _pins(lock: Path) -> set[str]:
    return set(re.findall(r"^[A-Za-z0-9._-]+==[^\s;]+", lock.read_text(encoding="utf-8"), re.MULTILINE))


def test_locks_agree_with_each_other() -> None:
    """One environment serves all locks: what users run is what the tests run with."""
    everything = _pins(Path("requirements/dev.lock")) | _pins(Path("requirements/bench.lock"))
    for name in ("runtime", "redis", "build"):
        assert _pins(Path(f"requirements/{name}.lock")) - everything == set(), name


_NAME = re.compile(r"^[A-Za-z0-9._]+[A-Za-z0-9._-]*")


def _asked(name: str) -> set[str]:
    lines = Path(f"requirements/{name}.in").read_text(encoding="utf-8").splitlines()
    return {found.group() for line in lines if (found := _NAME.match(line))}


def test_what_the_package_needs_is_locked() -> None:
    """Each dependency in pyproject.toml is asked for in runtime.in, and nothing else is."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {found.group() for line in project["dependencies"] if (found := _NAME.match(line))}
    assert declared == _asked("runtime")


def test_what_an_extra_needs_is_locked() -> None:
    """Each extra in pyproject.toml has a file of its own that asks for the same."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra, wanted in project["optional-dependencies"].items():
        assert {found.group() for line in wanted if (found := _NAME.match(line))} == _asked(extra), extra


@pytest.mark.parametrize("folder", ["ui", "tools/pyright"])
def test_npm_packages_are_pinned(folder: str) -> None:
    """Each package that a package.json names is pinned there, and the lock file has that version with its hash."""
    package = json.loads((Path(folder) / "package.json").read_text(encoding="utf-8"))
    locked = json.loads((Path(folder) / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name, version in {**package.get("dependencies", {}), **package["devDependencies"]}.items():
        entry = locked[f"node_modules/{name}"]
        assert (entry["version"], "integrity" in entry) == (version, True), name
