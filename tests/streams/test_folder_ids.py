"""A folder keeps its ID."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from narthex.streams.folder_ids import FILE, folder_id


def test_a_folder_keeps_its_id(tmp_path: Path) -> None:
    """Asked by whomever, at once or later, and where it is moved; another one has another."""
    folder = tmp_path / "a" / "recordings"
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: folder_id(folder), range(16)))
    assert len(found) == 1
    assert [one.name for one in folder.iterdir()] == [FILE]
    moved = folder.rename(tmp_path / "b")
    assert {folder_id(moved)} == found
    assert folder_id(folder) not in found


def test_what_is_no_id_is_replaced(tmp_path: Path) -> None:
    """As a file that a crash of the machine has emptied."""
    for broken in (b"", b"\xff\xfe", b"not one"):
        (tmp_path / FILE).write_bytes(broken)
        assert folder_id(tmp_path) == folder_id(tmp_path)


def test_where_nothing_can_be_written_there_is_one_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """For as long as the process runs; the log says so."""
    (tmp_path / "file").write_text("")
    assert len(folder_id(tmp_path / "file" / "recordings")) == 16
    assert "counted anew" in caplog.text
