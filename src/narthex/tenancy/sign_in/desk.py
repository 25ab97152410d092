"""The desk: the one place that lets somebody in.

Passwords are checked before anything is told of a user, and as late for one who is not there: neither an answer nor
its time says which e-mail addresses are known. Every success and every failure leaves a row in the audit log.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from sqlalchemy import Connection, update

from narthex.audit.records import Actor
from narthex.errors import Conflict, InvalidRequest, PermissionDenied, SecondFactorFailed, SignInExpired, SignInFailed
from narthex.stores.database.schema import users
from narthex.tenancy.acting import Acting
from narthex.tenancy.permissions import OWNER
from narthex.tenancy.sign_in import credentials, second_factors
from narthex.tenancy.sign_in.contract import Visitor
from narthex.tenancy.sign_in.credentials import Credentials
from narthex.tenancy.sign_in.passwords import checked_password
from narthex.tenancy.sign_in.reception import Guest, Reception
from narthex.tenancy.sign_in.session_rows import Opened, end_sessions, open_session
from narthex.tenancy.sign_in.tickets import Tickets
from narthex.tenancy.users import address_of, create_user
from narthex.types.accounts import DEFAULT_ORGANISATION, DEFAULT_WORKSPACE

How = Literal["password", "second_factor", "sso"]
_TICKET_MS: Final = 300_000
_SECOND: Final = "second factor"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorWanted:
    """The password was right, and a code is asked for beside it."""

    ticket: str


class _Pending(msgspec.Struct):
    user_id: str
    mark: str


class Desk:
    """Lets people in, and out."""

    def __init__(self, reception: Reception) -> None:
        """Take what signing in stands on."""
        self.reception = reception
        self.office = reception.office

    async def tickets(self) -> Tickets:
        """Return what signs tickets."""
        return Tickets((await self.reception.sealer()).mac_key("tickets of sign-in"))

    def acting(self, user_id: str, visitor: Visitor) -> Acting:
        """Return somebody as one who changes something of their own now."""
        actor = Actor("user", user_id) if user_id else Actor("system", "sign-in")
        return Acting(
            actor=actor,
            audit=self.office.audit,
            now=self.reception.now,
            address=visitor.address,
            request_id=visitor.request_id,
        )

    async def sign_in(self, email: str, password: str, visitor: Visitor) -> Opened | SecondFactorWanted:
        """Let somebody in by password.

        Raises:
            SignInFailed: E-mail address or password is not right, or this one may not sign in.
            SignInThrottled: It is too early after other failures.
            Overloaded: Too many sign in at this moment.
        """
        if not self.reception.settings.passwords:
            raise PermissionDenied("passwords are not taken here: use the single sign-on")
        name = email.strip().lower()[:320]
        await self.reception.throttle.attempt(name, visitor.address)
        known = await self.office.read(lambda connection: credentials.by_email(connection, name))
        may = known is not None and known.may_sign_in
        fits = await self.reception.passwords.fits(password, known.password_hash if known is not None and may else None)
        if known is None or not fits:
            self.failed(known, visitor, "password" if may else "unknown, disabled, or not a person")
            raise SignInFailed
        known = await self._renewed(known, password)
        if known.has_second_factor:
            pending = _Pending(user_id=known.id, mark=_mark_of(known))
            expires_at = self.reception.now + _TICKET_MS
            return SecondFactorWanted(ticket=(await self.tickets()).write(_SECOND, pending, expires_at=expires_at))
        return await self.enter(known, "password", visitor)

    async def second_factor(self, ticket: str, code: str, visitor: Visitor) -> Opened:
        """Let somebody in whose password was right, by a code of their authenticator or a recovery code.

        Raises:
            SecondFactorFailed: The code is not valid now, or was used before.
            SignInExpired: The password was given too long ago, or has been changed since.
            SignInThrottled: It is too early after other failures.
        """
        pending = (await self.tickets()).read(_SECOND, ticket, _Pending, now=self.reception.now)
        known = await self.office.read(lambda connection: credentials.by_id(connection, pending.user_id))
        if known is None or not known.may_sign_in or _mark_of(known) != pending.mark:
            raise SignInExpired
        await self.reception.throttle.attempt(f"{known.email} code", visitor.address)
        if not await self.code_fits(known, code, visitor):
            self.failed(known, visitor, "second factor")
            raise SecondFactorFailed
        await self.reception.throttle.succeeded(f"{known.email} code", visitor.address)
        return await self.enter(known, "second_factor", visitor)

    async def code_fits(self, known: Credentials, code: str, visitor: Visitor) -> bool:
        """Tell whether a code of the authenticator, or a recovery code, is good; it is good once."""
        if known.totp_sealed is None:
            return False
        secret = (await self.reception.sealer()).open(known.totp_sealed, binding=known.totp_binding).decode()
        now_s, last = self.reception.now_s(), known.totp_last_step
        step = second_factors.step_of(secret, code, now_s=now_s, last_step=last)
        who, code_hash = self.acting(known.id, visitor), second_factors.hash_of_code(code)

        def use(connection: Connection) -> bool:
            if step is not None:
                return credentials.use_step(connection, known.id, step)
            return credentials.use_recovery(connection, who, known.id, code_hash)

        return await self.office.write(use)

    async def enter(self, known: Credentials, how: How, visitor: Visitor) -> Opened:
        """Begin a session for somebody who is who they say.

        Raises:
            SignInExpired: Meanwhile they were locked out, or sign in with something else.
        """
        who = self.acting(known.id, visitor)

        def begin(connection: Connection) -> Opened:
            # Hashing takes a while, in which every session of theirs may have been ended.
            now = credentials.by_id(connection, known.id)
            if now is None or not now.may_sign_in or _mark_of(now) != _mark_of(known):
                raise SignInExpired
            return self.begin(connection, who, known, how, visitor)

        opened = await self.office.write(begin)
        await self.reception.throttle.succeeded(known.email or known.id, visitor.address)
        return opened

    def begin(self, connection: Connection, who: Acting, known: Credentials, how: How, visitor: Visitor) -> Opened:
        """Begin a session in this transaction."""
        connection.execute(update(users).where(users.c.id == known.id).values(last_sign_in_at=who.now))
        who.changed(connection, "user", known.id)
        details = {"how": how, "agent": visitor.agent[:200]}
        who.note(connection, "session.sign_in", target=known.id, organisation_id=known.organisation_id, details=details)
        lifetimes = self.reception.sessions.lifetimes
        return open_session(connection, who, user_id=known.id, how=how, agent=visitor.agent, lifetimes=lifetimes)

    async def sign_out(self, guest: Guest, visitor: Visitor) -> None:
        """End a session."""
        user_id, organisation_id = guest.session.user_id, guest.caller.account.organisation_id
        who = self.acting(user_id, visitor)

        def end(connection: Connection) -> None:
            end_sessions(connection, who, user_id, session_id=guest.session.id)
            who.note(connection, "session.sign_out", target=user_id, organisation_id=organisation_id)

        await self.office.write(end)

    async def first_owner(self, *, name: str, email: str, password: str, visitor: Visitor) -> Opened:
        """Make the first user, who owns the default organisation, and let them in.

        Raises:
            Conflict: There is one already.
            InvalidRequest: This is no e-mail address, or no good password.
        """
        checked_password(password, about=(name, email))
        address, password_hash = address_of(email), await self.reception.passwords.hashed(password)
        local = Acting(
            actor=Actor("local", "local"), audit=self.office.audit, now=self.reception.now, address=visitor.address
        )

        def make(connection: Connection) -> Opened:
            if credentials.anybody(connection):
                raise Conflict("there are users already: sign in")
            new = create_user(
                connection, local, organisation_id=DEFAULT_ORGANISATION, name=name, email=address, role=OWNER
            )
            where = users.c.id == new.id
            connection.execute(update(users).where(where).values(current_workspace_id=DEFAULT_WORKSPACE))
            credentials.set_password(connection, local, new.id, password_hash)
            return self.begin(connection, self.acting(new.id, visitor), _known(connection, new.id), "password", visitor)

        return await self.office.write(make)

    def failed(self, known: Credentials | None, visitor: Visitor, reason: str) -> None:
        """Write down that somebody was not let in; what was typed is not kept."""
        self.office.audit.note(
            "session.sign_in",
            actor=Actor("system", "sign-in") if known is None else Actor("user", known.id),
            target="" if known is None else known.id,
            organisation_id="" if known is None else known.organisation_id,
            outcome="failed",
            details={"reason": reason},
            address=visitor.address,
            request_id=visitor.request_id,
        )

    async def _renewed(self, known: Credentials, password: str) -> Credentials:
        """Hash a password anew, if hashes cost something else by now; return who has it then."""
        before, passwords = known.password_hash, self.reception.passwords
        if before is None or not passwords.is_outdated(before):
            return known
        after = await passwords.hashed(password)
        await self.office.write(lambda connection: credentials.renew_hash(connection, known.id, before, after))
        return msgspec.structs.replace(known, password_hash=after)


def checked_name(name: str) -> str:
    """Return a name that somebody may have.

    Raises:
        InvalidRequest: It is empty, or has signs that are not printed.
    """
    plain = " ".join(name.split())
    if not plain or len(plain) > 200 or not plain.isprintable():
        raise InvalidRequest("a name has 1 to 200 characters", param="name")
    return plain


def _known(connection: Connection, user_id: str) -> Credentials:
    known = credentials.by_id(connection, user_id)
    assert known is not None, "it was written in this transaction"
    return known


def _mark_of(known: Credentials) -> str:
    """Return what is another once the password, or the second factor, has been changed."""
    factor = known.totp_sealed if known.has_second_factor else None
    return hashlib.sha256(f"{known.id} {known.password_hash} {factor!r}".encode()).hexdigest()[:32]
