"""Questions of all nodes are there soon, after a start, and again once the database is back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from narthex.cache.entries import Entry
from narthex.cache.semantic import shared_session
from narthex.cache.semantic.shared import SharedIndex
from narthex.cache.semantic.shared_session import SharedSession
from narthex.cache.tiers.postgresql_driver import PostgresqlDriver
from tests.cache.semantic.asking import ask, vector
from tests.cache.semantic.sharing import NAMESPACE, SOON_S, driver, kept, sharing, texts, written
from tests.stores.databases import PostgresqlServer
from tests.tenancy.waiting import until

RESET, OTHERWISE, FAR = "How do I reset my router?", "How can I reset my router?", "Where is the nearest station?"


@contextmanager
def guest_of(url: str) -> Iterator[PostgresqlDriver]:
    """Have a user `guest` who may make tables and turn on nothing; give the connection of one who may."""
    admin = driver(url)
    admin.do("DROP ROLE IF EXISTS guest")
    admin.do("CREATE ROLE guest LOGIN")
    admin.do("GRANT ALL ON SCHEMA public TO guest")
    yield admin
    admin.do("DROP OWNED BY guest")
    admin.do("DROP ROLE guest")
    admin.close()


async def test_what_one_node_learns_all_know_also_after_a_start(vectors_url: str) -> None:
    """Within the scope; and what one lets go of, none has."""
    async with sharing(vectors_url) as one:
        one.index.put(ask(RESET), kept(b"k"))
        one.index.put(ask(RESET, tenant="other"), kept(b"o"))
        await written(one)
        async with sharing(vectors_url) as other:
            assert await texts(other, ask(OTHERWISE)) == [RESET]
            other.index.remove([b"k"])
            assert await texts(other, ask(OTHERWISE)) == []
            await written(other)
        one.index.put(ask(FAR), kept(b"last"))  # what waits at the end is written still
    async with sharing(vectors_url) as again:
        assert await texts(again, ask(OTHERWISE)) == [FAR]


async def test_another_model_finds_nothing_of_the_first_and_the_first_is_there_again(vectors_url: str) -> None:
    """Whatever it is called; vectors of two models are never compared."""
    other = vector("another model altogether")
    async with sharing(vectors_url) as one:
        one.index.put(ask(RESET), kept(b"k"))
        await written(one)
        one.index.put(ask(FAR), kept(b"unsure"))
        await written(one)
        one.recognise(NAMESPACE, other)
        await until(lambda: one.index.embedders != {NAMESPACE: 1}, within_s=SOON_S)
        assert await texts(one, ask(OTHERWISE)) == []
    async with sharing(vectors_url, probe=other) as same:
        assert await texts(same, ask(OTHERWISE)) == []


async def test_without_pgvector_each_process_knows_its_own_and_it_is_said_once(
    vectors_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do about it; once that is done it is found."""
    monkeypatch.setattr(shared_session, "ABSENT_S", 0.05)
    tries: list[str] = []

    def connect() -> PostgresqlDriver:
        tries.append("again")
        return driver(vectors_url.replace("narthex@", "guest@"))

    session = SharedSession(connect, SharedIndex(budget_s=SOON_S), name="m", most=9)
    with caplog.at_level(logging.WARNING), guest_of(vectors_url) as admin:
        task = asyncio.create_task(session.run())
        await until(lambda: len(tries) > 2, within_s=SOON_S)
        assert await texts(session, ask(RESET)) == []
        assert caplog.text.count("may not turn on the extension") == 1
        assert "CREATE EXTENSION vector" in caplog.text
        assert 'cache.semantic.index = "memory"' in caplog.text
        admin.do("CREATE EXTENSION vector")
        await until(lambda: session.index.is_open, within_s=SOON_S)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_it_comes_back_when_the_database_does(
    vectors_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections that are cut are made anew, and what waited is written; nothing fails meanwhile."""
    monkeypatch.setattr(shared_session, "TURN_S", 0.05)
    async with sharing(vectors_url) as one:
        one.index.put(ask(RESET), kept(b"k"))
        await written(one)
        with caplog.at_level(logging.WARNING):
            admin = driver(vectors_url)
            admin.do(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            admin.close()
            one.index.put(ask(FAR), kept(b"f"))
            await until(lambda: "not found until it is well" in caplog.text, within_s=SOON_S)
        await until(lambda: one.index.is_open and not one.index.has_waiting, within_s=SOON_S)
        assert await texts(one, ask(OTHERWISE)) == [RESET, FAR]


async def test_a_database_that_is_not_there_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """It is tried again and again; a look finds nothing."""
    with caplog.at_level(logging.WARNING):
        session = SharedSession(
            lambda: driver("postgresql://nobody@127.0.0.1:1/none"), SharedIndex(budget_s=1), name="m", most=9
        )
        task = asyncio.create_task(session.run())
        await until(lambda: "semantic cache: the questions in the database" in caplog.text, within_s=SOON_S)
        assert await texts(session, ask(RESET)) == []
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_what_is_somebodys_is_erased_once(vectors_url: str) -> None:
    """By the tags of its answer and by when it was asked; after a start that is not done again."""
    asked: list[Entry] = []

    def concerns(entry: Entry) -> bool:
        asked.append(entry)
        return "user:eve" in entry.tags and entry.made_ms - entry.took_ms <= 5

    async with sharing(vectors_url) as one:
        one.index.put(ask(RESET), kept(b"a", "user:eve"))
        one.index.put(ask(FAR), kept(b"b", "user:eve", begun_ms=9))
        one.index.put(ask("Where is the bar?"), kept(b"c", "user:ann"))
        await written(one)
        one.erase(concerns, 5)
        await until(lambda: len(asked) == 3, within_s=SOON_S)
        await until(lambda: one._erasing is None, within_s=SOON_S)
        assert sorted(await texts(one, ask(RESET))) == ["Where is the bar?", FAR]
    async with sharing(vectors_url) as again:
        again.erase(concerns, 5)
        await until(lambda: again._erasing is None, within_s=SOON_S)
        assert len(asked) == 3


async def test_what_waits_of_who_was_erased_is_written_by_no_node(vectors_url: str) -> None:
    """Not by one either that finds all rows looked through already."""
    async with sharing(vectors_url) as one, sharing(vectors_url) as other:
        one.erase(lambda _: False, 5)
        await until(lambda: one._erasing is None, within_s=SOON_S)
        other.index.put(ask(RESET), kept(b"eves", "user:eve"))
        other.index.put(ask(FAR), kept(b"bobs", "user:bob"))
        other.erase(lambda entry: "user:eve" in entry.tags, 5)
        await until(lambda: other._erasing is None, within_s=SOON_S)
        await written(other)
        assert await texts(one, ask(OTHERWISE)) == [FAR]


async def test_there_is_room_for_so_many_and_large_scopes_have_graphs(
    vectors_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are seen to beside the calls; a look in a graph finds the nearest too."""
    monkeypatch.setattr(shared_session, "SWEEP_S", 0.0)
    monkeypatch.setattr(shared_session, "TURN_S", 0.05)
    async with sharing(vectors_url, most=3, graph_from=2) as one:
        for number, text in enumerate((RESET, OTHERWISE, FAR, "Where is the bar?")):
            one.index.put(ask(text), kept(b"%d" % number))
            await written(one)
        growing = asyncio.create_task(one.keep_growing())
        reading = one._reading
        assert reading is not None
        await until(lambda: len(reading.graphs) == 1, within_s=SOON_S)
        assert (await texts(one, ask(FAR)))[0] == FAR
        assert len(await texts(one, ask(FAR))) == 3
        growing.cancel()
        with suppress(asyncio.CancelledError):
            await growing


async def test_a_server_without_it_is_told_apart(
    postgresql: PostgresqlServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A PostgreSQL that has no pgvector is served without, unless the machine's own has it."""
    with postgresql.database() as plain, caplog.at_level(logging.WARNING):
        session = SharedSession(lambda: driver(plain), SharedIndex(budget_s=SOON_S), name="m", most=9)
        task = asyncio.create_task(session.run())
        await until(lambda: session.index.is_open or "has no pgvector" in caplog.text, within_s=SOON_S)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
