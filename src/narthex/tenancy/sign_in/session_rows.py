"""Sessions as rows: begun, kept and ended, each with a line in the list of changes."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, delete, insert, or_, select, update

from narthex.stores.database.schema import sessions
from narthex.tenancy.acting import Acting
from narthex.tenancy.rows import columns_of, records
from narthex.tenancy.sign_in.sessions import CHANGE, Lifetimes, Session, digest_of
from narthex.types.ids import new_id

_TOKEN_BYTES: Final = 32
_MOST_OF_ONE: Final = 50
"""Sessions of one user; the one that was used least lately makes way."""


class Opened(NamedTuple):
    """A session that has begun, and its token, which is told to the browser and to nobody else."""

    session: Session
    token: str


def open_session(
    connection: Connection, acting: Acting, *, user_id: str, how: str, agent: str, lifetimes: Lifetimes
) -> Opened:
    """Begin a session; those that are over are cleared away."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    session = Session(
        id=new_id("ses"),
        digest=digest_of(token),
        user_id=user_id,
        created_at=acting.now,
        seen_at=acting.now,
        expires_at=acting.now + lifetimes.longest_ms,
        address=acting.address[:64],
        agent=agent[:200],
        how=how,
    )
    over = or_(sessions.c.expires_at <= acting.now, sessions.c.seen_at <= acting.now - lifetimes.idle_ms)
    gone = list(connection.scalars(select(sessions.c.id).where(over).limit(500)))
    newest = select(sessions.c.id).where(sessions.c.user_id == user_id).order_by(sessions.c.seen_at.desc())
    gone += list(connection.scalars(newest.offset(_MOST_OF_ONE - 1)))
    if gone:
        connection.execute(delete(sessions).where(sessions.c.id.in_(gone)))
    connection.execute(insert(sessions).values(**msgspec.structs.asdict(session)))
    acting.changed(connection, CHANGE, session.id, *dict.fromkeys(gone))
    return Opened(session, token)


def end_sessions(connection: Connection, acting: Acting, user_id: str, *, session_id: str = "", but: str = "") -> int:
    """End sessions of a user: all, or the one named, or all but one; returns how many that were."""
    where = [sessions.c.user_id == user_id]
    where += [sessions.c.id == session_id] if session_id else []
    where += [sessions.c.id != but] if but else []
    gone = list(connection.scalars(select(sessions.c.id).where(*where)))
    if gone:
        connection.execute(delete(sessions).where(sessions.c.id.in_(gone)))
        acting.changed(connection, CHANGE, *gone)
    return len(gone)


def keep_id_token(connection: Connection, session_id: str, sealed: bytes) -> None:
    """Keep what a session began with at a provider, to be shown there when it ends."""
    connection.execute(update(sessions).where(sessions.c.id == session_id).values(id_token_sealed=sealed))


def id_token_of(connection: Connection, session_id: str) -> bytes | None:
    """Return what was kept, sealed."""
    return connection.execute(
        select(sessions.c.id_token_sealed).where(sessions.c.id == session_id)
    ).scalar_one_or_none()


def touch(connection: Connection, acting: Acting, session_id: str) -> None:
    """Keep that a session was used now."""
    statement = update(sessions).where(sessions.c.id == session_id, sessions.c.seen_at < acting.now)
    if connection.execute(statement.values(seen_at=acting.now)).rowcount:
        acting.changed(connection, CHANGE, session_id)


def every_session(connection: Connection) -> list[Session]:
    """Return all there are."""
    return records(connection, select(*columns_of(Session, sessions)), Session)


def some_sessions(connection: Connection, subjects: Sequence[str]) -> list[Session]:
    """Return those of some sessions that there are."""
    query = select(*columns_of(Session, sessions)).where(sessions.c.id.in_(list(subjects)))
    return records(connection, query, Session)
