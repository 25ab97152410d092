"""Which statements take long, how often, and who asks them."""

from __future__ import annotations

from functools import partial
from itertools import count

from sqlalchemy import Connection, create_engine, text

from narthex.stores.database import Database
from narthex.stores.database.slow_queries import MAX_STATEMENTS, QueryLog, name_of, normalised


def test_statements_that_differ_in_values_are_one() -> None:
    """Values, lists of values and line ends are left out, so that nothing of anybody is kept."""
    assert normalised("SELECT a\n  FROM t\tWHERE x IN (?, ?, ?) AND y = 'se''cret' LIMIT 20") == (
        "SELECT a FROM t WHERE x IN (…) AND y = ? LIMIT ?"
    )
    assert normalised("VALUES (%(a)s, %(b)s::JSON)") == normalised("VALUES (%(a)s)") == "VALUES (…)"
    assert normalised("SELECT column_1 FROM t2") == "SELECT column_1 FROM t2"


def _log(slow_ms: int, *, step_s: float) -> QueryLog:
    ticks = count()
    return QueryLog(slow_ms, clock=lambda: next(ticks) * step_s)


def test_slow_statements_are_listed_with_who_asked() -> None:
    """Each is there once, with how often, how long and by whom; quick ones are counted alone."""
    for slow_ms, listed in ((50, [("SELECT ?", 2)]), (500, [])):
        log = _log(slow_ms, step_s=0.1)
        engine = create_engine("sqlite://")
        log.attach(engine)
        with engine.connect() as connection:
            called = connection.execution_options(caller="narthex.test")
            called.execute(text("SELECT 1"))
            called.execute(text("SELECT 2"))
        assert [(query.sql, query.count) for query in log.slowest()] == listed
        assert log.statements == 2
        if listed:
            assert round(log.slowest()[0].longest_ms) == 100
            assert log.slowest()[0].callers == {"narthex.test": 2}
        engine.dispose()


def test_there_is_an_end_to_what_is_kept() -> None:
    """Of too many statements the one that never took very long is forgotten."""
    log = _log(0, step_s=0.1)
    engine = create_engine("sqlite://")
    log.attach(engine)
    with engine.connect() as connection:
        for number in range(MAX_STATEMENTS + 10):
            connection.exec_driver_sql(f"SELECT 1 AS c{number}")
    assert len(log.slowest()) == MAX_STATEMENTS
    engine.dispose()


def test_a_work_has_the_name_of_its_function() -> None:
    """Also if it is a part of another function, a function within one, or an object."""

    def inner(_: Connection) -> None: ...

    assert name_of(inner) == f"{__name__}.test_a_work_has_the_name_of_its_function.inner"
    assert name_of(partial(normalised)).endswith("slow_queries.normalised")


async def test_both_databases_say_who_asked(database: Database) -> None:
    """The name of the work is beside the statement."""

    def reading(connection: Connection) -> object:
        return connection.scalar(text("SELECT 42"))

    database.queries.slow_ms = 0
    await database.read(reading)
    (query,) = [query for query in database.queries.slowest() if query.sql == "SELECT ?"]
    assert next(iter(query.callers)).endswith("test_both_databases_say_who_asked.reading")
