"""What only PostgreSQL does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, insert, text

from narthex.errors import StoreBusy, StoreReadOnly, StoreRefused, StoreUnreachable
from narthex.stores.database import Database, DatabaseOptions
from narthex.stores.database.schema import facts
from tests.stores.databases import PostgresqlServer, doing, running_postgresql
from tests.stores.servers import free_port

OPTIONS = DatabaseOptions(connect_timeout_s=2.0, pool_size=2, pool_overflow=0)


@pytest.fixture
def url(new_database_url: Callable[[str], str]) -> str:
    """A database of the server."""
    return new_database_url("postgresql")


async def _opened(url: str, options: DatabaseOptions = OPTIONS) -> Database:
    return await Database.open(url, data_dir=Path(), options=options)


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    """The error names the address without its password, and the option."""
    with pytest.raises(StoreUnreachable, match=r"127\.0\.0\.1.*cannot be reached.*`\[database\] url`") as raised:
        await _opened(f"postgresql://user:hunter2@127.0.0.1:{free_port()}/name")
    assert "hunter2" not in str(raised.value)


async def test_a_database_that_is_not_there_is_told(postgresql: PostgresqlServer) -> None:
    """So is a user that is not known."""
    with pytest.raises(StoreRefused, match="CREATE DATABASE"):
        await _opened(postgresql.url("nowhere"))
    with pytest.raises(StoreRefused, match="refuses this user"):
        await _opened(postgresql.url("postgres").replace("narthex@", "nobody-such@"))


async def test_a_user_without_rights_is_told(postgresql: PostgresqlServer) -> None:
    """Who may connect and not make tables is told so."""
    with postgresql.database() as url:
        postgresql.do("DROP ROLE IF EXISTS guest")
        postgresql.do("CREATE ROLE guest LOGIN")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        with pytest.raises(StoreRefused, match="GRANT"):
            await _opened(url.replace("narthex@", "guest@"))


async def test_a_statement_that_takes_too_long_is_ended(url: str) -> None:
    """With and without prepared statements, and the connection is good for more."""
    for prepared in (True, False):
        options = replace(OPTIONS, statement_timeout_s=0.1, prepared_statements=prepared)
        database = await _opened(url, options)
        with pytest.raises(StoreBusy, match="statement_timeout_s"):
            await database.read(doing(text("SELECT pg_sleep(30)")))
        assert await database.read(lambda connection: connection.scalar(text("SELECT 1"))) == 1
        await database.close()


async def test_nothing_is_prepared_for_a_pooler(url: str) -> None:
    """Behind a PgBouncer no statement outlives its transaction; without one they are prepared."""
    counts = []
    for prepared in (True, False):
        database = await _opened(url, replace(OPTIONS, pool_size=1, prepared_statements=prepared))
        for _ in range(10):
            await database.read(lambda connection: connection.scalar(text("SELECT 7")))
        counted = text("SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT 7'")
        counts.append(await database.read(lambda connection: connection.scalar(counted)))  # noqa: B023
        await database.close()
    assert counts == [1, 0]


async def test_of_two_that_block_one_another_both_are_done(url: str) -> None:
    """The one that is undone for the sake of the other is done again."""
    database = await _opened(url)
    await database.write(doing(insert(facts), [{"name": name, "value": 0} for name in "ab"]))
    both = threading.Barrier(2)
    tries: list[str] = []

    def swap(connection: Connection, first: str, second: str) -> None:
        tries.append(first)
        for name in (first, second):
            connection.execute(facts.update().where(facts.c.name == name).values(value=1))
            if name == first and len(tries) <= 2:
                both.wait(10)

    await asyncio.gather(
        database.write(lambda connection: swap(connection, "a", "b")),
        database.write(lambda connection: swap(connection, "b", "a")),
    )
    assert len(tries) == 3
    await database.close()


async def test_a_server_that_only_reads_is_told(url: str, postgresql: PostgresqlServer) -> None:
    """As a replica would: reads go on, writes fail by name."""
    name = url.rpartition("/")[2]
    postgresql.do(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    database = await _opened(url)
    with pytest.raises(StoreReadOnly, match="read only"):
        await database.write(doing(insert(facts).values(name="a", value=1)))
    assert await database.read(lambda connection: connection.scalar(text("SELECT 1"))) == 1
    await database.close()


async def test_it_comes_back_by_itself() -> None:
    """While the server is away works fail by name; once it is back the next one is done."""
    with running_postgresql() as server:
        database = await _opened(server.url("postgres"))
        await database.write(doing(insert(facts).values(name="a", value=1)))
        server.stop()
        for _ in range(3):
            with pytest.raises(StoreUnreachable):
                await database.read(lambda connection: connection.scalar(text("SELECT 1")))
        server.start()
        assert await database.read(lambda connection: connection.scalar(text("SELECT count(*) FROM facts"))) == 1
        await database.close()


async def test_too_many_at_once_are_busy(url: str) -> None:
    """Who waits too long for a connection in a thread of its own is told which option to raise."""
    database = await _opened(url, replace(OPTIONS, pool_size=1, pool_timeout_s=0.05))
    begun, go_on = threading.Event(), threading.Event()

    def slow(_: Connection) -> None:
        begun.set()
        go_on.wait(30)

    reading = asyncio.create_task(database.read(slow))
    await asyncio.to_thread(begun.wait, 30)
    assert "connections 1" in "\n".join(database.lines())
    with pytest.raises(StoreBusy, match="pool_size"):
        await asyncio.to_thread(database.read_now, lambda connection: connection.scalar(text("SELECT 1")))
    go_on.set()
    await reading
    await database.close()


async def test_the_default_of_a_server_changes_nothing(url: str) -> None:
    """Who waited for a lock sees what was written before it, however transactions are isolated by default."""
    isolated = f"{url}?options=-c%20default_transaction_isolation%3Dserializable"
    database = await Database.open(isolated, data_dir=Path())
    show = "SHOW transaction_isolation"
    for do in (database.read, database.write):
        assert await do(lambda connection: connection.exec_driver_sql(show).scalar()) == "read committed"
    await database.close()
