"""The data folder and the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from narthex.cli.health.folders import data_folder


def test_a_folder_that_can_be_written(tmp_path: Path) -> None:
    """Nothing is left behind, and a missing folder is not made."""
    assert [finding.status for finding in data_folder(tmp_path, free_bytes=10**12)] == ["ok", "ok"]
    assert "will be made" in next(data_folder(tmp_path / "a/b")).detail
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot(tmp_path: Path) -> None:
    """The reason and the option that moves it are told."""
    (tmp_path / "file").touch()
    (finding,) = data_folder(tmp_path / "file")
    assert finding.status == "fail"
    assert "--data-dir" in str(finding.remedy)


@pytest.mark.parametrize(("free", "status"), [(10**10, "ok"), (10**8, "warn")])
def test_the_room_that_is_left(tmp_path: Path, free: int, status: str) -> None:
    """A nearly full disk is a remark."""
    assert [finding.status for finding in data_folder(tmp_path, free_bytes=free)] == ["ok", status]
