"""What has been kept for as long as it should be goes, and nothing else."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select

from narthex.audit import Actor, Audit
from narthex.audit.checkpoints import Checkpoints
from narthex.audit.verifying import verify
from narthex.config.audit_settings import RetentionSettings
from narthex.stores.database import Database
from narthex.stores.database.schema import alerts, api_keys, audit_entries, changes, ledger_entries
from narthex.stores.sealing import Sealer
from narthex.tenancy import retention
from narthex.tenancy.acting import Acting
from narthex.tenancy.organisations import ensure_defaults
from narthex.tenancy.records import WorkspaceSettings
from narthex.tenancy.retention import Kept, Sweeper, sweep
from narthex.tenancy.workspaces import update_workspace
from narthex.types.accounts import DEFAULT_ORGANISATION, DEFAULT_WORKSPACE
from narthex.types.ids import files_of
from tests.audit.filling import fill
from tests.tenancy.towns import Town

DAY_MS = 86_400_000
NOW_DAY = 1_000


@pytest.fixture
def kept(database: Database, sealer: Sealer, tmp_path: Path) -> Kept:
    """Data of a thousand days: an entry of the ledger and an alert for each tenth of them."""

    def work(connection: Connection) -> None:
        texts = {column.name: "" for column in ledger_entries.columns if column.type.python_type is str}
        numbers = {column.name: 0 for column in ledger_entries.columns if column.type.python_type in {int, bool}}
        days = range(0, NOW_DAY, 10)
        rows = [{**texts, **numbers, "id": f"e{day}", "at": day * DAY_MS} for day in days]
        connection.execute(insert(ledger_entries), rows)
        about = {"limit_id": "l", "organisation_id": "o", "percent": 80, "used": 1, "amount": 1, "period_start": 1}
        connection.execute(insert(alerts), [{**about, "id": f"a{day}", "at": day * DAY_MS} for day in days])

    database.write_now(work)
    return Kept(database, sealer, Audit(clock=lambda: NOW_DAY * 86_400.0), Checkpoints(tmp_path / "away"), tmp_path)


def _count(kept: Kept, table: object) -> int:
    query = select(func.count()).select_from(table)  # type: ignore[arg-type]
    return kept.database.read_now(lambda connection: connection.scalar(query)) or 0


def test_each_class_goes_after_its_own_time(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """In small groups; what has no time is kept for ever."""
    monkeypatch.setattr(retention, "_GROUP", 7)
    assert sweep(kept, RetentionSettings(), now_s=NOW_DAY * 86_400) == {}
    went = sweep(kept, RetentionSettings(ledger_days=100, alerts_days=500), now_s=NOW_DAY * 86_400)
    assert went == {"ledger": 90, "alerts": 50}
    assert (_count(kept, ledger_entries), _count(kept, alerts)) == (10, 50)


def test_old_entries_of_the_audit_log_go_and_the_rest_is_whole(kept: Kept) -> None:
    """Covered by a checkpoint before they go."""
    fill(Audit(clock=lambda: 500 * 86_400.0), kept.database, 5)
    fill(kept.audit, kept.database, 2)
    assert sweep(kept, RetentionSettings(audit_days=100), now_s=NOW_DAY * 86_400) == {"audit": 5}
    assert _count(kept, audit_entries) == 3
    verdict = verify(kept.database, kept.checkpoints)
    assert (verdict.faults, verdict.checkpoints) == ([], 2)


def test_files_go_by_their_age(kept: Kept) -> None:
    """Lines of the request log, and recordings."""
    for folder in ("logs", "recordings"):
        (kept.data_dir / folder).mkdir()
    lines = "".join(json.dumps({"at": day * 86_400, "key": "k"}) + "\n" for day in (10, 990))
    (kept.data_dir / "logs" / "requests.jsonl").write_text(lines)
    for day in (10, 990):
        path = kept.data_dir / "recordings" / str(day)
        path.touch()
        os.utime(path, (day * 86_400, day * 86_400))
    went = sweep(kept, RetentionSettings(requests_days=30, recordings_days=30), now_s=NOW_DAY * 86_400)
    assert went == {"requests": 1, "recordings": 1}
    assert [path.name for path in (kept.data_dir / "recordings").iterdir()] == ["990"]


def test_a_sweeper_sweeps_and_ends(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself, soon after the start."""
    monkeypatch.setattr(retention, "_FIRST_S", 0.0)
    sweeper = Sweeper(kept, RetentionSettings(ledger_days=100))
    sweeper.start()
    for _ in range(1_000):
        if _count(kept, ledger_entries) == 0:
            break
    sweeper.close()
    assert _count(kept, ledger_entries) == 0


def test_changes_that_all_have_read_go_every_hour(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """More often than anything else: they are for other processes alone."""
    monkeypatch.setattr(retention, "_FIRST_S", 0.0)
    monkeypatch.setattr(retention, "_HOUR_S", 0.01)
    town, swept = Town(kept.database), list[float]()
    for _ in range(3):
        town.do(town.by(now=1_000).changed, "key", "k")
    monkeypatch.setattr(retention, "sweep", lambda *_, now_s: swept.append(now_s))
    sweeper = Sweeper(kept, RetentionSettings())
    sweeper.start()
    deadline = time.monotonic() + 10
    while _count(kept, changes) > 1 or not swept:
        assert time.monotonic() < deadline
    sweeper.close()
    assert len(swept) == 1


def test_a_workspace_has_its_own_time(kept: Kept) -> None:
    """For lines of the request log and recordings; the shorter of its time and that of the configuration counts."""
    town = Town(kept.database)
    organisation = town.organisation()
    short, plain = (
        town.workspace(organisation, settings=WorkspaceSettings(retention_days=days)).id for days in (2, None)
    )
    owners = {f"workspace:{short}": short, f"workspace:{plain}": plain, "key:local": "ws_default"}
    for folder in ("logs", "recordings"):
        (kept.data_dir / folder).mkdir()
    lines = [{"at": day * 86_400, "key": "k", "workspace": one} for one in owners.values() for day in (990, 999)]
    (kept.data_dir / "logs" / "requests.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for owner in owners:
        for day in (990, 999):
            path = kept.data_dir / "recordings" / f"{files_of(owner)}{day}"
            path.touch()
            os.utime(path, (day * 86_400, day * 86_400))
    now_s = NOW_DAY * 86_400
    assert sweep(kept, RetentionSettings(), now_s=now_s) == {"requests": 1, "recordings": 1}
    assert f"{files_of(f'workspace:{short}')}990" not in [one.name for one in (kept.data_dir / "recordings").iterdir()]
    _set_default(kept, 2)
    own = kept._replace(default_owners=["key:local"])
    assert sweep(own, RetentionSettings(), now_s=now_s) == {"requests": 1, "recordings": 1}
    assert sweep(own, RetentionSettings(requests_days=5), now_s=now_s) == {"requests": 1}


def _set_default(kept: Kept, days: int) -> None:
    town = Town(kept.database)
    settings = WorkspaceSettings(retention_days=days)
    kept.database.write_now(lambda connection: ensure_defaults(connection, town.by()))
    town.do(lambda one: update_workspace(one, town.by(), DEFAULT_WORKSPACE, {"settings": settings}))


def test_servers_learn_that_keys_went(kept: Kept) -> None:
    """They hold them in memory."""

    def work(connection: Connection) -> None:
        acting = Acting(actor=Actor("cli", ""), audit=kept.audit, now=1)
        ensure_defaults(connection, acting)
        key = {"organisation_id": DEFAULT_ORGANISATION, "workspace_id": DEFAULT_WORKSPACE, "version": 1, "name": "k"}
        more = {"shown": "sk", "scopes": {}, "tags": {}, "priority": "normal", "created_at": 1, "revoked_at": 1}
        connection.execute(insert(api_keys).values(**key, **more, digest=bytes(32), id="key_old"))

    kept.database.write_now(work)
    assert sweep(kept, RetentionSettings(keys_days=5), now_s=NOW_DAY * 86_400) == {"keys": 1}
    told = kept.database.read_now(lambda c: c.exec_driver_sql("SELECT kind, subject FROM changes").all())
    assert ("key", "key_old") in {(kind, subject) for kind, subject in told}


def test_a_fault_of_ours_ends_no_sweeping(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again."""
    tried = threading.Semaphore(0)

    def broken(*_: object, **__: object) -> dict[str, int]:
        tried.release()
        raise ValueError("a fault")

    monkeypatch.setattr(retention, "_FIRST_S", 0.0)
    monkeypatch.setattr(retention, "_HOUR_S", 0.01)
    monkeypatch.setattr(retention, "_ROUNDS", 1)
    monkeypatch.setattr(retention, "sweep", broken)
    monkeypatch.setattr(retention, "prune_changes", broken)
    sweeper = Sweeper(kept, RetentionSettings())
    sweeper.start()
    assert tried.acquire(timeout=10)
    assert tried.acquire(timeout=10)
    sweeper.close()
