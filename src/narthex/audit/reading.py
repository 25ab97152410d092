"""Lists and exports the audit log; who is behind a pseudonym is told where it may be and still can be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from sqlalchemy import Select, and_, or_, select

from narthex.audit.records import Entry
from narthex.errors import SealBroken
from narthex.stores.database.schema import audit_entries, persons

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, RowMapping

    from narthex.stores.database import Database
    from narthex.stores.sealing import Sealer

_GROUP: Final = 1_000
_PSEUDONYM: Final = "per_"
_NAMES: Final = tuple(one.name for one in msgspec.structs.fields(Entry))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which entries are wanted; all by default."""

    organisation_id: str | None = None
    workspace_ids: Sequence[str] | None = None
    """With an organisation: of these workspaces alone."""
    actor: str | None = None
    action: str | None = None
    """A whole one, or a resource such as `key`."""
    target: str | None = None
    outcome: str | None = None
    since: int | None = None
    """Unix time in milliseconds, included."""
    until: int | None = None
    """The same, excluded."""


class Told(NamedTuple):
    """An entry, with its hash, and who is behind the pseudonyms in it."""

    entry: Entry
    hash: str
    persons: Mapping[str, str]


def entries(
    connection: Connection, wanted: Filter, *, limit: int, before_seq: int | None = None, sealer: Sealer | None = None
) -> list[Told]:
    """Return the newest entries that are wanted, from newest to oldest.

    Args:
        connection: In a transaction.
        wanted: Which.
        limit: How many at most.
        before_seq: Only those older than this one.
        sealer: Opens who is behind pseudonyms; without it nobody is told.
    """
    query = _query(wanted).order_by(audit_entries.c.seq.desc()).limit(limit)
    if before_seq is not None:
        query = query.where(audit_entries.c.seq < before_seq)
    return _rows(connection, query, sealer)


def all_entries(database: Database, wanted: Filter, *, sealer: Sealer | None = None) -> Iterator[Told]:
    """Yield every entry that is wanted, from oldest to newest, in parts: the log may be long."""
    last = 0
    while True:
        query = _query(wanted).where(audit_entries.c.seq > last).order_by(audit_entries.c.seq).limit(_GROUP)
        part = database.read_now(partial(_rows, query=query, sealer=sealer))
        yield from part
        if len(part) < _GROUP:
            return
        last = part[-1].entry.seq


def told(one: Told) -> dict[str, object]:
    """Return what is told of an entry; who is behind its pseudonyms stands beside them."""
    entry = msgspec.structs.asdict(one.entry)
    return {"object": "audit_entry", **entry, "hash": one.hash, "persons": dict(one.persons)}


def _query(wanted: Filter) -> Select[*tuple[object, ...]]:
    return select(audit_entries).where(and_(True, *_conditions(wanted)))


def _conditions(wanted: Filter) -> Iterator[ColumnElement[bool]]:
    table = audit_entries.c
    for column, value in (
        (table.organisation_id, wanted.organisation_id),
        (table.actor, wanted.actor),
        (table.target, wanted.target),
        (table.outcome, wanted.outcome),
    ):
        if value is not None:
            yield column == value
    if wanted.workspace_ids is not None:
        yield table.workspace_id.in_(wanted.workspace_ids)
    if wanted.action is not None:
        yield or_(table.action == wanted.action, table.action.startswith(f"{wanted.action}.", autoescape=True))
    if wanted.since is not None:
        yield table.at >= wanted.since
    if wanted.until is not None:
        yield table.at < wanted.until


def _rows(connection: Connection, query: Select[*tuple[object, ...]], sealer: Sealer | None) -> list[Told]:
    return _told(connection, connection.execute(query).mappings().all(), sealer)


def _told(connection: Connection, rows: Sequence[RowMapping], sealer: Sealer | None) -> list[Told]:
    found = [(Entry(**{name: row[name] for name in _NAMES}), bytes(row["hash"]).hex()) for row in rows]
    met = {name for entry, _ in found for name in _pseudonyms(entry)} if sealer is not None else set[str]()
    known = _opened(connection, met, sealer) if sealer is not None and met else {}
    return [
        Told(entry, hashed, {name: known[name] for name in _pseudonyms(entry) if name in known})
        for entry, hashed in found
    ]


def _pseudonyms(value: object) -> Iterator[str]:
    match value:
        case Entry():
            for one in (value.actor.removeprefix("cli:"), value.target, value.address, value.details):
                yield from _pseudonyms(one)
        case str() if value.startswith(_PSEUDONYM):
            yield value
        case dict():
            for inner in value.values():
                yield from _pseudonyms(inner)
        case list():
            for inner in value:
                yield from _pseudonyms(inner)
        case _:
            return


def _opened(connection: Connection, names: set[str], sealer: Sealer) -> dict[str, str]:
    query = select(persons.c.pseudonym, persons.c.identity_sealed).where(persons.c.pseudonym.in_(sorted(names)))
    known: dict[str, str] = {}
    for name, sealed in connection.execute(query.where(persons.c.identity_sealed.is_not(None))).all():
        try:
            known[name] = sealer.open(bytes(sealed), binding=f"persons:{name}").decode()
        except SealBroken:
            # One that was tampered with is told as nobody; the rest of the list is still to be seen.
            continue
    return known
