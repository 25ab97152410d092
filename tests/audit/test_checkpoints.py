"""Checkpoints lie outside the database, signed, and survive whatever becomes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from narthex.audit import Audit
from narthex.audit.checkpoints import Checkpoints, take
from narthex.audit.signing import public_key
from narthex.errors import StoreUnavailable
from narthex.stores.database import Database
from narthex.stores.sealing import Sealer
from tests.audit.filling import fill


def test_a_checkpoint_tells_of_the_last_row(database: Database, sealer: Sealer, tmp_path: Path) -> None:
    """One for each state of the log: where nothing was added none is written."""
    checkpoints = Checkpoints(tmp_path / "away")
    assert take(database, sealer, checkpoints, at=1) is None
    fill(Audit(), database, 3)
    one = take(database, sealer, checkpoints, at=2)
    assert one is not None
    assert (one.kind, one.seq, one.rows, one.at) == ("checkpoint", 3, 3, 2)
    assert take(database, sealer, checkpoints, at=3) is None
    fill(Audit(), database, 1)
    other = take(database, sealer, checkpoints, at=4)
    key = database.read_now(public_key)
    assert key is not None
    assert checkpoints.signers() == [key.id]
    assert checkpoints.statements(key) == ([one, other], [])


@pytest.mark.parametrize("damage", [b"{", b'{"kind":"checkpoint"}', b"\xff"])
def test_a_damaged_line_is_told(database: Database, sealer: Sealer, tmp_path: Path, damage: bytes) -> None:
    """So is one that somebody else has written; the others count."""
    checkpoints = Checkpoints(tmp_path)
    fill(Audit(), database, 1)
    take(database, sealer, checkpoints, at=1)
    (path,) = tmp_path.glob("*.jsonl")
    good = path.read_bytes()
    path.write_bytes(good + damage + b"\n" + good.replace(b'"seq":1', b'"seq":7'))
    key = database.read_now(public_key)
    assert key is not None
    statements, faults = checkpoints.statements(key)
    assert [statement.seq for statement in statements] == [1]
    assert [fault.split(", ")[1].split(":")[0] for fault in faults] == ["line 2", "line 3"]


def test_a_folder_that_cannot_be_written_is_told(database: Database, sealer: Sealer, tmp_path: Path) -> None:
    """The error names it."""
    (tmp_path / "file").touch()
    fill(Audit(), database, 1)
    with pytest.raises(StoreUnavailable, match="cannot be written to"):
        take(database, sealer, Checkpoints(tmp_path / "file" / "in"), at=1)


def test_a_line_that_was_cut_spoils_no_other(database: Database, sealer: Sealer, tmp_path: Path) -> None:
    """When power or disk gave out while one was written, it is gone, and the next one stands by itself."""
    checkpoints = Checkpoints(tmp_path)
    fill(Audit(), database, 1)
    take(database, sealer, checkpoints, at=1)
    (path,) = tmp_path.glob("*.jsonl")
    path.write_bytes(path.read_bytes() * 2 + b'{"kind":"checkp')
    fill(Audit(), database, 1)
    take(database, sealer, checkpoints, at=2)
    key = database.read_now(public_key)
    assert key is not None
    statements, faults = checkpoints.statements(key)
    assert ([statement.seq for statement in statements], faults) == ([1, 1, 2], [])


def test_a_public_key_that_was_cut_is_written_again(database: Database, sealer: Sealer, tmp_path: Path) -> None:
    """An empty file beside the statements does not stay."""
    fill(Audit(), database, 1)
    take(database, sealer, Checkpoints(tmp_path), at=1)
    (path,) = tmp_path.glob("*.pem")
    whole = path.read_bytes()
    path.write_bytes(b"")
    fill(Audit(), database, 1)
    take(database, sealer, Checkpoints(tmp_path), at=2)
    assert path.read_bytes() == whole
