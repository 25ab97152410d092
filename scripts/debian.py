"""Install Debian packages where apt and root are there; elsewhere use what is installed."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys

from scripts import missing

BROWSER = ("chromium", "fonts-dejavu-core")
"""What the browser tests need."""


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


def main() -> int:
    """Provide a browser for the tests, or note that there is none."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    if shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser"):
        missing.found("browser")
        return 0
    print("==> a browser for the tests", flush=True)
    if install(*BROWSER):
        missing.found("browser")
    else:
        missing.note("browser", "Chromium: browser tests are skipped (Debian: sudo apt-get install chromium)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
