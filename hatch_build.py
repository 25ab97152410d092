"""Builds the dashboard into the package, so that wheels and source distributions carry it and need no Node.js."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path("ui")
BUILT = Path("src/narthex/dashboard/dist/index.html")
_NOT_SOURCES = frozenset({"node_modules", "dist", ".vite"})


class DashboardBuild(BuildHookInterface[BuilderConfig]):
    """Runs `npm install` and `npm run build` unless the build that is there is as new as its sources."""

    def initialize(self, version: str, build_data: dict[str, object]) -> None:
        """Have the dashboard built before anything is packed.

        Raises:
            RuntimeError: It has to be built and npm is missing.
            subprocess.CalledProcessError: npm failed.
        """
        del build_data
        # An editable installation serves the checkout itself, and `make serve` builds the dashboard there.
        if version != "editable" and is_due(Path(self.root)):
            build(Path(self.root) / SOURCES)


def is_due(root: Path) -> bool:
    """Tell whether the dashboard is missing or older than one of its sources.

    All files of an unpacked source distribution have the same age, so what it carries is taken as it is.
    """
    built = root / BUILT
    if not built.is_file():
        return True
    newest = max((path.stat().st_mtime for path in _sources(root / SOURCES)), default=0.0)
    return newest > built.stat().st_mtime


def _sources(folder: Path) -> list[Path]:
    return [
        path
        for entry in (folder.iterdir() if folder.is_dir() else ())
        if entry.name not in _NOT_SOURCES
        for path in ((entry, *entry.rglob("*")) if entry.is_dir() else (entry,))
        if path.is_file()
    ]


def build(folder: Path) -> None:
    """Install what the lock file pins, and build.

    Raises:
        RuntimeError: npm is missing.
        subprocess.CalledProcessError: npm failed.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(
            "the dashboard has to be built and npm is not installed: install Node.js 20.19 or later, install from a "
            "wheel or a source distribution instead of a checkout, or set HATCH_BUILD_NO_HOOKS=true to do without it"
        )
    # Not `npm ci`: it refuses a lock file without the optional builds for other systems, which not every registry has.
    for step in (("install", "--no-save"), ("run", "build")):
        subprocess.run([npm, *step], cwd=folder, check=True)  # noqa: S603 - fixed words
