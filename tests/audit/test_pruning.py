"""The oldest rows can go, and what is left can still be checked."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, func, select, update

from narthex.audit import Audit, pruning
from narthex.audit.checkpoints import Checkpoints, take
from narthex.audit.pruning import prune
from narthex.audit.verifying import verify
from narthex.stores.database import Database
from narthex.stores.database.schema import audit_entries, facts
from narthex.stores.sealing import Sealer
from tests.audit.filling import fill

table = audit_entries.c


def _aged(database: Database, count: int, *, ages: dict[int, float] | None = None) -> None:
    """Write rows, one each second from 1 on."""
    for second in range(1, count + 1):
        at = (ages or {}).get(second, float(second))
        fill(Audit(clock=partial(float, at)), database, 1)


def _seqs(database: Database) -> list[int]:
    return [*database.read_now(lambda connection: connection.scalars(select(table.seq).order_by(table.seq)).all())]


def test_a_prefix_goes_and_the_rest_is_whole(database: Database, sealer: Sealer, tmp_path: Path) -> None:
    """With a signed statement, and a row that says so."""
    checkpoints = Checkpoints(tmp_path)
    _aged(database, 20)
    take(database, sealer, checkpoints, at=1)
    assert prune(database, sealer, Audit(), checkpoints, before=11_000, at=30_000) == 10
    assert _seqs(database) == [*range(11, 22)]
    last = select(table.action, table.details).where(table.seq == 21)
    action, details = database.read_now(lambda connection: connection.execute(last).one())
    assert action == "audit.prune"
    assert (details["through"], details["rows"]) == (10, 10)
    take(database, sealer, checkpoints, at=2)
    verdict = verify(database, checkpoints)
    assert verdict.faults == []
    assert (verdict.first_seq, verdict.checkpoints) == (11, 3)


def test_a_younger_row_keeps_those_behind_it(database: Database, sealer: Sealer, tmp_path: Path) -> None:
    """Rows go as a prefix, whatever the clock did."""
    _aged(database, 10, ages={4: 99.0})
    assert prune(database, sealer, Audit(), Checkpoints(tmp_path), before=8_000, at=1) == 3
    assert _seqs(database)[0] == 4


def test_many_go_in_groups(database: Database, sealer: Sealer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction is long; the last row before stays."""
    monkeypatch.setattr(pruning, "_GROUP", 4)
    _aged(database, 10)
    assert prune(database, sealer, Audit(clock=lambda: 999.0), Checkpoints(tmp_path), before=500_000, at=1) == 10
    assert verify(database, Checkpoints(tmp_path)).is_whole
    assert prune(database, sealer, Audit(clock=lambda: 999.0), Checkpoints(tmp_path), before=500_000, at=1) == 0


def test_one_row_always_stays(database: Database, sealer: Sealer, tmp_path: Path) -> None:
    """The next one holds its hash; and what has no rows has nothing to go."""
    assert prune(database, sealer, Audit(), Checkpoints(tmp_path), before=10**12, at=1) == 0
    _aged(database, 1)
    assert prune(database, sealer, Audit(), Checkpoints(tmp_path), before=10**12, at=1) == 0


def test_more_than_what_was_let_go_is_found(database: Database, sealer: Sealer, tmp_path: Path) -> None:
    """Neither the statement nor the rows can be changed."""
    checkpoints = Checkpoints(tmp_path)
    _aged(database, 20)
    prune(database, sealer, Audit(), checkpoints, before=11_000, at=1)

    def further(connection: Connection) -> None:
        connection.execute(delete(audit_entries).where(table.seq < 14))

    database.write_now(further)
    assert verify(database, checkpoints).faults == ["rows 11 to 13: missing"]

    def statement(connection: Connection) -> None:
        value = dict(connection.scalar(select(facts.c.value).where(facts.c.name == "audit_pruned")) or {})
        hashed = connection.scalar(select(table.previous_hash).where(table.seq == 14))
        changed = {**value, "seq": 13, "hash": bytes(hashed or b"").hex()}
        connection.execute(update(facts).where(facts.c.name == "audit_pruned").values(value=changed))

    database.write_now(statement)
    assert "bears no valid signature" in verify(database, checkpoints).faults[0]


def test_all_rows_after_what_was_let_go_cannot_vanish(database: Database, sealer: Sealer, tmp_path: Path) -> None:
    """There is always one."""
    _aged(database, 5)
    prune(database, sealer, Audit(), Checkpoints(tmp_path), before=3_000, at=1)
    database.write_now(lambda connection: connection.execute(delete(audit_entries)).rowcount)
    assert database.read_now(lambda c: c.scalar(select(func.count()).select_from(audit_entries))) == 0
    assert any("there is always one" in fault for fault in verify(database, Checkpoints(tmp_path)).faults)
