"""The ledger for other programs: sums or entries as CSV, JSON, JSON lines, Parquet, or costs in the FOCUS format.

All of it is written as it is read, part by part: an export of any length needs the memory of one part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal, get_args

import msgspec
from sqlalchemy import Connection, func, select

from narthex.errors import InvalidRequest
from narthex.ledger.dimensions import HOURS
from narthex.ledger.entries import Entry
from narthex.ledger.focus import focus_columns, focus_question, focus_rows
from narthex.ledger.formats import Column, Rows, writer_of
from narthex.ledger.listing import Read, every
from narthex.ledger.money import usd
from narthex.ledger.periods import iso, parts_of
from narthex.ledger.rows import SUMS
from narthex.ledger.usage import Question, usage

What = Literal["usage", "entries", "focus"]
"""What may be exported."""
WHATS: Final[tuple[str, ...]] = get_args(What)

_MONEY: Final[Mapping[str, str]] = {
    "cost_picousd": "cost_usd",
    "saved_picousd": "saved_usd",
    "estimated_picousd": "estimated_cost_usd",
}
_RENAMED: Final[Mapping[str, str]] = {**_MONEY, "estimated": "estimated_attempts"}
_PARTS: Final[Mapping[str, str]] = {"hour": "day", "day": "month", "week": "week", "month": "month"}
"""Of which length the parts are that sums of a period are read in: no period lies in two of them."""
_FIELDS: Final = tuple(field.name for field in msgspec.structs.fields(Entry))
_COUNTS: Final = frozenset({"attempt", "requests", *SUMS})


def export(read: Read, asked: Question, *, what: str, form: str) -> Iterator[bytes]:
    """Yield an export; its first part is there when this returns, and so is the error if there is one.

    Args:
        read: Runs a function that reads the database.
        asked: Of what.
        what: One of `WHATS`.
        form: How it is written.

    Raises:
        InvalidRequest: There is no such export, or what it needs is not installed.
    """
    if what not in WHATS:
        raise InvalidRequest(f"what: {what[:50]!r} cannot be exported; there are {', '.join(WHATS)}", param="what")
    asked = _begun(read, asked)
    columns, parts = _table(read, asked, what)
    writer = writer_of(form, columns)
    told = _written(writer.begin, writer.rows, writer.end, parts)
    first = next(told)
    return _joined(first, told)


def usage_columns(asked: Question) -> Sequence[Column]:
    """Return the columns of sums."""
    leading = [Column("period_start", "text")] if asked.period is not None else []
    named = [Column(one.name.replace(":", "_"), "text") for one in asked.by]
    return [*leading, *named, *(Column(_RENAMED.get(name, name), _kind(name)) for name in SUMS)]


def usage_rows(connection: Connection, asked: Question) -> Rows:
    """Return sums as rows."""
    return [
        (*(() if row.start is None else (iso(row.start),)), *row.values, *(_told(row.sums, name) for name in SUMS))
        for row in usage(connection, asked)
    ]


def entry_columns() -> Sequence[Column]:
    """Return the columns of entries."""
    return [Column(_MONEY.get(name, name), _entry_kind(name)) for name in _FIELDS]


def entry_row(entry: Entry) -> Sequence[object]:
    """Return an entry as a row."""
    return [_moment(entry.at) if name == "at" else _told(entry, name) for name in _FIELDS]


def _table(read: Read, asked: Question, what: str) -> tuple[Sequence[Column], Iterator[Rows]]:
    match what:
        case "entries":
            return entry_columns(), ([entry_row(one) for one in part] for part in every(read, asked))
        case "focus":
            return focus_columns(), _focus(read, focus_question(asked))
        case _:
            return usage_columns(asked), _sums(read, asked)


def _sums(read: Read, asked: Question) -> Iterator[Rows]:
    for part in _split(asked):
        yield read(lambda connection: usage_rows(connection, part))  # noqa: B023 - called at once


def _focus(read: Read, asked: Question) -> Iterator[Rows]:
    for part in _split(asked):
        yield read(lambda connection: focus_rows(connection, part))  # noqa: B023 - called at once


def _split(asked: Question) -> Iterator[Question]:
    if asked.period is None:
        yield asked
        return
    for since, until in parts_of(_PARTS[asked.period], asked.since, asked.until):
        yield msgspec.structs.replace(asked, since=since, until=until)


def _begun(read: Read, asked: Question) -> Question:
    """Return the same question without the time before anything was used."""
    first = read(lambda connection: connection.scalar(select(func.min(HOURS.c.hour))))
    since = asked.until - 1 if first is None else max(asked.since, first)
    return msgspec.structs.replace(asked, since=min(since, asked.until - 1))


def _written(
    begin: Callable[[], bytes], rows: Callable[[Rows], bytes], end: Callable[[], bytes], parts: Iterable[Rows]
) -> Iterator[bytes]:
    yield begin()
    for part in parts:
        if part:
            yield rows(part)
    yield end()


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    for piece in rest:
        if piece:
            yield piece


def _kind(name: str) -> Literal["text", "count", "money"]:
    return "money" if name in _MONEY else "count"


def _entry_kind(name: str) -> Literal["text", "count", "money", "flag"]:
    if name == "estimated":
        return "flag"
    return _kind(name) if name in _COUNTS else "text"


def _told(record: msgspec.Struct, name: str) -> object:
    value = getattr(record, name)
    return Decimal(usd(value)) if name in _MONEY else value


def _moment(at: int) -> str:
    told = datetime.fromtimestamp(at / 1_000, UTC).isoformat(timespec="milliseconds")
    return told.replace("+00:00", "Z")
