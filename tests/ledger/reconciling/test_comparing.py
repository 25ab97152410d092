"""The ledger held against statements."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, insert, select

from narthex.errors import InvalidRequest
from narthex.ledger.dimensions import ENTRIES
from narthex.ledger.entries import Entry
from narthex.ledger.periods import DAY_MS
from narthex.ledger.reconciling.comparing import ALL_MODELS, OTHER, Difference, Scope, apply, compare
from narthex.ledger.reconciling.lines import Line, Statement
from narthex.ledger.rows import add_entries
from narthex.ledger.usage import question, total, usage
from narthex.ledger.verifying import verify
from narthex.stores.database import Database
from narthex.stores.database.schema import organisations, workspaces
from narthex.types.accounts import DEFAULT_ORGANISATION, DEFAULT_WORKSPACE
from tests.ledger.calls import entry

DAY = 1_793_491_200_000
"""The first of November 2026."""
PLACE = {"organisation_id": DEFAULT_ORGANISATION, "workspace_id": DEFAULT_WORKSPACE, "key_id": "local"}
MODELS = ("one", "two", "three")
SCOPE = Scope(provider="acme")


def booked(number: int, **changes: object) -> Entry:
    """Return an entry of the first of November, of a workspace that is there."""
    return entry(number, **{"at": DAY + number, **PLACE, "price_id": "", "cost_picousd": 0, **changes})


def stated(*lines: tuple[str, dict[str, int]], day: int = DAY, days: int = 1) -> Statement:
    """Return a statement about some days, with lines for the first of them."""
    told = tuple(Line("", day, model, amounts) for model, amounts in lines)
    return Statement("table", told, frozenset(day + n * DAY_MS for n in range(days)))


def prepare(database: Database, entries: Sequence[Entry]) -> None:
    """Write entries, and the places that they name."""

    def work(connection: Connection) -> None:
        shared = {"slug": "a", "name": "a", "settings": {}, "created_at": 0}
        connection.execute(insert(organisations).values(id=DEFAULT_ORGANISATION, version=1, **shared))
        row = {"id": DEFAULT_WORKSPACE, "organisation_id": DEFAULT_ORGANISATION, "description": "", "version": 1}
        connection.execute(insert(workspaces).values(is_template=False, **row, **shared))
        add_entries(connection, entries)

    database.write_now(work)


def compared(database: Database, statement: Statement, scope: Scope = SCOPE) -> Sequence[Difference]:
    """Return what differs."""
    return database.read_now(lambda connection: compare(connection, statement, scope))


def applied(database: Database, statement: Statement, scope: Scope = SCOPE) -> Sequence[Entry]:
    """Write corrections."""
    return database.write_now(lambda connection: apply(connection, statement, scope))


def test_what_differs_is_told_with_what_explains_it(database: Database) -> None:
    """Models without a difference are not."""
    entries = [
        booked(0, cost_picousd=5, price_id="p"),
        booked(1, model="acme/two", cost_picousd=7, price_id="p", estimated=True, status="cut"),
        booked(2, model="acme/three"),
        booked(3, model="other/one", provider="other"),
        booked(4, at=DAY - 1),
    ]
    prepare(database, entries)
    statement = stated(("one", {"cost_picousd": 5}), ("two", {"cost_picousd": 9}), ("four", {"cost_picousd": 1}))
    found = {one.model: one for one in compared(database, statement)}
    assert set(found) == {"acme/two", "acme/four"}
    assert found["acme/two"].missing == {"cost_picousd": 2}
    assert any("1 attempts are estimated, 0.000000000007 USD" in one for one in found["acme/two"].explained)
    assert "1 attempts were cut" in found["acme/two"].explained
    assert "called past this server" in found["acme/four"].explained[0]
    tokens = stated(*((name, {"input_tokens": 10, "cost_picousd": 6}) for name in ("one", "three", "two")))
    told = {one.model: one.explained for one in compared(database, tokens)}
    assert told["acme/one"] == ("the tokens are the same: the price differs",)
    assert "1 attempts, with 30 tokens, have no price here" in told["acme/three"]


def test_corrections_bring_the_ledger_to_the_statement_once(database: Database, tmp_path: Path) -> None:
    """Doing it again changes nothing; another statement is another correction, back and forth; all of it verifies."""
    prepare(database, [booked(n) for n in range(3)])
    asked = question(since=DAY, until=DAY + DAY_MS)
    for cost, read in ((50, 30), (20, 0), (50, 30), (20, 0)):
        statement = stated(("one", {"cost_picousd": cost, "input_tokens": read}))
        assert len(applied(database, statement)) == 1
        assert applied(database, statement) == []
        assert compared(database, statement) == []
        sums = database.read_now(lambda connection: total(connection, asked))
        assert (sums.cost_picousd, sums.input_tokens, sums.output_tokens, sums.requests) == (cost, read, 60, 3)
    assert verify(database.read_now, tmp_path / "none").findings == []
    by = question(since=DAY, until=DAY + DAY_MS, by=["operation"])
    rows = database.read_now(lambda connection: usage(connection, by))
    assert {row.values[0]: row.sums.cost_picousd for row in rows} == {"correction": 20, "chat": 0}


def test_what_another_wrote_meanwhile_is_not_written_twice(database: Database) -> None:
    """Two who read the same difference write one entry."""
    prepare(database, [booked(0)])
    statement = stated(("one", {"cost_picousd": 5}))
    (first,) = applied(database, statement)
    assert database.write_now(lambda connection: add_entries(connection, [first])) == 0
    accepted = compared(database, stated(("one", {"cost_picousd": 9}), ("two", {"cost_picousd": 9})))[:1]
    late = stated(("one", {"cost_picousd": 9}), ("two", {"cost_picousd": 9}))
    written = database.write_now(lambda connection: apply(connection, late, SCOPE, accepted))
    assert [one.model for one in written] == ["acme/one"]


def test_models_are_known_with_and_without_their_date(database: Database) -> None:
    """By the one name that fits, or by the name that is given for them."""
    names = ("gpt-a", "gpt-b-2026-01-01", "claude-20250514", "mine")
    prepare(database, [booked(n, model=f"acme/{name}", cost_picousd=0) for n, name in enumerate(names)])
    theirs = ("gpt-a-2026-01-01", "gpt-b", "claude", "theirs")
    statement = stated(*((name, {"cost_picousd": 1}) for name in theirs))
    found = compared(database, statement, Scope(provider="acme", names={"theirs": "mine"}))
    assert [one.model for one in found] == sorted(f"acme/{name}" for name in names)


def test_a_statement_without_models_is_about_all_of_them(database: Database) -> None:
    """And what stands beside models is something else."""
    prepare(database, [booked(0, cost_picousd=1), booked(1, model="acme/two", cost_picousd=2)])
    whole = stated(("", {"cost_picousd": 10}))
    (one,) = compared(database, whole)
    assert (one.model, one.missing) == (f"acme/{ALL_MODELS}", {"cost_picousd": 7})
    assert len(applied(database, whole)) == 1
    assert applied(database, whole) == []
    apart = stated(("one", {"cost_picousd": 1}), ("two", {"cost_picousd": 2}), ("", {"cost_picousd": 4}))
    found = {one.model: one.missing["cost_picousd"] for one in compared(database, apart)}
    assert found == {f"acme/{ALL_MODELS}": -7, f"acme/{OTHER}": 4}


def test_a_workspace_may_have_a_statement_of_its_own(database: Database) -> None:
    """Which corrects nobody else's; and small differences may be left alone."""
    prepare(database, [booked(0, cost_picousd=5, price_id="p"), booked(1, workspace_id="ws_b", cost_picousd=3)])
    alone = Scope(provider="acme", alone=True, tolerance_picousd=2)
    assert compared(database, stated(("one", {"cost_picousd": 7})), alone) == []
    (written,) = applied(database, stated(("one", {"cost_picousd": 8})), alone)
    assert (written.cost_picousd, written.workspace_id) == (3, DEFAULT_WORKSPACE)


def _random_entries(chance: random.Random) -> list[Entry]:
    models = [f"acme/{name}" for name in MODELS]
    place = {"price_id": "p"}
    return [
        booked(n, at=DAY + chance.randrange(4 * DAY_MS), model=chance.choice(models), cost_picousd=n * 10**13, **place)
        for n in range(60)
    ]


def _random_statement(chance: random.Random) -> Statement:
    days = [DAY + n * DAY_MS for n in range(3)]
    costs = ({"cost_picousd": chance.randrange(10**16)} for _ in range(5))
    lines = tuple(Line("", chance.choice(days), chance.choice(MODELS), cost) for cost in costs)
    return Statement("table", lines, frozenset(days))


def test_the_sums_are_those_of_any_statement(database: Database) -> None:
    """Whatever the ledger has and whatever is stated, on any days: afterwards both say the same."""
    chance = random.Random(3)
    entries = _random_entries(chance)
    prepare(database, entries)
    asked = question(since=DAY, until=DAY + 3 * DAY_MS)
    for _ in range(4):
        statement = _random_statement(chance)
        applied(database, statement)
        whole = database.read_now(lambda connection: total(connection, asked))
        assert whole.cost_picousd == sum(line.amounts["cost_picousd"] for line in statement.lines)
    query = select(ENTRIES).where(ENTRIES.c.kind == "call")
    plain = database.read_now(lambda connection: connection.execute(query).all())
    assert sum(row.cost_picousd for row in plain) == sum(one.cost_picousd for one in entries)


def test_whose_statement_it_is_must_be_known(database: Database) -> None:
    """By what it tells, or by what is said."""
    with pytest.raises(InvalidRequest, match="--provider"):
        compared(database, stated(("one", {"cost_picousd": 1})), Scope())


def test_what_was_removed_by_its_age_is_still_counted(database: Database) -> None:
    """Of it there are sums alone."""
    prepare(database, [booked(0, cost_picousd=5, price_id="p")])
    database.write_now(lambda connection: connection.execute(delete(ENTRIES)).rowcount)
    assert compared(database, stated(("one", {"cost_picousd": 5}))) == []
    (one,) = compared(database, stated(("one", {"cost_picousd": 6})))
    assert one.missing == {"cost_picousd": 1}
