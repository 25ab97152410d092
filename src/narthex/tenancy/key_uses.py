"""Writes when keys were used, and in the same transaction what the audit log has of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import BindParameter, Connection, bindparam, case, or_, select, update

from narthex.audit.records import Actor
from narthex.stores.database import exclusively
from narthex.stores.database.schema import api_keys, audit_entries
from narthex.tenancy.auditing import AuditRows
from narthex.tenancy.sightings import Use

if TYPE_CHECKING:
    from narthex.audit.personal import Pseudonyms

FIRST: Final = "key.first_use"
ELSEWHERE: Final = "key.new_address"
MOST_TOLD: Final = 50
"""New addresses of a key that are written one by one at a time; of the others how many they are."""
_MOST_KNOWN: Final = 50_000
_MOST_ASKED: Final = 500


class _Key(NamedTuple):
    """What is asked about a key that was used."""

    id: str
    organisation_id: str
    workspace_id: str
    first_used_at: int | None


def write_uses(
    connection: Connection, uses: Mapping[str, Use], audit: AuditRows, addresses: KnownAddresses | None
) -> None:
    """Write when keys were used; whatever others have written, the earliest and the latest time stay.

    Args:
        connection: In the transaction.
        uses: By the ID of the key; one that is no more is passed over.
        audit: Where it is written which were used for the first time, or from a new address.
        addresses: Tells which are new; None where nobody wants to know.
    """
    # Of all processes one at a time: each first use has one row.
    exclusively(connection, "key uses")
    keys = _keys(connection, sorted(uses))
    if not keys:
        return
    connection.execute(_WRITE, [_times(key.id, uses[key.id]) for key in keys])
    for key in keys:
        use = uses[key.id]
        if key.first_used_at is None:
            _note(connection, audit, FIRST, key, address=use.began_at, at=use.first_ms)
        if addresses is not None:
            # What the row above has is not new any more.
            new = addresses.unseen(connection, key.id, use.addresses)
            for address in new[:MOST_TOLD]:
                _note(connection, audit, ELSEWHERE, key, address=address, at=use.addresses[address])
            if len(new) > MOST_TOLD:
                _note(connection, audit, ELSEWHERE, key, address="", more=len(new) - MOST_TOLD)


class KnownAddresses:
    """Tells which addresses the audit log has of a key; the log is the only place that has them."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        """Take by which names addresses stand there."""
        self._pseudonyms = pseudonyms
        self._known: dict[tuple[str, str], None] = {}

    def unseen(self, connection: Connection, key_id: str, addresses: Mapping[str, int]) -> list[str]:
        """Return those that stand nowhere in the log for this key, in the order in which they came."""
        asked = {self._name(key_id, one): one for one in addresses if (key_id, one) not in self._known}
        found = {asked[name] for name in self._found(connection, key_id, list(asked))}
        for one in found:
            self._known[key_id, one] = None
        while len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return sorted(set(asked.values()) - found, key=lambda one: (addresses[one], one))

    def _name(self, key_id: str, address: str) -> str:
        return self._pseudonyms.of("address", address, by=key_id, kept=False)

    def _found(self, connection: Connection, key_id: str, names: Sequence[str]) -> list[str]:
        rows = audit_entries.c
        mine = (rows.actor == key_id, rows.action.in_((FIRST, ELSEWHERE)))
        found: list[str] = []
        for start in range(0, len(names), _MOST_ASKED):
            some = rows.address.in_(names[start : start + _MOST_ASKED])
            found += connection.scalars(select(rows.address).where(*mine, some).distinct())
        return found


_used: Final = api_keys.c
_FIRST: Final[BindParameter[int]] = bindparam("first")
_LAST: Final[BindParameter[int]] = bindparam("last")
_IS_FIRST: Final = or_(_used.first_used_at.is_(None), _used.first_used_at > _FIRST)
_IS_LAST: Final = or_(_used.last_used_at.is_(None), _used.last_used_at < _LAST)
_WRITE: Final = (
    update(api_keys)
    .where(_used.id == bindparam("key"), or_(_IS_FIRST, _IS_LAST))
    .values(
        # Not its version: nobody has changed it.
        first_used_at=case((_IS_FIRST, _FIRST), else_=_used.first_used_at),
        last_used_at=case((_IS_LAST, _LAST), else_=_used.last_used_at),
    )
)


def _times(key_id: str, use: Use) -> dict[str, object]:
    return {"key": key_id, "first": use.first_ms, "last": use.last_ms}


def _keys(connection: Connection, ids: Sequence[str]) -> list[_Key]:
    found: list[_Key] = []
    columns = (_used.id, _used.organisation_id, _used.workspace_id, _used.first_used_at)
    for start in range(0, len(ids), _MOST_ASKED):
        query = select(*columns).where(_used.id.in_(ids[start : start + _MOST_ASKED])).order_by(_used.id)
        found += [_Key(*row) for row in connection.execute(query)]
    return found


def _note(connection: Connection, audit: AuditRows, action: str, key: _Key, *, address: str, **details: object) -> None:
    audit.write(
        connection,
        action,
        actor=Actor("key", key.id),
        target=key.id,
        organisation_id=key.organisation_id,
        workspace_id=key.workspace_id,
        details=details,
        address=address,
    )
