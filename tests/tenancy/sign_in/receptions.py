"""A reception over a real database, with a clock of the test's own and hashes that cost little."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import Connection, update

from narthex.audit.records import Actor
from narthex.config.sign_in_settings import SignInSettings
from narthex.stores.database import Database
from narthex.stores.database.schema import users
from narthex.stores.sealing import Sealer
from narthex.tenancy.acting import Acting
from narthex.tenancy.directory import Directory
from narthex.tenancy.keys import Keyring
from narthex.tenancy.office import Office, Opening
from narthex.tenancy.organisations import ensure_defaults
from narthex.tenancy.records import User
from narthex.tenancy.sign_in import credentials
from narthex.tenancy.sign_in.contract import Visitor
from narthex.tenancy.sign_in.desk import Desk
from narthex.tenancy.sign_in.passwords import Cost
from narthex.tenancy.sign_in.reception import Reception
from narthex.tenancy.users import create_user
from narthex.types.accounts import DEFAULT_ORGANISATION
from tests.tenancy.test_office import sealed, unheard
from tests.tenancy.towns import NOW, WrittenDown

CHEAP = Cost(time=1, memory_kib=64, lanes=1)
PASSWORD = "nine blue herons stand"
HERE = Visitor(address="192.0.2.7", agent="a test", request_id="req_1")


class Clock:
    """Unix time that a test moves."""

    def __init__(self) -> None:
        self.now_s = NOW / 1_000

    def __call__(self) -> float:
        """Tell the time."""
        return self.now_s


class PlainSealer:
    """Seals by turning round, and holds to the binding."""

    def seal(self, plain: bytes, *, binding: str) -> bytes:
        """Turn round."""
        return binding.encode() + b"|" + plain[::-1]

    def open(self, sealed: bytes, *, binding: str) -> bytes:
        """Turn back."""
        bound, _, turned = sealed.partition(b"|")
        assert bound == binding.encode()
        return turned[::-1]

    def mac_key(self, purpose: str) -> bytes:
        """Return a key."""
        return purpose.encode().ljust(32, b".")


async def sealing() -> PlainSealer:
    """Return a sealer."""
    return PlainSealer()


class Lobby:
    """A reception, and people who come to it."""

    def __init__(self, office: Office, reception: Reception, clock: Clock, audit: WrittenDown) -> None:
        self.office, self.reception, self.clock, self.audit = office, reception, clock, audit
        self.desk = Desk(reception)
        self.tasks: list[asyncio.Task[object]] = []

    def acting(self) -> Acting:
        """Return somebody who may do everything."""
        return Acting(actor=Actor("cli", "test"), audit=self.audit, now=self.reception.now)

    async def person(self, name: str = "ada", *, role: str = "member", password: str | None = PASSWORD) -> User:
        """Make a person who may have a password."""
        new = await self.office.write(
            lambda connection: create_user(
                connection,
                self.acting(),
                organisation_id=DEFAULT_ORGANISATION,
                name=name,
                email=f"{name}@example.org",
                role=role,
            )
        )
        if password is not None:
            hashed = self.reception.passwords.hashed_now(password)
            await self.office.write(
                lambda connection: credentials.set_password(connection, self.acting(), new.id, hashed)
            )
        return new

    async def disable(self, user_id: str) -> None:
        """Have somebody be let in no more."""
        statement = update(users).where(users.c.id == user_id).values(disabled_at=self.reception.now)

        def work(connection: Connection) -> None:
            connection.execute(statement)
            self.acting().changed(connection, "user", user_id)

        await self.office.write(work)


def _begin(connection: Connection) -> Sealer:
    ensure_defaults(connection, Acting(actor=Actor("system", "start"), audit=WrittenDown(), now=NOW))
    return sealed(connection)


@asynccontextmanager
async def lobby(url: str, *, settings: SignInSettings | None = None) -> AsyncIterator[Lobby]:
    """Open a reception on a database, which others may use too."""
    audit, clock = WrittenDown(), Clock()

    async def opened() -> Database:
        return await Database.open(url, data_dir=Path())

    opening = Opening(database=opened, begin=_begin, ready=unheard)
    office = Office(Directory(Keyring([], pepper=secrets.token_bytes(32))), audit, opening)
    started: list[asyncio.Task[object]] = []
    reception = Reception(
        office,
        settings or SignInSettings(),
        sealer=sealing,
        spawn=lambda work: started.append(asyncio.ensure_future(work)),
        cost=CHEAP,
        now_s=clock,
    )
    one = Lobby(office, reception, clock, audit)
    one.tasks = started
    try:
        await office.database()
        yield one
    finally:
        await asyncio.gather(*started)
        reception.close()
        await office.aclose()
