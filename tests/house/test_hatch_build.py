"""The build hook: the dashboard is built when it is due, and only then."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import hatch_build

OLD_S, NEW_S = 1_000_000, 2_000_000


def lay(root: Path, *, built_s: int | None, source_s: int) -> Path:
    """Make a checkout whose source and build have the given ages."""
    source = root / "ui" / "src" / "main.tsx"
    source.parent.mkdir(parents=True)
    source.write_text("")
    os.utime(source, (source_s, source_s))
    if built_s is not None:
        built = root / hatch_build.BUILT
        built.parent.mkdir(parents=True)
        built.write_text("")
        os.utime(built, (built_s, built_s))
    return root


@pytest.mark.parametrize(
    ("built_s", "source_s", "due"),
    [(None, OLD_S, True), (OLD_S, NEW_S, True), (NEW_S, OLD_S, False), (OLD_S, OLD_S, False)],
)
def test_it_is_due_when_missing_or_older(tmp_path: Path, built_s: int | None, source_s: int, due: bool) -> None:
    """A missing or stale dashboard is built; a fresh one, or one from a source distribution, is taken as it is."""
    assert hatch_build.is_due(lay(tmp_path, built_s=built_s, source_s=source_s)) is due


def test_packages_are_not_sources(tmp_path: Path) -> None:
    """Installing npm packages does not make the dashboard due."""
    root = lay(tmp_path, built_s=NEW_S, source_s=OLD_S)
    (root / "ui" / "node_modules").mkdir()
    (root / "ui" / "node_modules" / "package.json").write_text("{}")
    assert not hatch_build.is_due(root)


def test_a_build_without_npm_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without npm the build stops with what to do, instead of packing half a product."""
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(RuntimeError, match=r"Node\.js"):
        hatch_build.build(tmp_path)
