"""Install Debian packages where apt and root are there; elsewhere use what is installed."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from scripts import missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that some of the verbs need, and that is not Python."""

    programs: tuple[str, ...]
    """It is there if one of these is."""
    packages: tuple[str, ...]
    left_out: str
    """What is left out without it."""


NEEDS = {
    "browser": Need(
        programs=("chromium", "chromium-browser", "google-chrome"),
        packages=("chromium", "fonts-dejavu-core"),
        left_out="browser tests are skipped",
    ),
    "compiler": Need(programs=("gcc", "cc"), packages=("gcc", "libc6-dev"), left_out="nothing is measured"),
    "redis": Need(
        programs=("redis-server", "valkey-server"),
        packages=("redis-server",),
        left_out="tests of several processes with a real Redis are skipped",
    ),
    "postgres": Need(
        # Debian keeps the server out of the PATH.
        programs=("initdb", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")))),
        packages=("postgresql",),
        left_out="tests with a real PostgreSQL are skipped",
    ),
    "nginx": Need(
        programs=("nginx", "/usr/sbin/nginx"), packages=("nginx-light",), left_out="there is no ratio to nginx"
    ),
}
"""By name, as given on the command line."""


def can_install() -> bool:
    """Whether this process may install Debian packages."""
    return shutil.which("apt-get") is not None and hasattr(os, "geteuid") and os.geteuid() == 0


def install(*packages: str) -> bool:
    """Install `packages`; false if that is not possible here or failed."""
    if not can_install():
        return False
    if _apt("install", *packages):
        return True
    return _apt("update") and _apt("install", *packages)


def candidate(package: str) -> str | None:
    """The version of `package` that apt would install, or None."""
    if not can_install():
        return None
    _apt("update")
    shown = subprocess.run(["apt-cache", "policy", package], capture_output=True, text=True, check=False).stdout
    for line in shown.splitlines():
        name, _, version = line.strip().partition(": ")
        if name == "Candidate" and version != "(none)":
            return version
    return None


def _apt(verb: str, *packages: str) -> bool:
    command = ["apt-get", "-q", "-q", "-y", "-o", "DPkg::Lock::Timeout=120", verb, *packages]
    if verb == "install":
        command.insert(4, "--no-install-recommends")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    ran = subprocess.run(command, env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if ran.returncode != 0:
        print(ran.stderr.strip(), file=sys.stderr)
    return ran.returncode == 0


def provide(name: str) -> None:
    """Have what `name` stands for, or note that it is missing and what that means."""
    need = NEEDS[name]
    if any(shutil.which(program) for program in need.programs):
        missing.found(name)
        return
    print(f"==> Debian packages: {', '.join(need.packages)}", flush=True)
    if install(*need.packages):
        missing.found(name)
    else:
        packages = " ".join(need.packages)
        missing.note(name, f"{name}: {need.left_out} (Debian: sudo apt-get install {packages})")


def main() -> int:
    """Provide what is named; what cannot be had is noted, and is no failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=NEEDS)
    for name in parser.parse_args().names:
        provide(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
