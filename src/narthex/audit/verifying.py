"""Finds whatever was edited, deleted, swapped or cut off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar

import msgspec
from sqlalchemy import LargeBinary, Text, cast, select
from sqlalchemy.exc import DBAPIError

from narthex.audit.checkpoints import Checkpoints, Statement
from narthex.audit.pruning import PRUNED
from narthex.audit.records import START, Entry, hash_of
from narthex.audit.signing import PublicKey, public_key
from narthex.stores.database.schema import audit_entries
from narthex.stores.facts import fact

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")
_GROUP: Final = 5_000
_MOST_FAULTS: Final = 100
_decode: Final = msgspec.json.Decoder(dict[str, object]).decode


@dataclass(kw_only=True)
class Verdict:
    """What was found."""

    rows: int = 0
    first_seq: int = 0
    last_seq: int = 0
    checkpoints: int = 0
    """Signed statements that were held against the rows."""
    covered_seq: int = 0
    """The last row that a checkpoint speaks for; later ones could have been cut off unseen."""
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


class _Found(NamedTuple):
    key: PublicKey | None
    pruned: Mapping[str, object] | None


class Readable(Protocol):
    """A database that is read."""

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """Read, in this thread."""
        ...


def told(verdict: Verdict) -> Mapping[str, object]:
    """Return what is told of a check."""
    return {
        "rows": verdict.rows,
        "covered_seq": verdict.covered_seq,
        "last_seq": verdict.last_seq,
        "checkpoints": verdict.checkpoints,
        "faults": verdict.faults,
    }


def verify(database: Readable, checkpoints: Checkpoints | None, *, trusted: PublicKey | None = None) -> Verdict:
    """Check every row, and hold the rows against the checkpoints.

    Args:
        database: Where the rows are.
        checkpoints: The folder of signed statements.
        trusted: The key that must have signed them; by default the one of the database, which has to be in the folder.

    Raises:
        StoreUnavailable: The database cannot be read.
    """
    begun, verdict = time.monotonic(), Verdict()
    # What is signed is read before the rows: these only grow meanwhile.
    found = database.read_now(lambda connection: _Found(public_key(connection), fact(connection, PRUNED)))
    key = trusted or found.key
    signed = _signed(checkpoints, key, verdict) if checkpoints is not None else []
    if trusted is not None and found.key is not None and trusted != found.key:
        verdict.faults.append(f"the database signs with the key {found.key.id}, not with {trusted.id}")
    _Walk(verdict, signed, _start(found.pruned, key, verdict)).over(database)
    verdict.seconds = time.monotonic() - begun
    del verdict.faults[_MOST_FAULTS:]
    return verdict


def _signed(checkpoints: Checkpoints, key: PublicKey | None, verdict: Verdict) -> list[Statement]:
    signers = checkpoints.signers()
    if key is None or (signers and key.id not in signers):
        if signers:
            others = ", ".join(signers)
            verdict.faults.append(f"{checkpoints.folder} has checkpoints of {others}, and none of this database's key")
        return []
    statements, faults = checkpoints.statements(key)
    verdict.faults += faults
    return statements


def _start(pruned: Mapping[str, object] | None, key: PublicKey | None, verdict: Verdict) -> Statement | None:
    """Return where the rows begin, if the oldest ones were let go."""
    if pruned is None:
        return None
    # A checkpoint is signed too, and says nothing of rows that were let go.
    if key is None or not key.has_signed(pruned) or pruned.get("kind") != "pruned":
        verdict.faults.append("what is said of the oldest rows, which were let go, bears no valid signature")
        return None
    return msgspec.convert(pruned, Statement)


class _Walk:
    """Goes over all rows, once."""

    def __init__(self, verdict: Verdict, signed: Sequence[Statement], start: Statement | None) -> None:
        self._verdict = verdict
        self._signed: dict[int, set[str]] = {}
        for one in signed:
            self._signed.setdefault(one.seq, set()).add(one.hash)
        self._last = max((one.seq for one in signed), default=0)
        self._begins = start.seq if start is not None else 0
        self._seq, self._hash = (0, START) if start is None else (start.seq, bytes.fromhex(start.hash))
        if self._signed.get(self._begins, {self._hash.hex()}) != {self._hash.hex()}:
            self._fault(f"row {self._begins}, which was let go, is not the one that a signed checkpoint speaks of")

    def over(self, database: Readable) -> None:
        """Read and check everything."""
        verdict = self._verdict
        try:
            for row in _rows(database):
                seq = self._check(row)
                verdict.first_seq = verdict.first_seq or seq
                verdict.rows += 1
        except DBAPIError as error:
            # SQLite keeps whatever was put there, also what is no text.
            self._fault(f"rows after {self._seq}: cannot be read: {error.orig}")
            return
        verdict.last_seq = self._seq if verdict.rows else 0
        if self._begins and not verdict.rows:
            self._fault(f"all rows after {self._begins} are gone; there is always one")
        verdict.checkpoints = sum(map(len, self._signed.values()))
        verdict.covered_seq = min(self._last, self._seq)
        for seq in sorted(self._signed):
            if seq > self._seq:
                self._fault(f"row {seq}, of which there is a signed checkpoint, and all after {self._seq} are gone")
                break

    def _check(self, row: Sequence[object]) -> int:
        entry, previous, hashed = _entry(row)
        if entry.seq != self._seq + 1:
            gone = f"row {self._seq + 1}" if entry.seq == self._seq + 2 else f"rows {self._seq + 1} to {entry.seq - 1}"
            self._fault(f"{gone}: missing")
        elif previous != self._hash:
            self._fault(f"row {entry.seq}: does not follow on the row before it")
        if _hash_of(previous, entry) != hashed:
            self._fault(f"row {entry.seq}: was changed")
        told = self._signed.get(entry.seq)
        if told is not None and told != {hashed.hex()}:
            self._fault(f"row {entry.seq}: is not the one that a signed checkpoint speaks of")
        self._seq, self._hash = entry.seq, hashed
        return entry.seq

    def _fault(self, what: str) -> None:
        if len(self._verdict.faults) < _MOST_FAULTS:
            self._verdict.faults.append(what)


def _hash_of(previous: bytes, entry: Entry) -> bytes | None:
    """Return the hash of a row; None if it holds what no row was ever written with."""
    try:
        return hash_of(previous, entry)
    except (msgspec.MsgspecError, OverflowError, RecursionError, TypeError, ValueError):
        return None


def _entry(row: Sequence[object]) -> tuple[Entry, bytes, bytes]:
    *values, details, previous, hashed = row
    try:
        said = _decode(str(details))
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
        said = {"": "no JSON"}
    # The columns come in the order of the fields.
    fields = (*values, said)
    return Entry(*fields), bytes(previous), bytes(hashed)  # type: ignore[arg-type, call-overload]


def _rows(database: Readable) -> Iterator[Sequence[object]]:
    table = audit_entries.c
    columns = select(
        table.seq,
        table.at,
        table.actor,
        table.action,
        table.target,
        table.organisation_id,
        table.workspace_id,
        table.outcome,
        table.address,
        table.request_id,
        cast(table.details, Text),
        # What is no octets becomes some, instead of as many zeros as a number says.
        cast(table.previous_hash, LargeBinary),
        cast(table.hash, LargeBinary),
    )
    last = -(2**62)

    def page(connection: Connection, after: int) -> list[Sequence[object]]:
        return [*connection.execute(columns.where(table.seq > after).order_by(table.seq).limit(_GROUP)).all()]

    while rows := database.read_now(partial(page, after=last)):
        yield from rows
        last = int(str(rows[-1][0]))
