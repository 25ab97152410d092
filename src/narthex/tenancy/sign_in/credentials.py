"""What users sign in with, as rows: never held in memory, and told to nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Connection, exists, or_, select, update

from narthex.stores.database.schema import users
from narthex.tenancy.acting import Acting
from narthex.tenancy.rows import record_of
from narthex.tenancy.sign_in.reception import CREDENTIAL
from narthex.tenancy.sign_in.session_rows import end_sessions

_SECOND_FACTOR: Final = ("totp_sealed", "totp_confirmed_at", "totp_last_step", "recovery_hashes")


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """A user, and what they sign in with."""

    id: str
    organisation_id: str
    kind: str
    email: str | None
    name: str
    role: str
    password_hash: str | None
    totp_sealed: bytes | None
    totp_confirmed_at: int | None
    totp_last_step: int | None
    recovery_hashes: list[str] | None
    issuer: str | None
    subject: str | None
    disabled_at: int | None

    @property
    def may_sign_in(self) -> bool:
        """Whether this is a person who is let in at all: a service account has keys."""
        return self.kind == "person" and self.disabled_at is None

    @property
    def has_second_factor(self) -> bool:
        """Whether a code is asked for beside the password."""
        return self.totp_sealed is not None and self.totp_confirmed_at is not None

    @property
    def totp_binding(self) -> str:
        """For which place the secret is sealed."""
        return f"users:{self.id}"


def by_email(connection: Connection, email: str) -> Credentials | None:
    """Return the user of an e-mail address in its one written form."""
    return _one(connection, users.c.email == email)


def by_id(connection: Connection, user_id: str) -> Credentials | None:
    """Return a user."""
    return _one(connection, users.c.id == user_id)


def by_subject(connection: Connection, issuer: str, subject: str) -> Credentials | None:
    """Return the user that a provider of single sign-on knows under this name."""
    return _one(connection, users.c.issuer == issuer, users.c.subject == subject)


def anybody(connection: Connection) -> bool:
    """Tell whether there is anybody who has something to sign in with."""
    has = or_(users.c.password_hash.is_not(None), users.c.issuer.is_not(None))
    return bool(connection.execute(select(exists().where(users.c.kind == "person", has))).scalar_one())


def set_password(connection: Connection, acting: Acting, user_id: str, password_hash: str) -> None:
    """Give somebody a new password: every session of theirs ends, in the same transaction."""
    _set(connection, user_id, password_hash=password_hash)
    ended = end_sessions(connection, acting, user_id)
    acting.changed(connection, CREDENTIAL, user_id)
    _note(connection, acting, "user.password_changed", user_id, {"ended_sessions": ended})


def renew_hash(connection: Connection, user_id: str, before: str, password_hash: str) -> None:
    """Keep the same password under a hash of another cost, if it is still the same."""
    statement = update(users).where(users.c.id == user_id, users.c.password_hash == before)
    connection.execute(statement.values(password_hash=password_hash))


def begin_totp(connection: Connection, user_id: str, sealed: bytes) -> bool:
    """Keep a secret that is not confirmed yet; False if another one already is."""
    statement = update(users).where(users.c.id == user_id, users.c.totp_confirmed_at.is_(None))
    values = {"totp_sealed": sealed, "totp_last_step": None, "recovery_hashes": None}
    return bool(connection.execute(statement.values(**values)).rowcount)


def confirm_totp(
    connection: Connection, acting: Acting, user_id: str, *, sealed: bytes, step: int, recovery: Sequence[str]
) -> bool:
    """Ask for codes of this secret from now on; False if another one was put in its place meanwhile."""
    where = (users.c.id == user_id, users.c.totp_confirmed_at.is_(None), users.c.totp_sealed == sealed)
    values = {"totp_confirmed_at": acting.now, "totp_last_step": step, "recovery_hashes": list(recovery)}
    done = bool(connection.execute(update(users).where(*where).values(**values)).rowcount)
    if done:
        _note(connection, acting, "user.second_factor", user_id, {"what": "set up"})
    return done


def remove_totp(connection: Connection, acting: Acting, user_id: str) -> None:
    """Ask for no code any more."""
    _set(connection, user_id, **dict.fromkeys(_SECOND_FACTOR))
    _note(connection, acting, "user.second_factor", user_id, {"what": "removed"})


def set_recovery(connection: Connection, acting: Acting, user_id: str, recovery: Sequence[str]) -> None:
    """Put new recovery codes in the place of the old ones."""
    _set(connection, user_id, recovery_hashes=list(recovery))
    _note(connection, acting, "user.second_factor", user_id, {"what": "new recovery codes"})


def use_step(connection: Connection, user_id: str, step: int) -> bool:
    """Use a code of an authenticator up; False if it, or a later one, was used before."""
    unused = or_(users.c.totp_last_step.is_(None), users.c.totp_last_step < step)
    statement = update(users).where(users.c.id == user_id, unused).values(totp_last_step=step)
    return bool(connection.execute(statement).rowcount)


def use_recovery(connection: Connection, acting: Acting, user_id: str, code_hash: str) -> bool:
    """Use a recovery code up; False if it is none, or was used before."""
    query = select(users.c.recovery_hashes).where(users.c.id == user_id).with_for_update()
    left: list[str] = connection.execute(query).scalar_one_or_none() or []
    if code_hash not in left:
        return False
    left = [one for one in left if one != code_hash]
    _set(connection, user_id, recovery_hashes=left)
    _note(connection, acting, "user.second_factor", user_id, {"what": "recovery code used", "left": len(left)})
    return True


def link(connection: Connection, acting: Acting, user_id: str, issuer: str, subject: str) -> None:
    """Know somebody by single sign-on from now on; what was set up before opens nothing any more.

    Whoever had a link to an account may have chosen its password; now the owner of the address is known.
    """
    nothing = dict.fromkeys((users.c.password_hash.name, *_SECOND_FACTOR))
    _set(connection, user_id, issuer=issuer, subject=subject, **nothing)
    ended = end_sessions(connection, acting, user_id)
    acting.changed(connection, CREDENTIAL, user_id)
    _note(connection, acting, "user.linked", user_id, {"issuer": issuer, "ended_sessions": ended})


def _one(connection: Connection, *where: ColumnElement[bool]) -> Credentials | None:
    return record_of(connection, Credentials, users, *where)


def _set(connection: Connection, user_id: str, **values: object) -> None:
    connection.execute(update(users).where(users.c.id == user_id).values(**values))


def _note(connection: Connection, acting: Acting, action: str, user_id: str, details: dict[str, object]) -> None:
    organisation_id = connection.execute(select(users.c.organisation_id).where(users.c.id == user_id)).scalar_one()
    acting.note(connection, action, target=user_id, organisation_id=organisation_id, details=details)
