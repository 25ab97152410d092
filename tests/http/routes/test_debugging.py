"""What helps to find out why something is slow."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from narthex.stores.database import Database
from narthex.tenancy.office import Office
from tests.http.doors import house


async def test_slow_statements_are_listed(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With how often, how long and who asked, and without their values."""
    database.queries.slow_ms = 0
    await database.read(lambda connection: connection.scalar(text("SELECT 'hunter2'")))
    monkeypatch.setattr(Office, "opened", database)
    async with house(tmp_path) as opened, opened.altered() as client:
        told = (await client.get("/api/debug/queries")).json()
    (query,) = [query for query in told["data"] if query["sql"] == "SELECT ?"]
    assert (query["object"], query["count"], len(query["callers"])) == ("slow_query", 1, 1)
    assert query["callers"][0]["name"].endswith("test_slow_statements_are_listed.<lambda>")
    assert 0 < query["total_ms"] == query["longest_ms"]
    assert (told["slow_query_ms"], told["connections"], told["waiting"]) == (0, 0, 0)
    assert told["statements"] > 0
    assert "hunter2" not in str(told)


async def test_without_a_database_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is empty, and says that nothing is watched."""
    monkeypatch.setattr(Office, "opened", None)
    async with house(tmp_path) as opened, opened.altered() as client:
        told = (await client.get("/api/debug/queries")).json()
    assert (told["data"], told["slow_query_ms"], told["statements"]) == ([], None, 0)
