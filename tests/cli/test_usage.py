"""`narthex usage`."""

from __future__ import annotations

import csv
import io
import json
import time
from decimal import Decimal
from pathlib import Path

import pytest

from narthex.ledger.rows import add_entries
from narthex.stores.database import Database
from tests.cli.conftest import Invoke
from tests.ledger.calls import entry

NOW = int(time.time() * 1_000)


@pytest.fixture(autouse=True)
def used(home: Path) -> None:
    """A ledger with some entries of this moment, in the folder that is configured."""
    (home / "narthex.toml").write_text('data_dir = "data"\n', encoding="utf-8")
    database = Database.open_now(None, data_dir=home / "data")
    entries = [entry(n, at=NOW, tags="team=a,urgent", model=f"acme/{n % 2}", cost_picousd=10**12) for n in range(5)]
    database.write_now(lambda connection: add_entries(connection, entries))
    database.close_now()


def test_it_tells_who_used_what(invoke: Invoke) -> None:
    """For people in columns with a total, for programs in JSON."""
    text = invoke("usage", "show", "--by", "model,tag:team").stdout
    assert "acme/0" in text
    assert text.splitlines()[-1].split()[:2] == ["total", "5"]
    told = json.loads(invoke("usage", "show", "--by", "model", "--only", "model=acme/0", "--json").stdout)
    assert [(row["model"], row["cost_usd"]) for row in told["data"]] == [("acme/0", "3")]
    assert told["total"]["requests"] == 3


def test_rows_that_overlap_are_said_to(invoke: Invoke) -> None:
    """Each tag has its own, and a call may have several."""
    result = invoke("usage", "show", "--by", "tag", "--period", "day")
    assert "more than the total" in result.stderr
    assert "urgent" in result.stdout


def test_a_forecast_is_marked_as_an_estimate(invoke: Invoke) -> None:
    """And tells no interval where little is known."""
    told = json.loads(invoke("usage", "forecast", "--json").stdout)
    assert (told["estimate"], told["method"], told["low_usd"]) == (True, "rate", None)
    assert "expected_usd" in invoke("usage", "forecast", "--period", "week").stdout


def test_exports_are_written(invoke: Invoke, home: Path) -> None:
    """To standard output, or into a file."""
    rows = list(csv.DictReader(io.StringIO(invoke("usage", "export", "--what", "focus").stdout)))
    assert sum(Decimal(row["BilledCost"]) for row in rows) == 5
    assert "wrote" in invoke("usage", "export", "--format", "jsonl", "-o", "out.jsonl").stderr
    assert sum(json.loads(line)["requests"] for line in (home / "out.jsonl").read_text().splitlines()) == 5


@pytest.mark.parametrize("words", [("--by", "modle"), ("--only", "model"), ("--from", "soon")])
def test_what_cannot_be_asked_is_told(invoke: Invoke, words: tuple[str, ...]) -> None:
    """In one line, with an exit code."""
    result = invoke("usage", "show", *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
