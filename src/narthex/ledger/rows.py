"""The entries in the database, and their sums for each hour, written in the same transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, String, select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError
from sqlalchemy.sql import Select

from narthex.ledger.days import unfold
from narthex.ledger.entries import Entry
from narthex.ledger.forgetting import as_erased
from narthex.ledger.unfit import UnfitEntries
from narthex.stores.database.schema import ledger_entries, usage_hours
from narthex.stores.sealing import Sealer

HOUR_MS: Final = 3_600_000
MAX_AT_ONCE: Final = 500
"""Entries in one statement: SQLite takes so many parameters and no more."""

_MOST: Final = 10**18
"""Of what is counted: a few such numbers have a sum of 64 bits."""
_Row = tuple[Any, ...]
"""An entry's fields in their order."""
_FIELDS: Final = msgspec.structs.fields(Entry)
_NAMES: Final = tuple(field.name for field in _FIELDS)
KEYS: Final = tuple(column.name for column in usage_hours.primary_key.columns)
SUMS: Final = tuple(column.name for column in usage_hours.columns if column.name not in KEYS)
_COUNTED: Final = ("attempts", "failures", "estimated", "estimated_picousd", "unpriced_tokens", "unpriced_attempts")
_SUMMED: Final = tuple(name for name in SUMS if name not in _COUNTED)
_SUMS: Final = (*_SUMMED, *_COUNTED)
_MONEY: Final = ("cost_picousd", "saved_picousd", "estimated_picousd")
_AT: Final = _NAMES.index("at")
_key_of: Callable[[_Row], tuple[object, ...]] = itemgetter(*map(_NAMES.index, KEYS[1:]))
_summed_of: Callable[[_Row], tuple[int, ...]] = itemgetter(*map(_NAMES.index, _SUMMED))
_ADDING: Final = f" ON CONFLICT ({', '.join(KEYS)}) DO UPDATE SET " + ", ".join(
    f"{name} = {usage_hours.name}.{name} + excluded.{name}" for name in SUMS
)

Write = Callable[[Callable[[Connection], int]], int]
"""Runs a function in one transaction, and returns what it returns."""


class LedgerRows:
    """Writes entries, each once, however often it is given."""

    def __init__(self, write: Write, sealer: Sealer | None = None) -> None:
        """Take what runs transactions, blocking, and what names of persons who were erased are known by."""
        self._write = write
        self._sealer = sealer

    def add(self, entries: Sequence[Entry]) -> int:
        """Write entries and add them to the sums of their hours; return how many were not there yet.

        Raises:
            UnfitEntries: One of them is not taken, and none of them is written.
            Exception: They could not be written, and none of them is.
        """
        if not entries:
            return 0
        try:
            return self._write(lambda connection: add_entries(connection, self._named(connection, entries)))
        except Exception as error:
            if not _is_fault_of_entries(error):
                raise
        fitted = [fitting(entry) for entry in entries]
        try:
            return self._write(lambda connection: add_entries(connection, self._named(connection, fitted)))
        except Exception as error:
            if not _is_fault_of_entries(error):
                raise
            raise UnfitEntries(str(error).partition("\n")[0]) from error

    def forgotten(self, entry: Entry) -> Entry:
        """Return an entry in which nobody stands by name who was erased; see `narthex.ledger.unfit.Forgetting`."""
        kept: list[Entry] = [entry]

        def look(connection: Connection) -> int:
            kept[:] = self._named(connection, kept)
            return 0

        self._write(look)
        return kept[0]

    def _named(self, connection: Connection, entries: Sequence[Entry]) -> Sequence[Entry]:
        return entries if self._sealer is None else as_erased(connection, self._sealer, entries)


def fitting(entry: Entry) -> Entry:
    """Return an entry that every database takes: texts as long as their columns, without zeros, numbers of 64 bits."""
    changes: dict[str, object] = {}
    for name in _NAMES:
        value = getattr(entry, name)
        if isinstance(value, str):
            kind = ledger_entries.c[name].type
            length = kind.length if isinstance(kind, String) else None
            text = value.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
            changes[name] = text[:length]
        elif isinstance(value, int) and not isinstance(value, bool):
            changes[name] = min(max(value, -_MOST), _MOST)
    return msgspec.structs.replace(entry, **changes)


def _is_fault_of_entries(error: Exception) -> bool:
    """Tell whether the database works, and would refuse the same again."""
    if isinstance(error, StatementError) and not isinstance(error, DBAPIError):
        return True
    return isinstance(error, DataError | IntegrityError | OverflowError | ValueError | TypeError)


def add_entries(connection: Connection, entries: Sequence[Entry]) -> int:
    """Write entries within a transaction; those that are there already are left alone."""
    by_id: dict[str, Entry] = {}
    for entry in entries:
        by_id.setdefault(entry.id, entry)
    fresh = list(by_id.values())
    if not fresh:
        return 0
    try:
        with connection.begin_nested():
            _add_new(connection, fresh)
    except IntegrityError:
        # Some are there already, as after the end of a process that had no time to forget them.
        fresh = _add_missing(connection, by_id)
    if fresh:
        sums = sums_of(fresh)
        add_sums(connection, sums.values())
        unfold(connection, {int(str(key[0])) for key in sums})
    return len(fresh)


def _add_new(connection: Connection, entries: Sequence[Entry]) -> None:
    """Write entries of which none is there, many in one statement.

    SQLite gives the interpreter back and takes it again for each statement that it runs, and so does every other
    thread wait for it: in one for each entry, calls under way paid for that many times over.
    """
    for start in range(0, len(entries), MAX_AT_ONCE):
        part = entries[start : start + MAX_AT_ONCE]
        values = tuple(chain.from_iterable(map(msgspec.structs.astuple, part)))
        connection.exec_driver_sql(_many(connection, ledger_entries.name, _NAMES, len(part)), values)


def _many(connection: Connection, table: str, names: Sequence[str], count: int) -> str:
    """Return the statement that writes so many rows: composing it anew would cost more than to run it."""
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    row = f"({', '.join([mark] * len(names))})"
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES {', '.join([row] * count)}"  # noqa: S608 - names of columns


def _add_missing(connection: Connection, by_id: Mapping[str, Entry]) -> list[Entry]:
    """Write those of several entries that are not there, and return them."""
    entries = list(by_id.values())
    fresh: list[Entry] = []
    for start in range(0, len(entries), MAX_AT_ONCE):
        part = entries[start : start + MAX_AT_ONCE]
        values = tuple(chain.from_iterable(map(msgspec.structs.astuple, part)))
        statement = _many(connection, ledger_entries.name, _NAMES, len(part)) + " ON CONFLICT DO NOTHING RETURNING id"
        fresh += [by_id[name] for name in connection.exec_driver_sql(statement, values).scalars()]
    return fresh


def sums_of(entries: Iterable[Entry]) -> Mapping[tuple[object, ...], dict[str, object]]:
    """Return the sums of entries, as rows of `usage_hours` by their keys."""
    # As rows: some twenty fields are taken out of each, which from an entry costs twice as much.
    together: dict[tuple[int, tuple[object, ...]], tuple[list[Entry], list[_Row]]] = {}
    for entry in entries:
        row = msgspec.structs.astuple(entry)
        key = row[_AT] // HOUR_MS, _key_of(row)
        known = together.get(key)
        if known is None:
            known = together[key] = [], []
        known[0].append(entry)
        known[1].append(row)
    found: dict[tuple[object, ...], dict[str, object]] = {}
    for (hour, names), (several, rows) in together.items():
        of = (hour * HOUR_MS, *names)
        found[of] = dict(zip((*KEYS, *_SUMS), (*of, *_sums_of(several, rows)), strict=True))
    return found


def _sums_of(entries: Sequence[Entry], rows: Sequence[_Row]) -> Iterator[int]:
    """Yield what entries of one key add to its sums: whole columns at a time, as nearly all entries have few keys."""
    yield from map(sum, zip(*map(_summed_of, rows), strict=True))
    yield len(entries)
    yield sum(entry.status != "settled" for entry in entries)
    estimated = [entry.cost_picousd for entry in entries if entry.estimated]
    yield len(estimated)
    yield sum(estimated)
    unpriced = [entry for entry in entries if not entry.price_id]
    yield sum(map(unpriced_tokens, unpriced))
    yield sum(map(is_unpriced, unpriced))


def unpriced_tokens(entry: Entry) -> int:
    """Return the tokens of an entry whose price nobody knew: what they cost is not in any sum."""
    return 0 if entry.price_id else entry.input_tokens + entry.output_tokens


def is_unpriced(entry: Entry) -> bool:
    """Tell whether an entry consumed something whose price nobody knew."""
    return not entry.price_id and bool(entry.input_tokens or entry.output_tokens or entry.images or entry.audio_ms)


def add_sums(connection: Connection, rows: Iterable[Mapping[str, object]]) -> None:
    """Add sums to those that are there; no two of them for the same key."""
    # In one order everywhere: two that write the same hours never wait for each other in a ring.
    ordered = sorted(rows, key=lambda row: tuple(str(row[name]) for name in KEYS))
    names = (*KEYS, *SUMS)
    for start in range(0, len(ordered), MAX_AT_ONCE):
        part = ordered[start : start + MAX_AT_ONCE]
        values = tuple(row[name] for row in part for name in names)
        statement = _many(connection, usage_hours.name, names, len(part)) + _ADDING
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(statement, values)
            continue
        found = connection.exec_driver_sql(f"{statement} RETURNING {', '.join(_MONEY)}", values)
        if any(isinstance(money, float) for row in found for money in row):
            # SQLite says nothing of it, and goes on with fractions; PostgreSQL refuses it by itself.
            raise OverflowError("the sum of an hour is more than 64 bits hold")


def entry_of(row: Mapping[str, object]) -> Entry:
    """Return a row of `ledger_entries` as an entry."""
    return msgspec.convert(tuple(row[name] for name in _NAMES), Entry)


def all_entries() -> Select[tuple[object, ...]]:
    """Return the query for every entry, in order of time."""
    columns = [ledger_entries.c[name] for name in _NAMES]
    return select(*columns).order_by(ledger_entries.c.at, ledger_entries.c.id)
