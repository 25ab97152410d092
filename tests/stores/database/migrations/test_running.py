"""The schema is brought up whole or not at all, by one process at a time."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect, text

from narthex.errors import SchemaNewer, StoreCorrupt
from narthex.stores.database import Database, opening
from narthex.stores.database.migrations import HEAD, VERSIONS, alembic, running
from scripts.migration import RELEASED
from tests.stores.databases import doing, load_dump

NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    with op.batch_alter_table("organisations") as batch:
        batch.add_column(sa.Column("motto", sa.String(20), nullable=False, server_default="semper"))
        batch.alter_column("name", type_=sa.String(300))
    {last}
"""
OPEN = "import sys; from pathlib import Path; from narthex.stores.database import Database as D; {}"


def _columns(connection: Connection) -> list[str]:
    return [column["name"] for column in inspect(connection).get_columns("organisations")]


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of steps, for this version as if it had schema 0002."""
    folder = tmp_path / "steps" / "versions"
    shutil.copytree(VERSIONS, folder, ignore=shutil.ignore_patterns("__pycache__", "v000[2-9]*"))
    monkeypatch.setattr(alembic, "VERSIONS", folder)
    monkeypatch.setattr(running, "KNOWN", ("0001", "0002"))
    for module in (running, opening):
        monkeypatch.setattr(module, "HEAD", "0002")
    return folder


def test_a_table_that_others_belong_to_is_changed(kind: str, empty_url: str, steps: Path, tmp_path: Path) -> None:
    """Its rows and theirs stay, and they still belong together."""
    (steps / "v0002_next.py").write_text(NEXT.format(last="pass"), encoding="utf-8")
    load_dump(empty_url, RELEASED / f"0001.{kind}.sql")
    database = Database.open_now(empty_url, data_dir=tmp_path)
    assert "motto" in database.read_now(_columns)
    assert database.read_now(running.version_of) == "0002"
    assert database.read_now(lambda connection: connection.scalar(text("SELECT count(*) FROM workspaces"))) == 1
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        database.write_now(doing("DELETE FROM organisations"))
    database.close_now()


def test_a_step_that_fails_leaves_all_as_it_was(kind: str, empty_url: str, steps: Path, tmp_path: Path) -> None:
    """Nothing of it stays, and the schema keeps its number."""
    last = "op.execute('DELETE FROM facts')\n    raise RuntimeError('no')"
    (steps / "v0002_next.py").write_text(NEXT.format(last=last), encoding="utf-8")
    load_dump(empty_url, RELEASED / f"0001.{kind}.sql")
    with pytest.raises(RuntimeError, match="no"):
        Database.open_now(empty_url, data_dir=tmp_path)
    database = Database.open_now(empty_url, data_dir=tmp_path, migrate=False)
    assert "motto" not in database.read_now(_columns)
    assert database.read_now(running.version_of) == "0001"
    database.close_now()


def test_a_step_may_leave_no_orphans(steps: Path, tmp_path: Path) -> None:
    """In SQLite, where a step may delete what others belong to, it is found and undone."""
    (steps / "v0002_next.py").write_text(NEXT.format(last="op.execute('DELETE FROM organisations')"), encoding="utf-8")
    url = f"sqlite:///{tmp_path / 'main.db'}"
    load_dump(url, RELEASED / "0001.sqlite.sql")
    with pytest.raises(StoreCorrupt, match="belong to rows of 'organisations'"):
        Database.open_now(url, data_dir=tmp_path)


@pytest.mark.parametrize("version", ["0002", "9999", "abc"])
def test_a_newer_schema_is_refused(database_url: str, tmp_path: Path, version: str) -> None:
    """So is one that was never ours; the remedy is named, and nothing is touched."""
    database = Database.open_now(database_url, data_dir=tmp_path)
    database.write_now(doing(f"UPDATE alembic_version SET version_num = '{version}'"))  # noqa: S608
    database.close_now()
    with pytest.raises(SchemaNewer, match=f"has schema {version}.*knows {HEAD}.*install the version that used it last"):
        Database.open_now(database_url, data_dir=tmp_path)


def test_tables_without_a_number_are_refused(database_url: str, tmp_path: Path) -> None:
    """What they are cannot be known."""
    database = Database.open_now(database_url, data_dir=tmp_path)
    database.write_now(doing("DELETE FROM alembic_version"))
    database.close_now()
    with pytest.raises(StoreCorrupt, match="narthex db restore"):
        Database.open_now(database_url, data_dir=tmp_path)


def test_processes_that_start_at_once_do_not_disturb_one_another(empty_url: str, tmp_path: Path) -> None:
    """One makes the tables, the others wait for it."""
    program = OPEN.format("sys.stdin.read(); D.open_now(sys.argv[1], data_dir=Path(sys.argv[2])).close_now()")
    command = [sys.executable, "-c", program, empty_url, str(tmp_path)]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(3)]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait() for process in started] == [0, 0, 0]
    database = Database.open_now(empty_url, data_dir=tmp_path)
    assert database.read_now(lambda connection: connection.scalar(text("SELECT count(*) FROM alembic_version"))) == 1
    database.close_now()


def test_alembic_is_loaded_only_when_something_is_due(tmp_path: Path) -> None:
    """Neither a new database nor one that is up to date needs it."""
    program = OPEN.format(
        "D.open_now(None, data_dir=Path(sys.argv[1])).close_now(); sys.exit('alembic' in sys.modules)"
    )
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == 0
