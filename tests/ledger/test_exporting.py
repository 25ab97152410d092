"""The ledger for other programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal

import pytest
from pyarrow import parquet
from sqlalchemy import Connection

from narthex.errors import InvalidRequest
from narthex.ledger.entries import Entry
from narthex.ledger.exporting import WHATS, export
from narthex.ledger.formats import FORMATS
from narthex.ledger.periods import DAY_MS, HOUR_MS
from narthex.ledger.rows import add_entries
from narthex.ledger.usage import question, usage
from narthex.stores.database import Database
from tests.ledger.calls import entry

BEGIN = 1_793_491_200_000
UNTIL = BEGIN + 70 * DAY_MS


def _written(database: Database, count: int = 60) -> list[Entry]:
    entries = [
        entry(
            n,
            at=BEGIN + n * 27 * HOUR_MS,
            model=f"acme/{n % 3}",
            tags="team==1+1" if n % 2 else "",
            cost_picousd=n * 1_000_001,
            estimated=n % 4 == 0,
        )
        for n in range(count)
    ]
    database.write_now(lambda connection: add_entries(connection, entries))
    return entries


@pytest.mark.parametrize("period", [None, "hour", "day", "week", "month"])
def test_sums_are_exported_as_they_are_told(database: Database, period: str | None) -> None:
    """Of every period each once, though they are read in parts."""
    _written(database)
    asked = question(since=BEGIN + 5, until=UNTIL, by=["model", "tag:team"], period=period)
    text = b"".join(export(database.read_now, asked, what="usage", form="csv")).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    expected = database.read_now(lambda connection: usage(connection, asked))
    assert sorted((row["model"], int(row["attempts"]), Decimal(row["cost_usd"])) for row in rows) == sorted(
        (row.values[0], row.sums.attempts, Decimal(row.sums.cost_picousd) / 10**12) for row in expected
    )
    assert {row["tag_team"] for row in rows} == {"", "'=1+1"}
    assert ("period_start" in rows[0]) == (period is not None)


def test_entries_are_exported_whole(database: Database) -> None:
    """In order, with exact amounts, in each format alike."""
    entries = _written(database)
    asked = question(since=0, until=UNTIL)
    parts = {form: b"".join(export(database.read_now, asked, what="entries", form=form)) for form in FORMATS}
    told = json.loads(parts["json"])
    assert [row["id"] for row in told] == [one.id for one in entries]
    assert [json.loads(line) for line in parts["jsonl"].splitlines()] == told
    assert told[1]["cost_usd"] == "0.000001000001"
    assert told[0]["at"] == "2026-11-01T00:00:00.000Z"
    table = parquet.read_table(io.BytesIO(parts["parquet"])).to_pylist()
    assert [(row["id"], str(row["cost_usd"].normalize()), row["estimated"]) for row in table] == [
        (row["id"], str(Decimal(row["cost_usd"]).normalize()), row["estimated"]) for row in told
    ]
    assert sum(1 for _ in csv.reader(io.StringIO(parts["csv"].decode()))) == len(entries) + 1


def test_costs_in_the_format_of_focus_make_up_what_was_spent(database: Database) -> None:
    """To the last picodollar, in rows of a day or of an hour."""
    entries = _written(database)
    for period in ("day", "hour"):
        asked = question(since=0, until=UNTIL, period=period)
        text = b"".join(export(database.read_now, asked, what="focus", form="csv")).decode()
        rows = list(csv.DictReader(io.StringIO(text)))
        assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal(sum(e.cost_picousd for e in entries)) / 10**12
        assert all(row["BilledCost"] == row["EffectiveCost"] for row in rows)


def test_no_more_is_read_than_was_taken(database: Database) -> None:
    """An export of years does not wait until all of it is read, nor begins where nothing was."""
    _written(database)
    reads = 0

    def counted(work: Callable[[Connection], object]) -> object:
        nonlocal reads
        reads += 1
        return database.read_now(work)

    asked = question(since=0, until=UNTIL, by=["model"], period="hour")
    told = export(counted, asked, what="usage", form="jsonl")  # type: ignore[arg-type]
    next(told)
    assert reads == 2
    list(told)
    assert reads < 75


def test_where_nothing_was_used_an_export_is_a_table_without_rows(database: Database) -> None:
    """As every reader takes it."""
    for what in WHATS:
        assert (
            json.loads(b"".join(export(database.read_now, question(since=0, until=UNTIL), what=what, form="json")))
            == []
        )


def test_what_cannot_be_exported_is_told_before_anything_is_written(database: Database) -> None:
    """So that an answer has not begun yet."""
    asked = question(since=0, until=UNTIL)
    with pytest.raises(InvalidRequest, match="usage, entries, focus"):
        export(database.read_now, asked, what="prompts", form="csv")
    with pytest.raises(InvalidRequest, match="there are csv"):
        export(database.read_now, asked, what="usage", form="xlsx")
