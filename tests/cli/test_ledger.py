"""`narthex ledger`."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from sqlalchemy import update

from narthex.ledger.book import Book
from narthex.ledger.entries import Entry
from narthex.ledger.rows import add_entries
from narthex.stores.database import Database
from narthex.stores.database.schema import usage_hours
from tests.cli.conftest import Invoke
from tests.ledger.calls import entry, opened
from tests.stores.databases import doing


@pytest.fixture(autouse=True)
def folder(home: Path, invoke: Invoke) -> Path:
    """A ledger with some entries, in the folder that is configured."""
    (home / "narthex.toml").write_text('data_dir = "data"\n', encoding="utf-8")
    assert invoke("db", "migrate").exit_code == 0
    place = {"organisation_id": "org_default", "workspace_id": "ws_default", "key_id": "local"}
    entries = [entry(n, price_id="", cost_picousd=0, **place) for n in range(4)]
    _write(home / "data", lambda connection: add_entries(connection, entries))
    return home / "data"


def _write(folder: Path, work: object) -> None:
    database = Database.open_now(None, data_dir=folder)
    database.write_now(work)  # type: ignore[arg-type]
    database.close_now()


def test_entries_are_listed_and_written(invoke: Invoke) -> None:
    """The newest first, or all of them into a file."""
    told = json.loads(invoke("ledger", "list", "--limit", "2", "--json").stdout)
    assert [one["id"] for one in told] == ["req_3:0", "req_2:0"]
    result = invoke("ledger", "list", "--limit", "2")
    assert "req_3:0" in result.stdout
    assert "there are more" in result.stderr
    (row,) = csv.DictReader(io.StringIO(invoke("ledger", "export", "--only", "request=req_1").stdout))
    assert row["id"] == "req_1:0"


def test_what_is_right_is_told_to_be(invoke: Invoke) -> None:
    """With an exit code for programs."""
    result = invoke("ledger", "verify")
    assert (result.exit_code, "all of it is right" in result.stdout) == (0, True)


def test_what_is_wrong_is_told_and_can_be_brought_right(invoke: Invoke, folder: Path) -> None:
    """Where, and what it should be."""
    _write(folder, doing(update(usage_hours).values(requests=7)))
    result = invoke("ledger", "verify")
    assert (result.exit_code, "requests is 7, not 4" in result.stdout) == (1, True)
    assert json.loads(invoke("ledger", "verify", "--json").stdout)["findings"][0]["check"] == "hours"
    repaired = invoke("ledger", "verify", "--repair")
    assert (repaired.exit_code, "1 hour and 0 days again" in repaired.stderr) == (0, True)


class _Nowhere:
    def add(self, entries: list[Entry]) -> int:
        """Take nothing."""
        raise AssertionError


def test_the_journal_of_a_node_that_is_gone_is_taken_over(invoke: Invoke, home: Path) -> None:
    """What is in it is written once; the journal of a process that lives is left alone."""
    environ = {"NARTHEX_DATA_DIR": str(home / "data")}
    book = Book(home / "away", _Nowhere())  # type: ignore[arg-type]  # never asked
    book.opened(opened(11), None)
    book.settled("req_11", (entry(11),))
    book.opened(opened(12), None)
    recover = ("ledger", "recover", "--journal", str(home / "away"))
    lives = invoke(*recover, **environ)
    assert (lives.stdout, "1 journals" in lives.stderr) == (_told(0, 0), True)
    (folder,) = (home / "away").iterdir()
    shutil.copytree(folder, home / "copied" / folder.name)
    from_copy = ("ledger", "recover", "--journal", str(home / "copied"))
    assert invoke(*from_copy, **environ).stdout == _told(1, 2)
    assert invoke(*from_copy, **environ).stdout == _told(0, 0)
    book.close(timeout_s=0.1)
    # The same once more: nothing is counted twice.
    assert invoke(*recover, **environ).stdout == _told(1, 0)
    assert invoke("ledger", "recover", **environ).stdout == _told(0, 0)


def _told(journals: int, entries: int) -> str:
    return f"{journals} journals taken over: {entries} entries that the ledger did not have\n"
