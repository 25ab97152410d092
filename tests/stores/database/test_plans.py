"""How the databases answer what is asked most often: by indexes, with rows enough that it matters to them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final, cast

import pytest
from sqlalchemy import Connection, Select, select, text

from narthex.stores.database import Database
from narthex.stores.database.schema import ledger_entries
from tests.stores.database.crowded import count_up, crowd
from tests.stores.database.frequent import FREQUENT
from tests.stores.databases import KINDS, PostgresqlServer

ROWS: Final = 40_000
"""Of the ledger: enough that reading all of a table is the slower way, so that the plans are those of more as well."""
FEW: Final = 1_000
"""Rows that may be sorted for a page."""
MANY: Final = 1_000_000
SLOWEST_S: Final = 0.3
"""Of any of them, with a million rows in the ledger."""

Query = Select[*tuple[Any, ...]]


@pytest.fixture(scope="module")
def crowded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Database]]:
    """Both databases, with many rows."""
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    folder = tmp_path_factory.mktemp("crowded")
    with server.database() as url:
        opened = {kind: Database.open_now(at, data_dir=folder) for kind, at in zip(KINDS, (None, url), strict=True)}
        for database in opened.values():
            database.write_now(crowd(getattr(request, "param", ROWS)))
            count_up(database)
        yield opened
        for database in opened.values():
            database.close_now()


def explained(connection: Connection, query: Query) -> list[str]:
    """Return the steps of the plan of a query."""
    compiled = query.compile(connection, compile_kwargs={"render_postcompile": True})
    values = compiled.construct_params()
    if connection.dialect.name == "postgresql":
        (plan,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}", values).scalar_one()
        return list(_steps(cast("dict[str, object]", plan["Plan"])))
    names = cast("list[str]", getattr(compiled, "positiontup"))  # noqa: B009 - only this dialect has it
    found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", tuple(values[name] for name in names))
    return [str(row[3]) for row in found]


def _steps(plan: dict[str, object]) -> Iterator[str]:
    node = str(plan["Node Type"])
    # A few rows may be sorted: an index in their order would not be quicker.
    few = node == "Sort" and cast("int", plan["Plan Rows"]) <= FEW
    yield f"{node} {plan.get('Relation Name', 'of a few' if few else '')}".strip()
    for inner in cast("list[dict[str, object]]", plan.get("Plans", [])):
        yield from _steps(inner)


def wasteful(query: Query, steps: list[str]) -> list[str]:
    """Return the steps that read more than they must: all of a table, or for a page all that it is a page of."""
    is_page = query._limit_clause is not None
    sorts = [step for step in steps if is_page and step in {"Sort", "USE TEMP B-TREE FOR ORDER BY"}]
    whole = [step for step in steps if step.startswith(("Seq Scan", "Parallel Seq Scan")) or _is_scan(step)]
    if is_page and query.whereclause is None and not sorts and all(map(_is_scan, whole)):
        # In the order of the table itself, as far as the page goes.
        return []
    return whole + sorts


def _is_scan(step: str) -> bool:
    return step.startswith("SCAN ") and " USING " not in step


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FREQUENT)
def test_no_table_is_read_whole(crowded: dict[str, Database], kind: str, name: str) -> None:
    """What is asked most often is found by an index, and a page is not sorted out of all."""
    query = FREQUENT[name]
    steps = crowded[kind].read_now(lambda connection: explained(connection, query))
    assert wasteful(query, steps) == [], steps


@pytest.mark.parametrize("kind", KINDS)
def test_reading_all_would_be_seen(crowded: dict[str, Database], kind: str) -> None:
    """A query without an index, and a page without one for its order, are told apart from the others."""
    by_code = select(ledger_entries).where(ledger_entries.c.code == "none")
    by_tokens = select(ledger_entries).order_by(ledger_entries.c.input_tokens).limit(10)
    for query in (by_code, by_tokens):
        steps = crowded[kind].read_now(lambda connection, query=query: explained(connection, query))  # type: ignore[misc]
        assert wasteful(query, steps) != []


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("crowded", [MANY], indirect=True)
def test_a_million_rows_are_no_burden(crowded: dict[str, Database]) -> None:
    """Each of them is answered soon, with the same plans, and the figures are printed."""
    for kind, database in crowded.items():
        count = database.read_now(lambda connection: connection.scalar(text("SELECT count(*) FROM ledger_entries")))
        assert count == MANY
        for name, query in FREQUENT.items():
            steps = database.read_now(lambda connection, query=query: explained(connection, query))  # type: ignore[misc]
            assert wasteful(query, steps) == [], (kind, name, steps)
            times = sorted(_time_s(database, query) for _ in range(20))
            print(f"{kind:10} {name:36} p50 {times[10] * 1e3:7.2f} ms  p95 {times[18] * 1e3:7.2f} ms")  # noqa: T201
            assert times[18] < SLOWEST_S


def _time_s(database: Database, query: Query) -> float:
    begun = time.perf_counter()
    database.read_now(lambda connection: connection.execute(query).all())
    return time.perf_counter() - begun
