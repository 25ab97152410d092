"""The office: a directory in step with its database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete

from narthex.errors import AuthenticationFailed, NarthexError, Overloaded, StoreUnreachable
from narthex.stores.database import Database
from narthex.stores.database.schema import api_keys
from narthex.stores.master_keys import MasterKeys
from narthex.stores.sealing import Sealer
from narthex.tenancy import office as module
from narthex.tenancy.changes import prune_changes
from narthex.tenancy.directory import Directory
from narthex.tenancy.issuing import Wish, issue_key, revoke_key
from narthex.tenancy.keys import Keyring
from narthex.tenancy.listening import Listener
from narthex.tenancy.office import Office, Opening
from narthex.tenancy.organisations import ensure_defaults
from narthex.tenancy.virtual_keys import new_key
from narthex.types.accounts import DEFAULT_WORKSPACE
from tests.tenancy.towns import Town, WrittenDown
from tests.tenancy.waiting import until


def nobody_acts() -> Town:
    """Return a town that only says who acts."""
    town = Town.__new__(Town)
    town.audit = WrittenDown()
    return town


def sealed(connection: Connection) -> Sealer:
    """Return a sealer that nobody asks."""
    return Sealer(MasterKeys(list, where="nowhere"))


def unheard(database: Database, sealer: Sealer) -> None:
    """Have nobody told."""


@asynccontextmanager
async def office(url: str, folder: Path) -> AsyncIterator[tuple[Office, Keyring]]:
    """Run an office on a database that others may use too."""
    keyring, town = Keyring([], pepper=b"p" * 32), nobody_acts()

    async def opened() -> Database:
        return await Database.open(url, data_dir=folder)

    def begin(connection: Connection) -> Sealer:
        ensure_defaults(connection, town.by())
        return sealed(connection)

    one = Office(Directory(keyring), town.audit, Opening(database=opened, begin=begin, ready=unheard))
    one.start()
    try:
        yield one, keyring
    finally:
        await one.aclose()


async def test_what_one_changes_others_know(database_url: str, tmp_path: Path) -> None:
    """At once where it was changed, and elsewhere within a second: a key opens, and opens nothing any more."""
    by = nobody_acts().by()
    async with office(database_url, tmp_path) as (one, ring), office(database_url, tmp_path) as (other, others_ring):
        await other.database()
        wish = Wish(name="k", workspace_id=DEFAULT_WORKSPACE)

        def issue(connection: Connection) -> tuple[str, str]:
            plain, made = issue_key(connection, by, wish, mark=ring.mark_of)
            return plain, made.id

        plain, key_id = await one.write(issue)
        assert ring.identify(plain.encode()).name == key_id

        def known() -> bool:
            return others_ring.holder(others_ring.mark_of(plain.encode())) is not None

        await until(known, within_s=5)
        gone: list[bool] = []
        others_ring.when_gone = lambda: gone.append(True)
        await one.write(lambda connection: revoke_key(connection, by, key_id))
        with pytest.raises(AuthenticationFailed, match="revoked"):
            ring.identify(plain.encode())
        await until(lambda: not known(), within_s=5)
        assert gone == [True]


async def test_what_is_written_is_told_as_written(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the database is away right behind it: this process learns of it when it is back."""
    by = nobody_acts().by()
    async with office(database_url, tmp_path) as (one, ring):
        await one.database()
        catch_up, away = one.catch_up, [True]

        async def fail_once() -> None:
            if away.pop() if away else False:
                raise StoreUnreachable
            await catch_up()

        monkeypatch.setattr(one, "catch_up", fail_once)
        wish = Wish(name="k", workspace_id=DEFAULT_WORKSPACE)
        plain, _ = await one.write(lambda connection: issue_key(connection, by, wish, mark=ring.mark_of))
        await until(lambda: ring.holder(ring.mark_of(plain.encode())) is not None, within_s=5)


async def test_who_is_woken_looks_at_once(database_url: str, tmp_path: Path) -> None:
    """Whoever learns otherwise that something has changed need not wait for the next look."""
    async with office(database_url, tmp_path) as (one, _):
        told: list[object] = []
        listener = Listener(
            read=lambda _connection, subjects: subjects, take=lambda subjects, _rows: told.extend(subjects)
        )
        loaded: list[str] = []
        one.also(("limit",), listener, lambda _connection: lambda: loaded.append("limits"))
        database = await one.database()
        assert loaded == ["limits"]
        by = nobody_acts().by()
        await database.write(lambda connection: by.changed(connection, "limit", "lim_a"))
        one.wake.set()
        await until(lambda: told == ["lim_a"], within_s=5)


async def unreachable(*_: object) -> Database:
    """Fail."""
    raise StoreUnreachable


async def test_a_database_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """Whoever needs it hears why, again and again; nothing hangs."""
    one = Office(Directory(Keyring([])), WrittenDown(), Opening(database=unreachable, begin=sealed, ready=unheard))
    for _ in range(2):
        with pytest.raises(StoreUnreachable):
            await one.read(lambda _connection: None)
    assert not one.is_open
    assert one.state == "down"
    await one.aclose()


async def test_a_database_that_comes_back_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start it is tried until it is there; later what was changed meanwhile is caught up with."""
    monkeypatch.setattr(module, "AGAIN_S", 0.01)
    tries: list[bool] = []

    async def late() -> Database:
        tries.append(True)
        return await unreachable() if len(tries) < 3 else await Database.open(None, data_dir=tmp_path)

    one = Office(Directory(Keyring([])), WrittenDown(), Opening(database=late, begin=sealed, ready=unheard))
    try:
        database = await one.database_at_last()
        assert (len(tries), one.state, one.failure) == (3, "up", None)
        with monkeypatch.context() as broken:
            broken.setattr(database, "read", unreachable)
            await until(lambda: one.state == "down", within_s=5)
        await until(lambda: one.state == "up", within_s=5)
    finally:
        await one.aclose()


async def test_who_waits_for_an_office_that_closes_is_told(tmp_path: Path) -> None:
    """A server that stops while it starts leaves nobody waiting."""

    async def never() -> Database:
        await asyncio.Event().wait()
        raise AssertionError

    one = Office(Directory(Keyring([])), WrittenDown(), Opening(database=never, begin=sealed, ready=unheard))
    one.patience_s = 0.01
    waiting = asyncio.ensure_future(one.database())
    await asyncio.sleep(0)
    await one.aclose()
    with pytest.raises(Overloaded):
        await waiting


def test_virtual_keys_wait_for_the_office() -> None:
    """Before the keys are known a virtual key is no wrong one: it is to come again in a moment."""
    keyring = Keyring([], knows_all=False)
    key = new_key("key_mfrggzdfmztwq2lk").encode()
    with pytest.raises(NarthexError) as caught:
        keyring.identify(key)
    assert (caught.value.status, caught.value.retry_after_s) == (503, 1)


async def test_who_was_away_reads_everything_anew(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was changed meanwhile is there no more: keys that came open, those that went do not, and others are told."""
    by, loads = nobody_acts().by(), list[int]()
    async with office(database_url, tmp_path) as (one, ring), office(database_url, tmp_path) as (other, others_ring):
        other.also(["other"], _nobody(), _counted(loads))
        await other.database()

        def issue(connection: Connection) -> tuple[str, str]:
            plain, made = issue_key(connection, by, Wish(name="k", workspace_id=DEFAULT_WORKSPACE), mark=ring.mark_of)
            return plain, made.id

        gone, gone_id = await one.write(issue)
        await until(lambda: gone_id in other.directory.keys, within_s=5)
        async with other._catching_up:
            await one.write(lambda connection: connection.execute(delete(api_keys)).rowcount)
            await one.write(issue)
            plain, _ = await one.write(issue)
            await one.write(lambda connection: prune_changes(connection, before=2**62))
        await until(lambda: gone_id not in other.directory.keys, within_s=5)
        assert others_ring.identify(plain.encode()).tenant == "default"
        with pytest.raises(AuthenticationFailed):
            others_ring.identify(gone.encode())
    assert (loads, "read anew" in caplog.text) == ([1, 1], True)


def _counted(loads: list[int]) -> Callable[[Connection], Callable[[], None]]:
    return lambda _connection: lambda: loads.append(1)


def _nobody() -> Listener:
    return Listener(read=lambda _connection, names: names, take=lambda _names, _rows: None)
