"""Everything that is sealed in the database, in one list: after a change of master key all of it is wrapped anew."""

from __future__ import annotations

import base64
from collections import Counter
from typing import Final, NamedTuple

from sqlalchemy import Column, Connection, select, update

from narthex.stores.database import exclusively
from narthex.stores.database.schema import facts, persons, secrets, sessions, users
from narthex.stores.facts import fact, write_fact
from narthex.stores.master_keys import key_id
from narthex.stores.sealing import Sealer, fingerprint_of

_GROUP: Final = 500


class SealedColumn(NamedTuple):
    """A column of sealed records, and the key of its rows."""

    id: Column[str]
    sealed: Column[bytes]


SEALED: Final = (
    SealedColumn(secrets.c.id, secrets.c.sealed),
    SealedColumn(users.c.id, users.c.totp_sealed),
    SealedColumn(sessions.c.id, sessions.c.id_token_sealed),
    SealedColumn(persons.c.pseudonym, persons.c.identity_sealed),
)
"""Every one that there is; facts hold theirs under `sealed`, in base64."""


def rewrap(connection: Connection, sealer: Sealer) -> int:
    """Wrap all that is sealed under the newest master key, in one transaction; return how many records were changed.

    Raises:
        MasterKeyUnusable: Something was sealed under a master key that is not there.
        SealBroken: Something was changed.
    """
    exclusively(connection, "secrets")
    count = _rewrap_facts(connection, sealer) + sum(_rewrap(connection, sealer, column) for column in SEALED)
    write_fact(connection, "master_key", {"id": key_id(sealer.keys.newest()).hex()})
    return count


def _rewrap_facts(connection: Connection, sealer: Sealer) -> int:
    count = 0
    for name in connection.scalars(select(facts.c.name)).all():
        value = fact(connection, name) or {}
        sealed = value.get("sealed")
        new = sealer.rewrapped(base64.b64decode(sealed)) if isinstance(sealed, str) else None
        if new is not None:
            write_fact(connection, name, {**value, "sealed": base64.b64encode(new).decode()})
            count += 1
    return count


def _rewrap(connection: Connection, sealer: Sealer, column: SealedColumn) -> int:
    count, last = 0, ""
    page = select(column.id, column.sealed).where(column.sealed.is_not(None)).order_by(column.id).limit(_GROUP)
    while rows := connection.execute(page.where(column.id > last)).all():
        for name, sealed in rows:
            new = sealer.rewrapped(sealed)
            if new is not None:
                # What has been sealed anew or erased meanwhile stays so.
                where = column.id == name, column.sealed == sealed
                changed = update(column.id.table).where(*where).values({column.sealed.name: new})
                count += connection.execute(changed).rowcount
        last = rows[-1][0]
    return count


def count_by_key(connection: Connection) -> dict[str, int]:
    """Return how many records are sealed under each master key, by the fingerprint of the key."""
    counts: Counter[str] = Counter()
    for name in connection.scalars(select(facts.c.name)).all():
        sealed = (fact(connection, name) or {}).get("sealed")
        if isinstance(sealed, str):
            counts[fingerprint_of(base64.b64decode(sealed))] += 1
    for column in SEALED:
        for sealed in connection.scalars(select(column.sealed).where(column.sealed.is_not(None))):
            counts[fingerprint_of(bytes(sealed))] += 1
    return dict(counts)
