"""Welcomes who comes with an invitation: somebody new chooses a password, somebody known signs in first.

Nobody's address is verified by a link that was handed over by hand. So an invitation opens no account that somebody
signs in with already, and what was opened by one gives way once a provider of single sign-on has verified the address.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, select

from narthex.errors import InvalidRequest, PermissionDenied, SignInRequired
from narthex.stores.database.schema import organisations, workspaces
from narthex.tenancy.invitations import PURPOSE, Invitation, Mark, by_token, join, marker
from narthex.tenancy.sign_in import credentials
from narthex.tenancy.sign_in.contract import Visitor
from narthex.tenancy.sign_in.credentials import Credentials
from narthex.tenancy.sign_in.desk import Desk, checked_name
from narthex.tenancy.sign_in.passwords import checked_password
from narthex.tenancy.sign_in.reception import Guest
from narthex.tenancy.sign_in.session_rows import Opened
from narthex.tenancy.users import create_user


class Shown(NamedTuple):
    """What an invitation tells who holds it."""

    invitation: Invitation
    organisation: str
    workspace: str | None
    has_account: bool
    """Whether they sign in with what they have, and choose no password."""


class NewSecret(NamedTuple):
    """What somebody chooses who has no account yet."""

    name: str
    password: str


class Welcome:
    """Takes invitations."""

    def __init__(self, desk: Desk) -> None:
        """Take the desk, which begins sessions."""
        self._desk, self._office, self._reception = desk, desk.office, desk.reception

    async def look(self, token: str, visitor: Visitor) -> Shown:
        """Tell what an invitation is to.

        Raises:
            InvitationUnusable: It is none, or good no more.
            SignInThrottled: Too many were tried from this address.
        """
        mark, now = await self._mark(), self._reception.now
        await self._reception.throttle.attempt("", visitor.address)
        shown = await self._office.read(lambda connection: _shown(connection, token, mark, now))
        await self._reception.throttle.succeeded("", visitor.address)
        return shown

    async def accept(
        self, token: str, visitor: Visitor, *, guest: Guest | None = None, chosen: NewSecret | None = None
    ) -> Opened | None:
        """Let somebody in, once.

        Args:
            token: Of the invitation.
            visitor: Who stands there.
            guest: Who is signed in at this browser.
            chosen: Name and password of somebody new.

        Returns:
            Their new session; None for somebody who is signed in already.

        Raises:
            InvitationUnusable: It is none, or good no more.
            InvalidRequest: Somebody new chose no name, or no good password.
            PermissionDenied: No passwords are taken here.
            SignInRequired: It is for somebody who has an account: they sign in first.
            SignInThrottled: Too many were tried from this address.
        """
        shown, mark = await self.look(token, visitor), await self._mark()
        password_hash = None if chosen is None else await self._hashed(chosen, shown.invitation.email)
        system = self._desk.acting("", visitor)

        def take(connection: Connection) -> Opened | None:
            one = by_token(connection, token, mark=mark, now=system.now)
            known = credentials.by_email(connection, one.email)
            is_here = known is not None and guest is not None and guest.session.user_id == known.id
            user_id = (
                known.id
                if known is not None and is_here
                else self._opened(connection, visitor, one, known, chosen=chosen, password_hash=password_hash)
            )
            join(connection, system, one, user_id)
            if is_here:
                return None
            arrived = credentials.by_id(connection, user_id)
            assert arrived is not None, "it was written in this transaction"
            return self._desk.begin(connection, self._desk.acting(user_id, visitor), arrived, "password", visitor)

        return await self._office.write(take)

    def _opened(
        self,
        connection: Connection,
        visitor: Visitor,
        one: Invitation,
        known: Credentials | None,
        *,
        chosen: NewSecret | None,
        password_hash: str | None,
    ) -> str:
        """Make the account of somebody new, or give one that has no way in its password."""
        if known is not None and not _is_opened_by(one, known):
            raise SignInRequired(f"this invitation is for {one.email}, who has an account: sign in first")
        if chosen is None or password_hash is None:
            if not self._reception.settings.passwords:
                raise PermissionDenied("passwords are not taken here: sign in with the single sign-on first")
            raise InvalidRequest("choose a name and a password", param="password")
        system = self._desk.acting("", visitor)
        home, name = one.organisation_id, checked_name(chosen.name)
        user_id = (known or create_user(connection, system, organisation_id=home, name=name, email=one.email)).id
        credentials.set_password(connection, self._desk.acting(user_id, visitor), user_id, password_hash)
        return user_id

    async def _hashed(self, chosen: NewSecret, email: str) -> str:
        if not self._reception.settings.passwords:
            raise PermissionDenied("passwords are not taken here: sign in with the single sign-on first")
        checked_name(chosen.name)
        checked_password(chosen.password, about=(chosen.name, email))
        return await self._reception.passwords.hashed(chosen.password)

    async def _mark(self) -> Mark:
        return marker((await self._reception.sealer()).mac_key(PURPOSE))


def _shown(connection: Connection, token: str, mark: Mark, now: int) -> Shown:
    one = by_token(connection, token, mark=mark, now=now)
    known = credentials.by_email(connection, one.email)
    home = connection.execute(
        select(organisations.c.name).where(organisations.c.id == one.organisation_id)
    ).scalar_one()
    where = connection.execute(
        select(workspaces.c.name).where(workspaces.c.id == one.workspace_id)
    ).scalar_one_or_none()
    return Shown(one, home, where, known is not None and not _is_opened_by(one, known))


def _is_opened_by(one: Invitation, known: Credentials) -> bool:
    """Tell whether an invitation opens an account that was made for somebody, who could not sign in until now."""
    nothing = known.password_hash is None and known.issuer is None
    return one.opens_account and nothing and known.may_sign_in and known.organisation_id == one.organisation_id
