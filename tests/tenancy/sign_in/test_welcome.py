"""Whoever holds an invitation comes in by it, as themselves and once."""

from __future__ import annotations

import asyncio

import pytest

from narthex.config.sign_in_settings import OidcSettings, SignInSettings
from narthex.errors import (
    InvalidRequest,
    InvitationUnusable,
    PermissionDenied,
    SignInFailed,
    SignInRequired,
    SignInThrottled,
)
from narthex.tenancy.invitations import PURPOSE, Wish, invite, marker
from narthex.tenancy.sign_in.reception import Guest
from narthex.tenancy.sign_in.session_rows import Opened
from narthex.tenancy.sign_in.welcome import NewSecret, Welcome
from narthex.types.accounts import DEFAULT_ORGANISATION, DEFAULT_WORKSPACE
from tests.tenancy.sign_in.receptions import HERE, PASSWORD, Lobby, lobby, sealing

ADA = NewSecret("Ada", PASSWORD)


async def invited(one: Lobby, role: str = "member", *, to_all: bool = False) -> str:
    """Invite Ada to the workspace that there is, or to all of the organisation; return the token."""
    mark = marker((await sealing()).mac_key(PURPOSE))
    where = None if to_all else DEFAULT_WORKSPACE
    wish = Wish(organisation_id=DEFAULT_ORGANISATION, workspace_id=where, email="ada@example.org", role=role)
    token, _ = await one.office.write(lambda c: invite(c, one.acting(), wish, mark=mark))
    return token


async def guest_of(one: Lobby, name: str = "ada") -> Guest:
    """Sign somebody in."""
    opened = await one.desk.sign_in(f"{name}@example.org", PASSWORD, HERE)
    assert isinstance(opened, Opened)
    guest = one.reception.guest(opened.token)
    assert guest is not None
    return guest


async def test_somebody_new_chooses_a_password(database_url: str) -> None:
    """Not a poor one; they are signed in with the role that they were invited to, and the link is used up."""
    async with lobby(database_url) as one:
        welcome, token = Welcome(one.desk), await invited(one, "viewer")
        shown = await welcome.look(token, HERE)
        assert (shown.organisation, shown.workspace, shown.has_account) == ("Default", "Default", False)
        for chosen in (None, NewSecret("Ada", "short"), NewSecret("", PASSWORD), NewSecret("Ada", "ada@example.org1")):
            with pytest.raises(InvalidRequest):
                await welcome.accept(token, HERE, chosen=chosen)
        opened = await welcome.accept(token, HERE, chosen=ADA)
        assert opened is not None
        guest = one.reception.guest(opened.token)
        assert guest is not None
        assert (guest.caller.account.workspace_id, "keys:write" in guest.caller.permissions) == (
            DEFAULT_WORKSPACE,
            False,
        )
        with pytest.raises(InvitationUnusable, match="used already"):
            await welcome.accept(token, HERE, chosen=ADA)
        await guest_of(one)
        assert one.audit.actions.count("invitation.accept") == 1


async def test_an_invitation_is_good_once_side_by_side_too(database_url: str) -> None:
    """Several who come with it at once make one account."""
    async with lobby(database_url) as one:
        welcome, token = Welcome(one.desk), await invited(one)
        tries = [welcome.accept(token, HERE, chosen=ADA) for _ in range(4)]
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(outcome, Opened) for outcome in outcomes) == 1
        assert len(one.office.directory.users) == 1


async def test_somebody_known_signs_in_first(database_url: str) -> None:
    """Neither a password that is chosen nor somebody else's session opens their account."""
    async with lobby(database_url) as one:
        ada = await one.person()
        await one.person("eve")
        welcome, token = Welcome(one.desk), await invited(one)
        assert (await welcome.look(token, HERE)).has_account
        for guest, chosen in (
            (None, None),
            (None, NewSecret("Ada", "another good long one")),
            (await guest_of(one, "eve"), ADA),
        ):
            with pytest.raises(SignInRequired, match="who has an account"):
                await welcome.accept(token, HERE, guest=guest, chosen=chosen)
        assert await welcome.accept(token, HERE, guest=await guest_of(one)) is None
        assert f"{DEFAULT_WORKSPACE}/{ada.id}" in one.office.directory.members


async def test_an_account_that_waits_is_opened(database_url: str) -> None:
    """One that was made for them and has no password: they choose it, and keep their name."""
    async with lobby(database_url) as one:
        ada = await one.person(password=None)
        welcome, token = Welcome(one.desk), await invited(one, "admin", to_all=True)
        assert not (await welcome.look(token, HERE)).has_account
        opened = await welcome.accept(token, HERE, chosen=NewSecret("Another", PASSWORD))
        assert opened is not None
        assert opened.session.user_id == ada.id
        known = one.office.directory.users[ada.id]
        assert (known.name, known.role) == ("ada", "admin")


async def test_links_are_not_guessed(database_url: str) -> None:
    """Who tries many is held up, by their address alone; one that is good costs nothing."""
    async with lobby(database_url) as one:
        welcome, token = Welcome(one.desk), await invited(one)
        for _ in range(21):
            with pytest.raises(InvitationUnusable):
                await welcome.look("nxi_guess", HERE)
        with pytest.raises(SignInThrottled):
            await welcome.accept(token, HERE, chosen=ADA)
        one.clock.now_s += 3
        for _ in range(3):
            assert await welcome.look(token, HERE)


async def test_without_passwords_one_comes_by_single_sign_on(database_url: str) -> None:
    """No password is chosen where none is taken."""
    oidc = OidcSettings(issuer="https://login.example.com", client_id="n")
    async with lobby(database_url, settings=SignInSettings(passwords=False, oidc=oidc)) as one:
        welcome, token = Welcome(one.desk), await invited(one)
        for chosen in (None, ADA):
            with pytest.raises(PermissionDenied, match="single sign-on"):
                await welcome.accept(token, HERE, chosen=chosen)
        with pytest.raises((SignInFailed, PermissionDenied)):
            await guest_of(one)
