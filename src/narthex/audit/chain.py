"""Each row holds the hash of the one before it; one transaction at a time adds to the chain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, func, insert, select

from narthex.audit.personal import Drafting
from narthex.audit.records import START, Event, hash_of
from narthex.stores.database import exclusively
from narthex.stores.database.schema import audit_entries


class Head(NamedTuple):
    """The last row of the chain."""

    seq: int
    hash: bytes


def head_of(connection: Connection) -> Head:
    """Return the last row."""
    last = select(audit_entries.c.seq, audit_entries.c.hash).order_by(audit_entries.c.seq.desc()).limit(1)
    row = connection.execute(last).first()
    return Head(0, START) if row is None else Head(row.seq, bytes(row.hash))


def rows_in(connection: Connection) -> int:
    """Return how many rows there are."""
    return connection.scalar(select(func.count()).select_from(audit_entries)) or 0


def append(connection: Connection, events: Iterable[Event], drafting: Drafting) -> Head:
    """Write rows at the end of the chain, in a transaction; return the last one.

    Until the transaction ends no other one, of any process, adds to the chain.
    """
    exclusively(connection, "audit")
    seq, previous = head_of(connection)
    rows: list[dict[str, object]] = []
    for event in events:
        seq += 1
        entry = drafting.entry(event, seq)
        hashed = hash_of(previous, entry)
        rows.append({**msgspec.structs.asdict(entry), "previous_hash": previous, "hash": hashed})
        previous = hashed
    if rows:
        connection.execute(insert(audit_entries), rows)
        drafting.keep(connection)
    return Head(seq, previous)
