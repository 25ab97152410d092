"""Who comes with a session, and whether anybody must have one: known in memory, without a database."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from narthex.audit.records import Actor
from narthex.config.sign_in_settings import SignInSettings
from narthex.tenancy.keys import SESSION_MARK, Caller, KeyMark
from narthex.tenancy.listening import Listener
from narthex.tenancy.office import Office
from narthex.tenancy.sign_in.contract import MS, Sealer
from narthex.tenancy.sign_in.passwords import DEFAULT_COST, Cost, Passwords
from narthex.tenancy.sign_in.sessions import CHANGE, SEEN_EVERY_MS, Lifetimes, Session, Sessions
from narthex.tenancy.sign_in.throttling import Throttle

if TYPE_CHECKING:
    from sqlalchemy import Connection

CREDENTIAL: Final = "credential"
"""Kind of the changes that say that somebody was given something to sign in with."""

Spawn = Callable[[Coroutine[object, object, None]], object]


class Guest(NamedTuple):
    """Somebody who comes with a session."""

    caller: Caller
    session: Session

    @property
    def mark(self) -> KeyMark:
        """What rests on this session is held by, as other things are by the mark of a key."""
        return KeyMark(SESSION_MARK + self.session.digest)


class Reception:
    """Knows who is signed in."""

    def __init__(
        self,
        office: Office,
        settings: SignInSettings,
        *,
        sealer: Callable[[], Awaitable[Sealer]],
        spawn: Spawn,
        cost: Cost = DEFAULT_COST,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """Know nobody yet.

        Args:
            office: Where the accounts are kept; not started yet.
            settings: How people sign in.
            sealer: Keeps secrets at rest, once the database is open.
            spawn: Starts what nobody waits for.
            cost: Of hashes of passwords.
            now_s: Unix time.
        """
        self.office = office
        office.reception = self
        self.settings = settings
        self.sealer = sealer
        self.passwords = Passwords(cost)
        self.throttle = Throttle(office.database, self._throttling_key, lambda: self.now)
        self.sessions = Sessions(lifetimes_of(settings))
        self.now_s = now_s
        self._spawn = spawn
        self._touching: set[str] = set()
        office.directory.keyring.guest = self._holder
        office.also([CHANGE], Listener(read=_read_sessions, take=self._take), self._load)
        office.also([CREDENTIAL], Listener(read=_anybody_now, take=self._learn), self._look)

    @property
    def now(self) -> int:
        """Unix time in milliseconds."""
        return int(self.now_s() * MS)

    async def _throttling_key(self) -> bytes:
        return (await self.sealer()).mac_key("tries of sign-in")

    def adopt(self, settings: SignInSettings) -> None:
        """Take other settings over; open sessions last as long as these say."""
        self.settings = settings
        self.sessions.lifetimes = lifetimes_of(settings)

    def close(self) -> None:
        """Let nobody in any more."""
        self.passwords.close()

    def guest(self, token: str) -> Guest | None:
        """Return who comes with this token; None if that is nobody who may act."""
        now = self.now
        session = self.sessions.find(token, now)
        if session is None:
            return None
        caller = self.office.directory.caller_of(session.user_id)
        if caller is None:
            return None
        if now - session.seen_at >= SEEN_EVERY_MS and session.id not in self._touching:
            self._touching.add(session.id)
            self._spawn(self._touch(session, now))
        return Guest(caller, session)

    async def _touch(self, session: Session, now: int) -> None:
        from narthex.tenancy.acting import Acting  # noqa: PLC0415 - loads SQLAlchemy, which is there by now
        from narthex.tenancy.sign_in.session_rows import touch  # noqa: PLC0415 - as above

        who = Acting(actor=Actor("user", session.user_id), audit=self.office.audit, now=now)
        try:
            await self.office.write(lambda connection: touch(connection, who, session.id))
        finally:
            self._touching.discard(session.id)

    def _take(self, subjects: Sequence[str], found: object) -> None:
        if self.sessions.take(subjects, cast("Sequence[Session]", found)):
            self.office.directory.keyring.when_gone()

    def _holder(self, mark: KeyMark) -> Caller | None:
        session = self.sessions.held(mark.removeprefix(SESSION_MARK), self.now)
        return None if session is None else self.office.directory.caller_of(session.user_id)

    def _learn(self, subjects: Sequence[str], found: object) -> None:
        del subjects
        self.office.directory.keyring.demand(bool(found))

    def _load(self, connection: Connection) -> Callable[[], None]:
        from narthex.tenancy.sign_in.session_rows import every_session  # noqa: PLC0415 - as above

        everything = every_session(connection)
        return lambda: self.sessions.load(everything)

    def _look(self, connection: Connection) -> Callable[[], None]:
        found = _anybody_now(connection, [])
        return lambda: self.office.directory.keyring.demand(bool(found))


def lifetimes_of(settings: SignInSettings) -> Lifetimes:
    """Return for how long sessions hold."""
    return Lifetimes(idle_ms=int(settings.idle_s * MS), longest_ms=int(settings.longest_s * MS))


def may_have_users(url: str | None, data_dir: Path) -> bool:
    """Tell, before the database is opened, whether somebody may be there who signs in.

    A look at the file takes a millisecond, and tells for sure; of any other database it is not known yet.
    """
    path = data_dir / "main.db" if url is None else Path(url.removeprefix("sqlite:///"))
    if url is not None and not url.startswith("sqlite:///"):
        return True
    if not path.exists():
        return False
    query = "SELECT EXISTS (SELECT 1 FROM users WHERE password_hash IS NOT NULL OR issuer IS NOT NULL)"
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0.2)
        try:
            return bool(connection.execute(query).fetchone()[0])
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        # An empty file, made a moment ago.
        return "no such table" not in str(error)
    except sqlite3.Error:
        return True


def _read_sessions(connection: Connection, subjects: Sequence[str]) -> object:
    from narthex.tenancy.sign_in.session_rows import some_sessions  # noqa: PLC0415 - as above

    return some_sessions(connection, subjects)


def _anybody_now(connection: Connection, subjects: Sequence[str]) -> object:
    from narthex.tenancy.sign_in.credentials import anybody  # noqa: PLC0415 - as above

    del subjects
    return anybody(connection)
