"""Lets go of the oldest rows, as a whole prefix: a signed statement of what went stays, and the rest can be checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, select

from narthex.audit.checkpoints import Checkpoints
from narthex.audit.records import Actor
from narthex.audit.signing import PublicKey, public_key, signed
from narthex.stores.database import exclusively
from narthex.stores.database.schema import audit_entries
from narthex.stores.facts import write_fact

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from narthex.audit.log import Audit
    from narthex.stores.database import Database
    from narthex.stores.sealing import Sealer

PRUNED: Final = "audit_pruned"
_GROUP: Final = 10_000
_SYSTEM: Final = Actor("system", "retention")


def prune(database: Database, sealer: Sealer, audit: Audit, to: Checkpoints, *, before: int, at: int) -> int:
    """Let go of the rows from before a moment, as far as no younger one stands among them; return how many went.

    Args:
        database: Where they are.
        sealer: Opens the key that signs.
        audit: Where it is written that they went.
        to: Where the statement goes beside the database.
        before: Unix time in milliseconds.
        at: Now, the same.

    Raises:
        StoreUnavailable: The database or the folder cannot be used.
    """
    count = 0
    while True:
        made = database.write_now(lambda connection: _prune(connection, sealer, audit, before=before, at=at))
        if made is None:
            return count
        rows, statement, key = made
        to.write(statement, key)
        count += rows


def _prune(
    connection: Connection, sealer: Sealer, audit: Audit, *, before: int, at: int
) -> tuple[int, dict[str, object], PublicKey] | None:
    exclusively(connection, "audit")
    seq, first = audit_entries.c.seq, connection.scalar(select(func.min(audit_entries.c.seq)))
    if first is None:
        return None
    # One row always stays: the next one holds its hash.
    most = min(first + _GROUP, connection.scalar(select(func.max(seq))) or first)
    # No further: in a long log the rest is looked at group by group.
    younger = connection.scalar(select(func.min(seq)).where(seq < most, audit_entries.c.at >= before))
    end = most if younger is None else younger
    if end <= first:
        return None
    last = connection.execute(select(seq, audit_entries.c.hash).where(seq < end).order_by(seq.desc()).limit(1)).one()
    rows = connection.execute(delete(audit_entries).where(seq < end)).rowcount
    said = {"kind": "pruned", "seq": last.seq, "hash": bytes(last.hash).hex(), "at": at, "rows": rows}
    statement = signed(connection, sealer, said)
    write_fact(connection, PRUNED, statement)
    details = {"through": last.seq, "hash": said["hash"], "rows": rows}
    audit.write(connection, "audit.prune", actor=_SYSTEM, details=details)
    key = public_key(connection)
    assert key is not None, "what signs has a public key"
    return rows, statement, key
