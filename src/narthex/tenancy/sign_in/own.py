"""What somebody who is signed in does about their own account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from narthex.errors import Conflict, InvalidRequest, NotFound, SecondFactorFailed, SignInFailed
from narthex.tenancy.sign_in import credentials, second_factors
from narthex.tenancy.sign_in.contract import Visitor
from narthex.tenancy.sign_in.credentials import Credentials
from narthex.tenancy.sign_in.desk import Desk
from narthex.tenancy.sign_in.passwords import checked_password
from narthex.tenancy.sign_in.reception import Guest
from narthex.tenancy.sign_in.session_rows import Opened, end_sessions
from narthex.tenancy.sign_in.sessions import Session

_ELSEWHERE: Final = "you have no password here: you sign in with the single sign-on"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFactor:
    """A second factor that is to be confirmed."""

    secret: str
    address: str
    square: str
    """QR code of the address, SVG."""


class OwnAccount:
    """Changes what somebody signs in with, and ends their sessions."""

    def __init__(self, desk: Desk) -> None:
        """Take the desk, which knows who somebody is."""
        self._desk = desk
        self._office, self._reception = desk.office, desk.reception

    async def known(self, guest: Guest) -> Credentials:
        """Return what somebody signs in with."""
        known = await self._office.read(lambda connection: credentials.by_id(connection, guest.session.user_id))
        if known is None or not known.may_sign_in:
            raise NotFound
        return known

    async def change_password(self, guest: Guest, current: str, new: str, visitor: Visitor) -> Opened:
        """Set another password: every session ends, and this browser begins a new one.

        Raises:
            SignInFailed: The current password is not right.
            InvalidRequest: The new one is not good.
            SignInThrottled: It is too early after other failures.
        """
        known = await self._proved(guest, current, visitor)
        checked_password(new, about=(known.name, known.email or ""), param="new_password")
        if new == current:
            raise InvalidRequest("this is the password that you have", param="new_password")
        password_hash = await self._reception.passwords.hashed(new)
        who = self._desk.acting(known.id, visitor)

        def change(connection: Connection) -> Opened:
            credentials.set_password(connection, who, known.id, password_hash)
            return self._desk.begin(
                connection, who, known, "second_factor" if known.has_second_factor else "password", visitor
            )

        return await self._office.write(change)

    async def begin_second_factor(self, guest: Guest, password: str, visitor: Visitor) -> NewFactor:
        """Make a secret for an authenticator; nothing is asked for before a code of it was given.

        Raises:
            SignInFailed: The password is not right.
            Conflict: There is one already, or no password beside which it would be asked for.
            SignInThrottled: It is too early after other failures.
        """
        known = await self._proved(guest, password, visitor)
        secret = second_factors.new_secret()
        sealed = (await self._reception.sealer()).seal(secret.encode(), binding=known.totp_binding)
        if not await self._office.write(lambda connection: credentials.begin_totp(connection, known.id, sealed)):
            raise Conflict("you have a second factor already; remove it first")
        address = second_factors.address_of_secret(secret, account=known.email or known.name)
        return NewFactor(secret=secret, address=address, square=second_factors.square_of(address))

    async def confirm_second_factor(self, guest: Guest, code: str, visitor: Visitor) -> list[str]:
        """Ask for codes from now on; returns the recovery codes, which are told this once.

        Raises:
            SecondFactorFailed: This is no code of the authenticator.
            Conflict: Nothing is to be confirmed.
        """
        known = await self.known(guest)
        sealed = known.totp_sealed
        if sealed is None or known.has_second_factor:
            raise Conflict("there is no second factor to be confirmed; begin with setting one up")
        await self._reception.throttle.attempt(f"{known.email} code", visitor.address)
        secret = (await self._reception.sealer()).open(sealed, binding=known.totp_binding).decode()
        step = second_factors.step_of(secret, code, now_s=self._reception.now_s(), last_step=None)
        if step is None:
            raise SecondFactorFailed
        await self._reception.throttle.succeeded(f"{known.email} code", visitor.address)
        codes, who = second_factors.new_recovery_codes(), self._desk.acting(known.id, visitor)
        hashes = [second_factors.hash_of_code(one) for one in codes]

        def confirm(connection: Connection) -> bool:
            done = credentials.confirm_totp(connection, who, known.id, sealed=sealed, step=step, recovery=hashes)
            # Whoever else is signed in has shown one factor alone.
            end_sessions(connection, who, known.id, but=guest.session.id)
            return done

        if not await self._office.write(confirm):
            raise Conflict("another second factor was set up meanwhile; begin anew")
        return codes

    async def remove_second_factor(self, guest: Guest, password: str, visitor: Visitor) -> None:
        """Ask for no code any more.

        Raises:
            SignInFailed: The password is not right.
        """
        known = await self._proved(guest, password, visitor)
        who = self._desk.acting(known.id, visitor)
        await self._office.write(lambda connection: credentials.remove_totp(connection, who, known.id))

    async def new_recovery_codes(self, guest: Guest, password: str, visitor: Visitor) -> list[str]:
        """Return new recovery codes; the old ones are good for nothing any more.

        Raises:
            SignInFailed: The password is not right.
            Conflict: There is no second factor.
        """
        known = await self._proved(guest, password, visitor)
        if not known.has_second_factor:
            raise Conflict("you have no second factor; set one up first")
        codes, who = second_factors.new_recovery_codes(), self._desk.acting(known.id, visitor)
        hashes = [second_factors.hash_of_code(one) for one in codes]
        await self._office.write(lambda connection: credentials.set_recovery(connection, who, known.id, hashes))
        return codes

    def sessions(self, guest: Guest) -> list[Session]:
        """Return the open sessions of somebody, the one that was used last first."""
        return self._reception.sessions.of(guest.session.user_id, self._reception.now)

    async def end_session(self, guest: Guest, session_id: str, visitor: Visitor) -> None:
        """End one of one's own sessions.

        Raises:
            NotFound: There is none of this ID.
        """
        user_id, who = guest.session.user_id, self._desk.acting(guest.session.user_id, visitor)
        organisation_id = guest.caller.account.organisation_id

        def end(connection: Connection) -> int:
            ended = end_sessions(connection, who, user_id, session_id=session_id)
            if ended:
                details = {"session": session_id}
                who.note(
                    connection, "session.sign_out", target=user_id, organisation_id=organisation_id, details=details
                )
            return ended

        if not await self._office.write(end):
            raise NotFound("there is no such session of yours")

    async def _proved(self, guest: Guest, password: str, visitor: Visitor) -> Credentials:
        """Return what somebody signs in with, once more proved: a browser left alone is not enough.

        Raises:
            SignInFailed: The password is not right.
            Conflict: There is none.
            SignInThrottled: It is too early after other failures.
        """
        known = await self.known(guest)
        if known.password_hash is None:
            raise Conflict(_ELSEWHERE)
        await self._reception.throttle.attempt(known.email or known.id, visitor.address)
        if not await self._reception.passwords.fits(password, known.password_hash):
            self._desk.failed(known, visitor, "password, asked for again")
            raise SignInFailed("the password is not right", param="password")
        await self._reception.throttle.succeeded(known.email or known.id, visitor.address)
        return known
