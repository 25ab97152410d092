"""Has the ledger write nobody's name who was erased, when a call ends that had begun before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from narthex.ledger.entries import Entry
from narthex.stores.database.erasures import ErasedNames, read_erased

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from narthex.stores.sealing import Sealer

_MOST: Final = 500
"""Marks that are asked for at once: SQLite takes so many parameters."""


def without_names(erased: ErasedNames, entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return entries in which nobody stands by name who was erased."""
    return tuple(_without(erased, entry) for entry in entries)


def as_erased(connection: Connection, sealer: Sealer, entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return them so by what the database knows at this moment, in the transaction that writes them."""
    asked = {(entry.end_user, entry.organisation_id) for entry in entries if entry.end_user}
    if not asked:
        return entries
    names = ErasedNames(sealer)
    marks = sorted(mark for name, where in asked for mark in names.marks("end_user", name, where))
    for start in range(0, len(marks), _MOST):
        names.adopt(read_erased(connection, marks[start : start + _MOST]))
    return without_names(names, entries) if names.until else entries


def _without(erased: ErasedNames, entry: Entry) -> Entry:
    instead = erased.instead("end_user", entry.end_user, entry.at, entry.organisation_id)
    return entry if instead == entry.end_user else msgspec.structs.replace(entry, end_user=instead)
