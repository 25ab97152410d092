"""The step that writes the next step of the schema."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table

from narthex.stores.database.migrations import KNOWN, VERSIONS, alembic
from narthex.stores.database.schema import metadata
from scripts import migration


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the steps, in which others may be written."""
    folder = tmp_path / "migrations" / "versions"
    shutil.copytree(VERSIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for module in (migration, alembic):
        monkeypatch.setattr(module, "VERSIONS", folder)
    monkeypatch.setattr(migration, "RELEASED", tmp_path)
    return folder


def _with_a_column_more() -> MetaData:
    changed = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.sorted_tables:
        table.to_metadata(changed)
    Table("facts", changed, Column("more", Integer), extend_existing=True)
    return changed


def test_without_a_difference_nothing_is_written(
    steps: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The steps there are lead to the schema there is."""
    before = sorted(steps.glob("*.py"))
    monkeypatch.setattr(sys, "argv", ["migration", "no", "change"])
    assert migration.main() == 0
    assert "nothing to write" in capsys.readouterr().out
    assert sorted(steps.glob("*.py")) == before


def test_a_difference_becomes_a_step(steps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It follows the last one, and holds the difference and no more."""
    monkeypatch.setattr(alembic, "metadata", _with_a_column_more())
    path = migration.write_step("0099", KNOWN[-1], "one column more")
    assert path is not None
    assert path == steps / "v0099_one_column_more.py"
    text = path.read_text(encoding="utf-8")
    assert f'down_revision = "{KNOWN[-1]}"' in text
    assert text.count("add_column") == 1
    assert "create_table" not in text
