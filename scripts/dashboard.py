"""Build the dashboard when its sources changed, and say so where that is not possible."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from scripts import missing, node

SOURCES = Path("ui")
BUILT = Path("src/narthex/dashboard/dist/index.html")
STAMP = Path(".setup/dashboard")
IGNORED = frozenset({"node_modules", "dist", "test-results", ".vite"})


def digest_of(folder: Path) -> str:
    """A digest of the names and contents of all source files below `folder`."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not IGNORED.intersection(file.relative_to(folder).parts):
            digest.update(f"{file.relative_to(folder).as_posix()}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def is_built(digest: str) -> bool:
    """Whether the build that is there was made from these sources."""
    return BUILT.is_file() and STAMP.is_file() and STAMP.read_text(encoding="utf-8") == digest


def build() -> bool:
    """Install the packages and build; false if a step failed."""
    if not node.install(SOURCES):
        return False
    print("==> the dashboard", flush=True)
    return subprocess.run(["npm", "run", "--silent", "build"], cwd=SOURCES, check=False).returncode == 0


def main() -> int:
    """Leave a dashboard behind that matches its sources, or a note that there is none."""
    digest = digest_of(SOURCES)
    if is_built(digest):
        missing.found("dashboard")
        return 0
    if not node.provide():
        return 0
    if not build():
        missing.note("dashboard", "the dashboard could not be built: see above; Narthex serves a plain page instead")
        return 0
    missing.found("dashboard")
    STAMP.parent.mkdir(exist_ok=True)
    STAMP.write_text(digest, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
