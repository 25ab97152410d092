"""Who comes with a session, and whether anybody must have one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from narthex.config.sign_in_settings import SignInSettings
from narthex.errors import SignInRequired
from narthex.stores.database import Database
from narthex.tenancy.sign_in.reception import may_have_users
from narthex.tenancy.sign_in.session_rows import Opened, every_session
from narthex.tenancy.users import update_user
from tests.tenancy.sign_in.receptions import HERE, PASSWORD, lobby
from tests.tenancy.waiting import until


async def test_a_guest_is_a_caller(database_url: str) -> None:
    """With the user's account, workspace and permissions, and no look at the database."""
    async with lobby(database_url) as one:
        await one.person(role="owner")
        opened = await one.desk.sign_in("ada@example.org", PASSWORD, HERE)
        assert isinstance(opened, Opened)
        guest = one.reception.guest(opened.token)
        assert guest is not None
        assert guest.caller.account.user_id == opened.session.user_id
        assert guest.caller.account.workspace_id == "ws_default"
        assert "keys:write" in guest.caller.permissions
        assert not guest.caller.is_operator
        assert one.reception.guest("another") is None
        await one.disable(opened.session.user_id)
        assert one.reception.guest(opened.token) is None


async def test_what_rests_on_a_session_ends_with_it(database_url: str) -> None:
    """At once: somebody who is disabled is signed out everywhere, and no row of it stays."""
    async with lobby(database_url) as one:
        ada = await one.person()
        opened = [await one.desk.sign_in("ada@example.org", PASSWORD, HERE) for _ in range(2)]
        (guest, other) = [one.reception.guest(each.token) for each in opened if isinstance(each, Opened)]
        assert guest is not None
        assert other is not None
        keyring, ended = one.office.directory.keyring, list[str]()
        keyring.when_gone = lambda: ended.append("gone")
        assert keyring.holder(guest.mark) == guest.caller
        await one.desk.sign_out(other, HERE)
        assert (keyring.holder(other.mark), keyring.holder(guest.mark), ended) == (None, guest.caller, ["gone"])
        await one.office.write(lambda c: update_user(c, one.acting(), ada.id, {"disabled": True}))
        assert (keyring.holder(guest.mark), len(ended)) == (None, 2)
        assert await one.office.read(every_session) == []


async def test_a_session_ends_when_it_is_not_used(database_url: str) -> None:
    """Each use is kept, to the minute; so it goes on as long as it is used, up to its longest time."""
    settings = SignInSettings(idle_s=600, longest_s=3_600)
    async with lobby(database_url, settings=settings) as one:
        await one.person()
        opened = await one.desk.sign_in("ada@example.org", PASSWORD, HERE)
        assert isinstance(opened, Opened)
        for _ in range(5):
            one.clock.now_s += 599
            assert one.reception.guest(opened.token) is not None
            while one.tasks:
                await one.tasks.pop()
        (row,) = await one.office.read(every_session)
        assert row.seen_at == one.reception.now
        one.clock.now_s += 599
        assert one.reception.guest(opened.token) is not None
        one.clock.now_s += 599
        assert one.reception.guest(opened.token) is None
        one.reception.adopt(SignInSettings(idle_s=60, longest_s=60))
        assert one.reception.sessions.lifetimes.idle_ms == 60_000


async def test_nobody_is_let_in_without_a_name_once_somebody_has_one(database_url: str) -> None:
    """In this process at once, in others as soon as they read of it; a person without a password changes nothing."""
    async with lobby(database_url) as one, lobby(database_url) as other:
        keyring, theirs = one.office.directory.keyring, other.office.directory.keyring
        await one.person("grace", password=None)
        assert not keyring.required
        await one.person()
        with pytest.raises(SignInRequired):
            keyring.identify(None)
        await until(lambda: theirs.required, within_s=20)


async def test_what_ends_in_one_process_ends_in_others(database_url: str) -> None:
    """A session of one is known in the other, and gone there once it is ended."""
    async with lobby(database_url) as one, lobby(database_url) as other:
        await one.person()
        opened = await one.desk.sign_in("ada@example.org", PASSWORD, HERE)
        assert isinstance(opened, Opened)
        await until(lambda: other.reception.guest(opened.token) is not None, within_s=20)
        guest = other.reception.guest(opened.token)
        assert guest is not None
        await other.desk.sign_out(guest, HERE)
        assert other.reception.guest(opened.token) is None
        await until(lambda: one.reception.guest(opened.token) is None, within_s=20)


def test_before_the_database_is_open_the_file_tells(tmp_path: Path) -> None:
    """No file, no users; another database may have some; so may a file that cannot be read."""
    assert not may_have_users(None, tmp_path)
    assert may_have_users("postgresql://host/name", tmp_path)
    (tmp_path / "main.db").touch()
    assert not may_have_users(None, tmp_path)
    (tmp_path / "main.db").write_bytes(b"no database at all" * 100)
    assert may_have_users(None, tmp_path)


def test_the_file_tells_for_sure(tmp_path: Path) -> None:
    """Somebody with a password, or of the single sign-on; nobody else."""
    Database.open_now(None, data_dir=tmp_path).close_now()
    assert not may_have_users(None, tmp_path)
    with sqlite3.connect(tmp_path / "main.db") as connection:
        connection.execute("INSERT INTO organisations VALUES ('org_a', 'a', 'a', '{}', 0, 1)")
        connection.execute(
            "INSERT INTO users (id, organisation_id, kind, name, role, created_at, version) "
            "VALUES ('usr_a', 'org_a', 'person', 'a', 'owner', 0, 1)"
        )
        connection.commit()
        assert not may_have_users(None, tmp_path)
        connection.execute("UPDATE users SET password_hash = 'x'")
        connection.commit()
    connection.close()
    assert may_have_users(None, tmp_path)
    assert may_have_users(f"sqlite:///{tmp_path}/main.db", Path("/nowhere"))
