"""`narthex db`."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import insert

from narthex.stores.database import Database
from narthex.stores.database.migrations import HEAD
from narthex.stores.database.schema import facts
from tests.cli.conftest import Invoke
from tests.stores.databases import doing


def _made(folder: Path) -> str:
    database = Database.open_now(None, data_dir=folder)
    database.write_now(doing(insert(facts).values(name="a", value={"n": 1})))
    database.close_now()
    return str(folder)


def test_without_a_database_the_remedy_is_told(invoke: Invoke, home: Path) -> None:
    """Nothing is made by looking; `migrate` makes it, and then there is nothing left to do."""
    environ = {"NARTHEX_DATA_DIR": str(home / "data")}
    for words in (("status",), ("check",), ("backup",)):
        result = invoke("db", *words, **environ)
        assert (result.exit_code, "narthex db migrate" in result.stderr) == (69, True)
    assert not (home / "data").exists()
    assert invoke("db", "migrate", **environ).stdout == f"from schema none to {HEAD}\n"
    assert invoke("db", "migrate", **environ).stdout == f"schema {HEAD} already\n"


def test_it_says_how_it_stands(invoke: Invoke, home: Path) -> None:
    """For people in columns, for programs in JSON."""
    folder = _made(home / "data")
    text = invoke("db", "status", NARTHEX_DATA_DIR=folder).stdout
    assert f"{folder}/main.db" in text
    assert f"schema {HEAD}," in text
    assert json.loads(invoke("db", "status", "--json", NARTHEX_DATA_DIR=folder).stdout)["rows"]["facts"] == 1


def test_a_backup_comes_back_elsewhere(invoke: Invoke, home: Path) -> None:
    """Into another database, while the first one is open; not over anything, unless it is said."""
    folder = _made(home / "data")
    running = Database.open_now(None, data_dir=home / "data")
    result = invoke("db", "backup", "monday.nxb", NARTHEX_DATA_DIR=folder)
    assert "wrote monday.nxb: 1 rows" in result.stdout
    assert "master key" in result.stderr
    running.close_now()
    assert invoke("db", "backup", "monday.nxb", NARTHEX_DATA_DIR=folder).exit_code == 1
    named = json.loads(invoke("db", "backup", "--json", NARTHEX_DATA_DIR=folder).stdout)
    assert (home / named["path"]).stat().st_size == named["size_bytes"]
    other = {"NARTHEX_DATABASE__URL": f"sqlite:///{home}/other.db"}
    assert invoke("db", "restore", "monday.nxb", **other).stdout == f"restored 1 rows of schema {HEAD}, from sqlite\n"
    again = invoke("db", "restore", "monday.nxb", **other)
    assert (again.exit_code, "--force" in again.stderr) == (1, True)
    assert invoke("db", "restore", "monday.nxb", "--force", **other).exit_code == 0
    assert invoke("db", "check", **other).stdout == "it is whole\n"


def test_what_is_wrong_is_told(invoke: Invoke, home: Path) -> None:
    """A fault ends the command with 1, an address that is none with 78, a newer schema with 69."""
    folder = _made(home / "data")
    database = Database.open_now(None, data_dir=home / "data")
    database.write_now(doing("DROP INDEX ix_ledger_entries_at"))
    result = invoke("db", "check", NARTHEX_DATA_DIR=folder)
    assert (result.exit_code, "something else has changed them" in result.stdout) == (1, True)
    assert len(json.loads(invoke("db", "check", "--json", NARTHEX_DATA_DIR=folder).stdout)["faults"]) == 1
    database.write_now(doing("UPDATE alembic_version SET version_num = '9999'"))
    database.close_now()
    assert invoke("db", "migrate", NARTHEX_DATA_DIR=folder).exit_code == 69
    assert invoke("db", "status", NARTHEX_DATABASE__URL="mysql://host/name").exit_code == 78


def test_a_file_that_is_not_there_cannot_be_restored(invoke: Invoke, home: Path) -> None:
    """It is said by its name."""
    result = invoke("db", "restore", "none.nxb", NARTHEX_DATA_DIR=str(home / "data"))
    assert (result.exit_code, "none.nxb" in result.stderr) == (1, True)
