"""The database and what is sealed in it, opened for a command, with or without a server that runs."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from narthex.audit import Actor, Audit
from narthex.config.load import load
from narthex.config.settings import Settings
from narthex.errors import StoreUnreachable
from narthex.stores.database.configured import address_in, open_configured_now

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from narthex.audit.checkpoints import Checkpoints
    from narthex.stores.database import Database
    from narthex.stores.sealing import Sealer
    from narthex.tenancy.acting import Acting

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Opened:
    """What a command works on."""

    settings: Settings
    database: Database
    sealer: Sealer
    audit: Audit

    def write(self, work: Callable[[Connection, Acting], T]) -> T:
        """Write in one transaction, as whoever uses the command line, who may do everything."""
        from narthex.tenancy.acting import Acting  # noqa: PLC0415 - as below

        who = Acting(actor=operator(), audit=self.audit, now=int(time.time() * 1_000))

        def alone(connection: Connection) -> T:
            self.database.exclusively(connection, "accounts")
            return work(connection, who)

        return self.database.write_now(alone)

    @property
    def checkpoints(self) -> Checkpoints:
        """Where signed checkpoints of the audit log are."""
        # It loads SQLAlchemy, which is slow and of no use to `--help`.
        from narthex.audit.checkpoints import Checkpoints, folder_of  # noqa: PLC0415

        return Checkpoints(folder_of(self.settings))


@contextmanager
def opened_accounts(file: Path | None, *, is_made: bool = False) -> Iterator[Opened]:
    """Open what the configuration names, and close it again.

    Args:
        file: The configuration file; by default the one that would be found.
        is_made: Whether a database that is not there is made.

    Raises:
        MasterKeyUnusable: The master key is lost, or belongs to another database.
        StoreUnavailable: The database is not there, or cannot be used.
    """
    from narthex.stores.master_keys import master_keys  # noqa: PLC0415 - as above
    from narthex.stores.sealing import begin_sealing  # noqa: PLC0415 - as above

    settings = load(file=file, environ=os.environ).settings
    address = address_in(settings)
    if not is_made and address.path is not None and not address.path.exists():
        raise StoreUnreachable(
            f"there is no database at {address.shown} yet: `narthex db migrate` or `narthex serve` makes it"
        )
    database = open_configured_now(settings)
    try:
        keys = master_keys(settings.secrets, settings.data_dir.expanduser())
        sealer = database.write_now(lambda connection: begin_sealing(connection, keys))
        audit = Audit(settings.audit.level)
        audit.attach(database, sealer, writing=False)
        yield Opened(settings, database, sealer, audit)
    finally:
        database.close_now()


def operator() -> Actor:
    """Return who works at the command line, by the account on this machine."""
    try:
        return Actor("cli", getpass.getuser())
    except (KeyError, OSError):
        return Actor("cli", str(os.geteuid()))
