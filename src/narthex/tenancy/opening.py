"""Opens where the accounts are kept, as the settings have it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from narthex.audit.levels import is_written
from narthex.audit.log import Audit
from narthex.audit.records import Actor
from narthex.config.settings import Settings
from narthex.stores.database.configured import open_configured
from narthex.stores.master_keys import master_keys
from narthex.stores.sealing import Sealer, begin_sealing
from narthex.tenancy.directory import Directory
from narthex.tenancy.keys import Keyring
from narthex.tenancy.office import Office, Opening

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from narthex.stores.database import Database
    from narthex.tenancy.key_uses import KnownAddresses


KEYS_PURPOSE: Final = "api-keys"
"""What virtual keys are hashed with is made for this."""


def open_office(settings: Settings, keyring: Keyring, audit: Audit) -> Office:
    """Return the office of a server; its database is opened when it is started.

    Args:
        settings: Say where the database and the master key are.
        keyring: Learns of the virtual keys.
        audit: Is given the database once it is open.
    """
    keyring.denials.audit = audit
    data_dir = settings.data_dir.expanduser()
    keys = master_keys(settings.secrets, data_dir)

    def begin(connection: Connection) -> Sealer:
        # SQLAlchemy is loaded with the database, and not before.
        from narthex.tenancy.acting import Acting  # noqa: PLC0415
        from narthex.tenancy.organisations import ensure_defaults  # noqa: PLC0415

        sealer = begin_sealing(connection, keys)
        audit.use(sealer)
        ensure_defaults(connection, Acting(actor=Actor("system", "start"), audit=audit, now=int(time.time() * 1_000)))
        return sealer

    def ready(database: Database, sealer: Sealer) -> None:
        keyring.season(sealer.mac_key(KEYS_PURPOSE))
        _keep(office, audit, settings, database, sealer)

    office = Office(
        Directory(keyring), audit, Opening(database=lambda: open_configured(settings), begin=begin, ready=ready)
    )
    return office


def _keep(office: Office, audit: Audit, settings: Settings, database: Database, sealer: Sealer) -> None:
    """Have the audit log written, with checkpoints beside the database, and what is too old swept out."""
    # Loaded with the database, and not before.
    from narthex.audit.checkpoints import Checkpoints, folder_of  # noqa: PLC0415
    from narthex.audit.keeper import AuditKeeper  # noqa: PLC0415
    from narthex.tenancy.clerk import Clerk  # noqa: PLC0415
    from narthex.tenancy.retention import Kept, Sweeper  # noqa: PLC0415

    keyring = office.directory.keyring
    folder = Checkpoints(folder_of(settings))
    keeper = AuditKeeper(audit, folder, interval_s=settings.audit.checkpoint_interval_s)
    owners = ["key:local", *(f"tenant:{one.tenant}" if one.tenant else f"key:{one.name}" for one in settings.keys)]
    kept = Kept(database, sealer, audit, folder, settings.data_dir.expanduser(), owners)
    sweeper = Sweeper(kept, settings.retention)
    clerk = Clerk(
        database,
        audit,
        sightings=keyring.sightings,
        denials=keyring.denials,
        addresses=_known_addresses(settings, sealer),
    )
    office.when_closing += [keeper.close, sweeper.close, clerk.close]
    keeper.open(database, sealer)
    sweeper.start()
    clerk.start()


def _known_addresses(settings: Settings, sealer: Sealer) -> KnownAddresses | None:
    """Return what tells new addresses of keys, where the log is to have them."""
    from narthex.audit.personal import Pseudonyms  # noqa: PLC0415
    from narthex.tenancy.key_uses import ELSEWHERE, KnownAddresses  # noqa: PLC0415

    return KnownAddresses(Pseudonyms(sealer)) if is_written(ELSEWHERE, settings.audit.level) else None
