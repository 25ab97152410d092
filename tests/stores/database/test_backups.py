"""The file of a backup: whole, or not accepted."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.errors import BackupUnusable
from narthex.stores.database.backups import MANIFEST, BackupWriter, ColumnEntry, Row, new_backup, read_backup

COLUMNS = (ColumnEntry(name="id"), ColumnEntry(name="octets", encoding="base64"))
ROWS: list[Row] = [("a", b"\0\xff"), ("ü\n", None), (2**63 - 1, b"")]


def _write(path: Path, rows: list[Row] = ROWS) -> None:
    with new_backup(path, force=True) as writer:
        _fill(writer, rows)


def _fill(writer: BackupWriter, rows: list[Row]) -> None:
    writer.table("things", COLUMNS, rows)
    writer.finish(version="1.2.3", schema="0001", database="sqlite")


def _read(path: Path) -> list[Row]:
    with read_backup(path) as backup:
        return [row for table in backup.manifest.tables for row in backup.rows(table)]


def _broken() -> Iterator[Row]:
    yield ROWS[0]
    raise LookupError


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """With all values as they were, in a file for its user alone."""
    path = tmp_path / "a.nxb"
    _write(path)
    assert _read(path) == ROWS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with read_backup(path) as backup:
        assert (backup.manifest.narthex, backup.manifest.schema, backup.manifest.rows) == ("1.2.3", "0001", 3)


def test_a_backup_is_not_replaced_by_chance(tmp_path: Path) -> None:
    """Nor is anything left of one that failed halfway."""
    path = tmp_path / "a.nxb"
    _write(path)
    with pytest.raises(BackupUnusable, match="--force"), new_backup(path, force=False):
        pass
    with pytest.raises(LookupError), new_backup(path, force=True) as writer:
        writer.table("things", COLUMNS, _broken())
    assert _read(path) == ROWS
    assert list(tmp_path.iterdir()) == [path]


@given(place=st.integers(0, 1_000), change=st.integers(0, 255))
def test_no_damage_goes_unseen(tmp_path_factory: pytest.TempPathFactory, place: int, change: int) -> None:
    """A file with any octet changed, or cut anywhere, is refused, or reads as it was written."""
    path = tmp_path_factory.mktemp("damage") / "a.nxb"
    _write(path)
    whole = path.read_bytes()
    place %= len(whole)
    damaged = bytes([whole[place] ^ change]) + whole[place + 1 :] if change else b""
    path.write_bytes(whole[:place] + damaged)
    try:
        assert _read(path) == ROWS
    except BackupUnusable as error:
        assert "a.nxb" in str(error)  # noqa: PT017 - either is fine


def test_every_changed_octet_is_seen(tmp_path: Path) -> None:
    """Those too that have an archive begin before its file, or seem to be encrypted."""
    path = tmp_path / "a.nxb"
    _write(path)
    whole = path.read_bytes()
    for place, octet in enumerate(whole):
        for change in (1, 128, 255):
            path.write_bytes(whole[:place] + bytes([octet ^ change]) + whole[place + 1 :])
            with suppress(BackupUnusable):
                assert _read(path) == ROWS


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    """Other archives, other files, and those of a form to come are named as such."""
    path = tmp_path / "a.nxb"
    path.write_bytes(b"something else")
    with pytest.raises(BackupUnusable, match="no backup"):
        _read(path)
    for name, text, said in (("a", "{}", MANIFEST), (MANIFEST, '{"format": 2}', "install a newer one")):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, text)
        with pytest.raises(BackupUnusable, match=said):
            _read(path)


def test_a_row_that_does_not_fit_its_columns_is_refused(tmp_path: Path) -> None:
    """Even where the hash is right."""
    path = tmp_path / "a.nxb"
    _write(path, [("a", b"", "more")])
    with pytest.raises(BackupUnusable, match="3 values for 2 columns"):
        _read(path)
