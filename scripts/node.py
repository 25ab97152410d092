"""Find Node.js and run npm in a folder, or note what is left out without it."""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from scripts import debian, missing

OLDEST = (20, 19)
"""The oldest Node.js that the dashboard's build accepts."""


def version_of(text: str) -> tuple[int, int]:
    """The major and minor version in `text`; (0, 0) if there is none."""
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def available() -> bool:
    """Whether a Node.js that is new enough and npm are installed."""
    if shutil.which("npm") is None or (node := shutil.which("node")) is None:
        return False
    ran = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    return version_of(ran.stdout) >= OLDEST


def provide() -> bool:
    """Whether Node.js is there, after installing Debian's where it is new enough."""
    if available():
        missing.found("node")
        return True
    offered = debian.candidate("nodejs") if shutil.which("node") is None else None
    if offered is not None and version_of(offered) >= OLDEST:
        print("==> Node.js, to build the dashboard", flush=True)
        debian.install("nodejs", "npm")
    if available():
        missing.found("node")
        return True
    oldest = ".".join(map(str, OLDEST))
    missing.note(
        "node",
        f"Node.js {oldest} or later with npm: the dashboard is a plain page, its tests and pyright are skipped",
    )
    return False


def install(folder: Path) -> bool:
    """Install what the lock file in `folder` pins, once per lock file; false without network."""
    lock = (folder / "package-lock.json").read_bytes()
    stamp = folder / "node_modules" / ".installed"
    digest = hashlib.sha256(lock).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return True
    print(f"==> npm packages of {folder}", flush=True)
    # Not `npm ci`: it refuses a lock file without the optional builds for other systems, which not every registry has.
    command = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(command, cwd=folder, check=False).returncode:
        return False
    stamp.write_text(digest, encoding="utf-8")
    return True


def main() -> int:
    """Run an npm script of a folder; without Node.js that is noted, and no failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("script", nargs="?", help="script in package.json; none installs the packages only")
    arguments = parser.parse_args()
    if not provide():
        return 0
    if not install(arguments.folder):
        print(f"npm install failed in {arguments.folder}: is the npm registry reachable?", file=sys.stderr)
        return 1
    if arguments.script is None:
        return 0
    command = ["npm", "run", "--silent", arguments.script]
    return subprocess.run(command, cwd=arguments.folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
