"""A server signs what its log holds while it runs, and once more when it stops."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from narthex.audit import Audit
from narthex.audit.checkpoints import Checkpoints
from narthex.audit.checkpoints import take as checkpoint
from narthex.audit.keeper import AuditKeeper
from narthex.audit.verifying import verify
from narthex.stores.database import Database
from narthex.stores.sealing import Sealer
from tests.audit.filling import ADA


def test_what_was_noted_until_the_stop_is_covered(database: Database, sealer: Sealer, tmp_path: Path) -> None:
    """The last checkpoint speaks for the last row."""
    keeper = AuditKeeper(Audit(), Checkpoints(tmp_path), interval_s=3_600)
    keeper.open(database, sealer)
    for number in range(5):
        keeper.audit.note("session.sign_in", actor=ADA, target=str(number))
    keeper.close()
    verdict = verify(database, Checkpoints(tmp_path))
    assert (verdict.is_whole, verdict.rows, verdict.covered_seq) == (True, 5, 5)


def test_checkpoints_are_taken_while_it_runs(database: Database, sealer: Sealer, tmp_path: Path) -> None:
    """One for each interval in which something was added."""
    before = set(threading.enumerate())
    keeper = AuditKeeper(Audit(), Checkpoints(tmp_path), interval_s=0.01)
    keeper.open(database, sealer)
    for number in range(2):
        keeper.audit.note("session.sign_in", actor=ADA)
        for _ in range(3_000):
            if verify(database, Checkpoints(tmp_path)).covered_seq > number:
                break
            time.sleep(0.01)
    assert verify(database, Checkpoints(tmp_path)).covered_seq == 2
    keeper.close()
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("audit")]


def test_a_folder_that_cannot_be_written_stops_nothing(
    database: Database, sealer: Sealer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said in the log of the server."""
    (tmp_path / "file").touch()
    keeper = AuditKeeper(Audit(), Checkpoints(tmp_path / "file"), interval_s=3_600)
    keeper.open(database, sealer)
    keeper.audit.note("session.sign_in", actor=ADA)
    keeper.close()
    assert "no checkpoint of the audit log was written" in caplog.text


def test_a_fault_of_ours_ends_no_checkpoints(
    database: Database, sealer: Sealer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one is tried, and the stop goes on."""
    tries = list[str]()

    def take(*given: object, **more: object) -> object:
        tries.append("one")
        if len(tries) == 1:
            raise ValueError("a fault")
        return checkpoint(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("narthex.audit.keeper.take", take)
    keeper = AuditKeeper(Audit(), Checkpoints(tmp_path), interval_s=0.01)
    keeper.open(database, sealer)
    keeper.audit.note("session.sign_in", actor=ADA)
    keeper.audit.flush()
    for _ in range(3_000):
        if verify(database, Checkpoints(tmp_path)).covered_seq:
            break
        time.sleep(0.01)
    assert verify(database, Checkpoints(tmp_path)).covered_seq == 1
    keeper.close()
