"""Python, packages, processor, open files and clock."""

from __future__ import annotations

import platform
import re
import sys
import time
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from narthex.cli.health.findings import Finding, bad, good, poor

OLDEST_PYTHON = (3, 11)
FEWEST_FILES = 4_096
NEEDED_FEATURES = ("avx2", "fma", "f16c")
"""What the engine of the embedded models is compiled for on x86-64."""

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*(?:>=\s*([0-9.]+))?")
_RELEASED_AT = 1_767_225_600  # 2026-01-01: this program cannot run before it was written


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Look at the interpreter."""
    text = ".".join(str(part) for part in version)
    if version[:2] >= OLDEST_PYTHON:
        return good("Python", f"{text} ({platform.python_implementation()})")
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return bad("Python", f"{text} is too old", f"install Python {oldest} or later, and Narthex with it")


def packages(requirements: Sequence[str] | None = None) -> Iterator[Finding]:
    """Look for what Narthex needs."""
    wanted = requirements if requirements is not None else _requirements()
    faults = [fault for requirement in wanted if (fault := _fault_of(requirement))]
    if not faults:
        yield good("Packages", f"{len(wanted)} required, all there")
    for fault in faults:
        yield bad("Packages", fault, "python -m pip install --upgrade narthex")


def _requirements() -> list[str]:
    try:
        listed = metadata.requires("narthex") or []
    except metadata.PackageNotFoundError:
        return []
    on_windows = sys.platform == "win32"
    return [one for one in listed if "extra ==" not in one and not (on_windows and "sys_platform" in one)]


def _fault_of(requirement: str) -> str | None:
    found = _REQUIREMENT.match(requirement)
    assert found is not None
    name, least = found[1], found[2]
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is missing"
    if least and _numbers(version) < _numbers(least):
        return f"{name} {version} is older than {least}"
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:4])


def processor(machine: str | None = None, features: str | None = None) -> Finding:
    """Look for the instructions that the embedded models need."""
    machine = machine or platform.machine()
    if machine.lower() not in {"x86_64", "amd64"}:
        return good("Processor", machine)
    known = features if features is not None else _features()
    if not known:
        return good("Processor", f"{machine}; its features cannot be read here")
    missing = [feature for feature in NEEDED_FEATURES if feature not in known.split()]
    if not missing:
        return good("Processor", f"{machine} with {', '.join(NEEDED_FEATURES)}")
    remedy = "use a provider elsewhere and set NARTHEX_EMBEDDED__ENABLED=false, or expose the features to this machine"
    return poor("Processor", f"{machine} without {', '.join(missing)}: the embedded models cannot run", remedy)


def _features() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return found[1] if found else ""


def open_files(limit: int | None = None) -> Finding:
    """Look at how many files and connections this process may hold."""
    limit = limit if limit is not None else _open_files_limit()
    if limit is None:
        return good("Open files", "no limit is known here")
    if limit >= FEWEST_FILES:
        return good("Open files", f"up to {limit:,}")
    return poor("Open files", f"only {limit:,}: each connection takes one or two", "ulimit -n 65536")


def _open_files_limit() -> int | None:
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 - not to be had on Windows

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def clock(now: float | None = None) -> Finding:
    """Look at the time of day, by which certificates and records are judged."""
    at = time.time() if now is None else now
    text = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
    if at >= _RELEASED_AT:
        return good("Clock", text)
    return bad("Clock", f"{text} is in the past, so no certificate is valid", "timedatectl set-ntp true")
