"""`narthex ledger reconcile`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import update

from narthex.ledger.rows import add_entries
from narthex.stores.database import Database
from narthex.stores.database.schema import usage_hours
from tests.cli.conftest import Invoke
from tests.ledger.calls import entry
from tests.stores.databases import doing

DAY = 1_793_491_200_000
"""The first of November 2026."""


@pytest.fixture(autouse=True)
def statement(home: Path, invoke: Invoke) -> Path:
    """A ledger with some entries, and a statement that is about them."""
    (home / "narthex.toml").write_text('data_dir = "data"\n', encoding="utf-8")
    assert invoke("db", "migrate").exit_code == 0
    place = {"organisation_id": "org_default", "workspace_id": "ws_default", "key_id": "local", "price_id": ""}
    entries = [entry(n, at=DAY + n, cost_picousd=0, **place) for n in range(4)]
    database = Database.open_now(None, data_dir=home / "data")
    database.write_now(lambda connection: add_entries(connection, entries))
    database.close_now()
    path = home / "costs.csv"
    path.write_text("date,model,cost_usd\n2026-11-01,one,0.25\n", encoding="utf-8")
    return path


def test_differences_are_told_and_corrected_once(invoke: Invoke, statement: Path) -> None:
    """With an exit code for programs; afterwards the ledger agrees, verifies, and shows corrections apart."""
    base = ("ledger", "reconcile", str(statement), "--provider", "acme")
    result = invoke(*base)
    assert (result.exit_code, "1 difference, 0.25 US dollars" in result.stdout) == (1, True)
    (one,) = json.loads(invoke(*base, "--json").stdout)["differences"]
    assert (one["difference"], one["model"]) == ({"cost_usd": "0.25"}, "acme/one")
    result = invoke(*base, "--apply")
    assert (result.exit_code, "wrote 1 correction," in result.stderr) == (0, True)
    result = invoke(*base, "--apply")
    assert "wrote 0 corrections" in result.stderr
    result = invoke(*base)
    assert (result.exit_code, result.stdout) == (0, "the ledger agrees with the statement\n")
    assert invoke("ledger", "verify").exit_code == 0
    told = json.loads(invoke("usage", "show", "--from", "2026-11-01", "--by", "operation", "--json").stdout)
    assert {row["operation"]: row["cost_usd"] for row in told["data"]} == {"correction": "0.25", "chat": "0"}
    assert invoke("audit", "verify").exit_code == 0


def test_sums_that_are_wrong_are_summed_up_again(invoke: Invoke, home: Path, statement: Path) -> None:
    """Of the days that the statement is about."""
    database = Database.open_now(None, data_dir=home / "data")
    database.write_now(doing(update(usage_hours).values(requests=9)))
    database.close_now()
    base = ("ledger", "reconcile", str(statement), "--provider", "acme", "--tolerance", "1")
    result = invoke(*base)
    assert (result.exit_code, "2026-11-01T00:00:00Z are not those of its entries" in result.stdout) == (1, True)
    assert invoke(*base, "--apply").exit_code == 0
    assert invoke(*base).exit_code == 0
    assert invoke("ledger", "verify").exit_code == 0


def test_what_cannot_be_is_said(invoke: Invoke, statement: Path) -> None:
    """Before anything is written."""
    for arguments, says in (
        ((), "--provider"),
        (("--provider", "acme", "--workspace", "none"), "no workspace"),
        (("--provider", "acme", "--map", "one"), "THEIRS=OURS"),
        (("--provider", "acme", "--from", "2027-01-01"), "no day of that time"),
    ):
        result = invoke("ledger", "reconcile", str(statement), *arguments)
        assert result.exit_code != 0
        assert says in result.stderr
    result = invoke("ledger", "reconcile", "-", text="nonsense")
    assert "without a day" in result.stderr
