"""Whether the ledger is right: sums, prices, names and the journal, each held against what it must agree with.

Every entry is read once, hour by hour, so that a ledger of any length needs the memory of one hour.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec
from sqlalchemy import Column, Connection, Table, delete, select

from narthex.ledger.days import unfold, wrong_days
from narthex.ledger.dimensions import ENTRIES, HOURS
from narthex.ledger.entries import BATCH, Entry
from narthex.ledger.journal import ends, left_in
from narthex.ledger.listing import Read, every
from narthex.ledger.money import usd
from narthex.ledger.periods import DAY_MS, HOUR_MS, MAX_MS, iso
from narthex.ledger.price_book import all_versions
from narthex.ledger.prices import PriceVersion, base_id
from narthex.ledger.records import ended_in
from narthex.ledger.rows import KEYS, SUMS, add_sums, sums_of
from narthex.ledger.usage import Question
from narthex.stores.database.schema import api_keys, organisations, users, workspaces
from narthex.types.catalog import Price
from narthex.types.dialects import Operation
from narthex.types.usage import Usage

T = TypeVar("T")

_ALL: Final = Question(since=0, until=MAX_MS)
_NAMED: Final[tuple[tuple[str, Table], ...]] = (
    ("organisation_id", organisations),
    ("workspace_id", workspaces),
    ("user_id", users),
    ("key_id", api_keys),
)
_AT_ONCE: Final = 500
RECHECK_S: Final = 0.5
"""How long what is on its way to the database may take."""


class Finding(NamedTuple):
    """Something that is wrong."""

    check: str
    """`hours`, `days`, `price`, `attempts`, `names` or `journal`."""
    where: str
    """Of which entry or hour."""
    says: str


class Verdict(msgspec.Struct, kw_only=True):
    """What came of a check of the whole ledger."""

    entries: int = 0
    hours: int = 0
    cost_picousd: int = 0
    not_checked: int = 0
    """Entries whose price is known to nobody any more: one that was configured, and is configured otherwise now."""
    findings: list[Finding] = []


def told(verdict: Verdict, *, most: int | None = None) -> Mapping[str, object]:
    """Return what is told of a check: the first `most` findings, and how many there are."""
    return {
        "entries": verdict.entries,
        "hours": verdict.hours,
        "cost_usd": usd(verdict.cost_picousd),
        "not_checked": verdict.not_checked,
        "faults": len(verdict.findings),
        "findings": [finding._asdict() for finding in verdict.findings[:most]],
    }


def verify(read: Read, journals: Path, base: Iterable[Price] = (), *, since: int = 0) -> Verdict:
    """Check the whole ledger.

    Args:
        read: Runs a function that reads the database.
        journals: Folder of the journals.
        base: The prices that are configured.
        since: Sums of hours that begin before are not held against entries, which may have been removed; see
            `kept_since`.
    """
    verdict = Verdict()
    versions = {one.id: one for one in read(all_versions)}
    known = {base_id(price): price for price in base}
    for hour, entries in _by_hour(read):
        verdict.entries += len(entries)
        verdict.hours += 1
        verdict.cost_picousd += sum(one.cost_picousd for one in entries)
        at = hour
        if hour >= since:
            steady = _at_one_moment(lambda connection: _hour(connection, at, entries))  # noqa: B023 - called at once
            verdict.findings += read(steady)
        verdict.findings += _attempts(entries)
        for entry in entries:
            wrong = _price(entry, versions, known)
            if wrong is None:
                verdict.not_checked += 1
            elif wrong:
                verdict.findings.append(Finding("price", entry.id, wrong))
    says = "its sums are not those of its hours"
    days = read(_at_one_moment(lambda connection: list(wrong_days(connection))))
    verdict.findings += [Finding("days", f"{day} ({iso(day)})", says) for day in days]
    verdict.findings += read(_names)
    verdict.findings += _journals(read, journals)
    return verdict


def _at_one_moment(work: Callable[[Connection], T]) -> Callable[[Connection], T]:
    """Have all that is read be of one moment: entries and their sums are written together, while this is checked."""

    def steady(connection: Connection) -> T:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return work(connection)

    return steady


def wrong_sums(connection: Connection, days: Iterable[int], *, since: int = 0) -> Sequence[int]:
    """Return the hours of some days whose sums are not those of their entries; `since` is as in `verify`."""
    hours = (hour for day in days for hour in range(day, day + DAY_MS, HOUR_MS) if hour >= since)
    return [hour for hour in hours if _hour(connection, hour, _entries_of(connection, hour))]


def wrong_hours(verdict: Verdict) -> Sequence[int]:
    """Return the hours whose sums are not those of their entries."""
    return _moments(verdict, "hours")


def wrongly_folded(verdict: Verdict) -> Sequence[int]:
    """Return the days whose sums are not those of their hours."""
    return _moments(verdict, "days")


def _moments(verdict: Verdict, check: str) -> Sequence[int]:
    return sorted({int(one.where.partition(" ")[0]) for one in verdict.findings if one.check == check})


def repair(connection: Connection, hour: int) -> None:
    """Sum an hour up again from its entries, within a transaction."""
    if connection.dialect.name == "postgresql":
        # Whoever writes entries of the hour meanwhile adds them when this is done.
        connection.exec_driver_sql("LOCK TABLE usage_hours IN SHARE ROW EXCLUSIVE MODE")
    connection.execute(delete(HOURS).where(HOURS.c.hour == hour))
    add_sums(connection, sums_of(_entries_of(connection, hour)).values())
    unfold(connection, [hour])


def _entries_of(connection: Connection, hour: int) -> Sequence[Entry]:
    names = [field.name for field in msgspec.structs.fields(Entry)]
    query = select(*(ENTRIES.c[name] for name in names)).where(ENTRIES.c.at >= hour, ENTRIES.c.at < hour + HOUR_MS)
    return [msgspec.convert(tuple(row), Entry) for row in connection.execute(query)]


def _by_hour(read: Read) -> Iterator[tuple[int, Sequence[Entry]]]:
    """Yield the entries of every hour that has some, or sums."""
    summed = sorted(read(lambda connection: connection.scalars(select(HOURS.c.hour).distinct()).all()))
    gathered: list[Entry] = []
    hour = -1
    for part in every(read, _ALL):
        for entry in part:
            own = entry.at // HOUR_MS * HOUR_MS
            if own != hour:
                if gathered:
                    yield hour, gathered
                while summed and summed[0] < own:
                    empty = summed.pop(0)
                    if empty != hour:
                        yield empty, []
                hour, gathered = own, []
            gathered.append(entry)
    if gathered:
        yield hour, gathered
    yield from ((empty, []) for empty in summed if empty > hour)


def _hour(connection: Connection, hour: int, entries: Sequence[Entry]) -> Sequence[Finding]:
    """Hold the sums of an hour against its entries."""
    columns = [HOURS.c[name] for name in (*KEYS, *SUMS)]
    rows = connection.execute(select(*columns).where(HOURS.c.hour == hour)).mappings()
    there: Mapping[tuple[object, ...], Mapping[str, object]] = {
        tuple(row[name] for name in KEYS): {name: int(row[name]) for name in SUMS} for row in rows
    }
    right = {key: {name: row[name] for name in SUMS} for key, row in sums_of(entries).items()}
    if there == right:
        return []
    # What was written since the entries were read is no fault: they are read again, with their sums.
    fresh = _entries_of(connection, hour)
    right = {key: {name: row[name] for name in SUMS} for key, row in sums_of(fresh).items()}
    return [
        Finding("hours", f"{hour} ({iso(hour)})", f"{key[1:]}: {_difference(there.get(key), right.get(key))}")
        for key in sorted({*there, *right}, key=str)
        if there.get(key) != right.get(key)
    ]


def _difference(there: Mapping[str, object] | None, right: Mapping[str, object] | None) -> str:
    if there is None:
        return "its entries are not summed up"
    if right is None:
        return "there are no entries for these sums"
    return ", ".join(f"{name} is {there[name]}, not {right[name]}" for name in SUMS if there[name] != right[name])


def _attempts(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Hold the attempts of each call against one another: they are numbered, and one stands for the call."""
    calls: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.kind != "correction":
            calls.setdefault(entry.id.rpartition(":")[0], []).append(entry)
    for name, own in calls.items():
        numbers = sorted(entry.attempt for entry in own)
        if numbers != list(range(len(numbers))):
            yield Finding("attempts", name, f"its attempts are numbered {numbers}: one is missing, or there twice")
        if sum(entry.requests for entry in own) > 1:
            yield Finding("attempts", name, "it is counted as more than one request")


def _price(entry: Entry, versions: Mapping[str, PriceVersion], base: Mapping[str, Price]) -> str | None:
    """Return what is wrong with the cost of an entry; empty if nothing is, None if that cannot be said."""
    if entry.kind == "correction":
        return ""
    if not entry.price_id:
        return "it has a cost, and no price" if entry.cost_picousd else ""
    version = versions.get(entry.price_id)
    if version is not None:
        if version.model != entry.model or version.valid_from > entry.at:
            return f"{entry.price_id} is the price of {version.model} from {iso(version.valid_from)}"
        return _cost(entry, version.price)
    if entry.price_id in base:
        return _cost(entry, base[entry.price_id])
    return None if entry.price_id.startswith("base:") else f"there is no price {entry.price_id}"


def _cost(entry: Entry, price: Price) -> str:
    used = Usage(
        input_tokens=entry.input_tokens,
        output_tokens=entry.output_tokens,
        cache_read_tokens=entry.cache_read_tokens,
        cache_write_tokens=entry.cache_write_tokens,
        cache_write_1h_tokens=entry.cache_write_1h_tokens,
        reasoning_tokens=entry.reasoning_tokens,
        images=entry.images,
        audio_ms=entry.audio_ms,
    )
    is_batch = entry.kind == BATCH
    # Nobody takes anything for counting tokens.
    cost = 0 if entry.operation == Operation.COUNT_TOKENS else price.picousd(used, batch=is_batch)
    allowed = {cost}
    if entry.status != "settled":
        # Of what brought no answer nothing but its tokens is charged.
        allowed.add(msgspec.structs.replace(price, request_microusd=0).picousd(used, batch=is_batch))
    if entry.cost_picousd in allowed:
        return ""
    return f"it cost {entry.cost_picousd} picodollars, and its tokens at {entry.price_id} cost {cost}"


def _names(connection: Connection) -> Sequence[Finding]:
    """Find entries that name what is not there."""
    found: list[Finding] = []
    for name, table in _NAMED:
        column: Column[str] = ENTRIES.c[name]
        known = select(table.c.id)
        for (value,) in connection.execute(select(column).distinct().where(column.not_in(known))):
            if not _is_other(name, value):
                found.append(Finding("names", value, f"entries name this {name}, and there is none"))
    return found


def _is_other(name: str, value: str) -> bool:
    """Tell whether a name is of no table: a key of the configuration, or somebody who was erased."""
    if name == "key_id":
        # Corrections are of no key.
        return value in ("", "local") or value.startswith("config:")
    return name == "user_id" and (not value or not value.startswith("usr_"))


def _journals(read: Read, journals: Path) -> Iterator[Finding]:
    """Find what journals hold and the database does not, and journals that are damaged."""
    for path, whole in left_in(journals):
        if not ends(path):
            yield Finding("journal", str(path), "it goes on behind a record that is damaged")
        entries = [entry for payload in whole for entry in ended_in(payload)]
        missing = _missing(read, [entry.id for entry in entries])
        if missing:
            # Of a server that runs they may be on their way.
            time.sleep(RECHECK_S)
            missing = _missing(read, missing)
        says = f"it has ended, and is not in the database; {path.parent.name} has it"
        yield from (Finding("journal", name, says) for name in missing)


def _missing(read: Read, names: Sequence[str]) -> Sequence[str]:
    """Return which entries are not in the database."""
    there: set[str] = set()
    for start in range(0, len(names), _AT_ONCE):
        query = select(ENTRIES.c.id).where(ENTRIES.c.id.in_(names[start : start + _AT_ONCE]))
        there |= set(read(lambda connection: connection.scalars(query).all()))  # noqa: B023 - called at once
    return [name for name in names if name not in there]
