"""What somebody does about their own account."""

from __future__ import annotations

import pytest
from pyotp.totp import TOTP

from narthex.errors import Conflict, InvalidRequest, NotFound, SecondFactorFailed, SignInFailed
from narthex.tenancy.sign_in.own import OwnAccount
from narthex.tenancy.sign_in.reception import Guest
from narthex.tenancy.sign_in.session_rows import Opened
from tests.tenancy.sign_in.receptions import HERE, PASSWORD, Lobby, lobby

NEW = "eleven grey owls sleep"


async def guest_of(one: Lobby, name: str = "ada", password: str = PASSWORD) -> Guest:
    """Sign somebody in."""
    opened = await one.desk.sign_in(f"{name}@example.org", password, HERE)
    assert isinstance(opened, Opened)
    guest = one.reception.guest(opened.token)
    assert guest is not None
    return guest


async def test_a_new_password_ends_all_other_sessions(database_url: str) -> None:
    """This browser gets a new one; the old password is good for nothing."""
    async with lobby(database_url) as one:
        own = OwnAccount(one.desk)
        await one.person()
        guest, _ = await guest_of(one), await guest_of(one)
        for current, new, error in (
            ("wrong", NEW, SignInFailed),
            (PASSWORD, "short", InvalidRequest),
            (PASSWORD, PASSWORD, InvalidRequest),
        ):
            with pytest.raises(error):
                await own.change_password(guest, current, new, HERE)
        assert len(own.sessions(guest)) == 2
        opened = await own.change_password(guest, PASSWORD, NEW, HERE)
        assert [session.id for session in own.sessions(guest)] == [opened.session.id]
        with pytest.raises(SignInFailed):
            await guest_of(one)
        await guest_of(one, password=NEW)


async def test_a_second_factor_is_set_up_and_removed(database_url: str) -> None:
    """It is asked for only after a code of it was given; other sessions end then, for they have shown one factor."""
    async with lobby(database_url) as one:
        own = OwnAccount(one.desk)
        await one.person()
        guest, other = await guest_of(one), await guest_of(one)
        with pytest.raises(Conflict):
            await own.confirm_second_factor(guest, "123456", HERE)
        with pytest.raises(SignInFailed):
            await own.begin_second_factor(guest, "wrong", HERE)
        new = await own.begin_second_factor(guest, PASSWORD, HERE)
        assert new.secret not in repr(await own.known(guest))
        with pytest.raises(SecondFactorFailed):
            await own.confirm_second_factor(guest, "000000", HERE)
        codes = await own.confirm_second_factor(guest, TOTP(new.secret).at(int(one.clock())), HERE)
        assert len(codes) == 10
        assert codes[0] not in repr(await own.known(guest))
        assert [session.id for session in own.sessions(guest)] == [guest.session.id] != [other.session.id]
        with pytest.raises(Conflict):
            await own.begin_second_factor(guest, PASSWORD, HERE)
        await renewed_and_removed(own, guest, codes)
        done = [fields["details"] for action, fields in one.audit.rows if action == "user.second_factor"]
        assert done == [{"what": "set up"}, {"what": "new recovery codes"}, {"what": "removed"}]


async def renewed_and_removed(own: OwnAccount, guest: Guest, codes: list[str]) -> None:
    """Make new recovery codes, and remove the second factor: either needs the password once more."""
    for work in (own.new_recovery_codes, own.remove_second_factor):
        with pytest.raises(SignInFailed):
            await work(guest, "wrong", HERE)
    assert set(await own.new_recovery_codes(guest, PASSWORD, HERE)).isdisjoint(codes)
    await own.remove_second_factor(guest, PASSWORD, HERE)
    assert not (await own.known(guest)).has_second_factor
    with pytest.raises(Conflict):
        await own.new_recovery_codes(guest, PASSWORD, HERE)


async def test_sessions_are_ones_own(database_url: str) -> None:
    """Nobody sees or ends another's."""
    async with lobby(database_url) as one:
        own = OwnAccount(one.desk)
        await one.person()
        await one.person("grace")
        ada, grace, again = await guest_of(one), await guest_of(one, "grace"), await guest_of(one)
        assert {session.id for session in own.sessions(ada)} == {ada.session.id, again.session.id}
        with pytest.raises(NotFound):
            await own.end_session(ada, grace.session.id, HERE)
        await own.end_session(ada, again.session.id, HERE)
        assert [session.id for session in own.sessions(ada)] == [ada.session.id]
        assert one.audit.actions[-1] == "session.sign_out"
        await one.disable(ada.session.user_id)
        with pytest.raises(NotFound):
            await own.known(ada)
