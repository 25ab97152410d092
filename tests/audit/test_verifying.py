"""Whatever is edited, deleted, swapped or cut off is found."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import pytest
from sqlalchemy import Connection, delete, select, update

from narthex.audit import Audit
from narthex.audit.chain import append
from narthex.audit.checkpoints import Checkpoints, take
from narthex.audit.personal import Drafting
from narthex.audit.pruning import PRUNED
from narthex.audit.records import START, Entry, Event, hash_of
from narthex.audit.signing import public_key
from narthex.audit.verifying import verify
from narthex.stores.database import Database
from narthex.stores.database.schema import audit_entries, facts
from narthex.stores.facts import write_fact
from narthex.stores.sealing import Sealer
from tests.audit.filling import ADA, fill

ROWS: Final = 40
table = audit_entries.c
T = TypeVar("T")
TEXTS: Final = ("actor", "action", "target", "organisation_id", "workspace_id", "outcome", "address", "request_id")


class Undo(Exception):
    """Ends a transaction without a trace."""


class InTransaction:
    """A database as one transaction sees it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """Read in it."""
        return work(self.connection)


def _edit(connection: Connection, chance: random.Random, seq: int) -> None:
    row = dict(connection.execute(select(audit_entries).where(table.seq == seq)).mappings().one())
    name = chance.choice([*TEXTS, "at", "details", "hash", "previous_hash"])
    value = row[name]
    match value:
        case bytes() | memoryview():
            at, plain = chance.randrange(32), bytearray(value)
            plain[at] ^= chance.randrange(1, 256)
            value = bytes(plain)
        case int():
            value += chance.choice([-1, 1, 1_000])
        case dict():
            value = {**value, "number": -1 - chance.randrange(100)}
        case _:
            value = f"{value}{chance.choice('abc')}" if chance.random() < 0.5 or not value else value[:-1]
    connection.execute(update(audit_entries).where(table.seq == seq).values({name: value}))


def _delete(connection: Connection, chance: random.Random, seq: int) -> None:
    connection.execute(delete(audit_entries).where(table.seq.between(seq, seq + chance.randrange(3))))


def _swap(connection: Connection, chance: random.Random, seq: int) -> None:
    other = chance.choice([number for number in range(1, ROWS + 1) if number != seq])
    for old, new in ((seq, -1), (other, seq), (-1, other)):
        connection.execute(update(audit_entries).where(table.seq == old).values(seq=new))


def _truncate(connection: Connection, chance: random.Random, seq: int) -> None:
    connection.execute(delete(audit_entries).where(table.seq >= seq))


def _forge(connection: Connection, chance: random.Random, seq: int) -> None:
    """Change a row and make all hashes after it fit: the chain alone does not show it."""
    _rehash(connection, seq, {"target": f"key_{chance.randrange(10**6)}x"})


def _rewrite(connection: Connection, chance: random.Random, seq: int) -> None:
    """Cut off the tail and go on with other rows."""
    _truncate(connection, chance, seq)
    event = Event("key.create", ADA, chance.randrange(10**6), "forged", "", "", "ok", {}, "", "")
    append(connection, [event] * chance.randrange(1, 50), Drafting(None, "standard"))


def _entry(values: Sequence[Any]) -> Entry:
    # As the database has them.
    return Entry(*values)


def _rehash(connection: Connection, seq: int, changed: dict[str, object]) -> None:
    previous = START
    names = [field.name for field in msgspec.structs.fields(Entry)]
    for row in connection.execute(select(audit_entries).order_by(table.seq)).mappings().all():
        values = {**row, **(changed if row["seq"] == seq else {})}
        hashed = hash_of(previous, _entry([values[name] for name in names]))
        where = update(audit_entries).where(table.seq == row["seq"])
        connection.execute(where.values({**changed, "hash": hashed} if row["seq"] == seq else {"hash": hashed}))
        connection.execute(where.values(previous_hash=previous))
        previous = hashed


TAMPERING: Final = (_edit, _delete, _swap, _truncate, _forge, _rewrite)


@pytest.fixture
def filled(database: Database, sealer: Sealer, tmp_path: Path) -> Checkpoints:
    """A log with a checkpoint of its last row."""
    fill(Audit(), database, ROWS)
    checkpoints = Checkpoints(tmp_path / "away")
    take(database, sealer, checkpoints, at=1)
    return checkpoints


def _undone(database: Database, tamper: Callable[[Connection], None], look: Callable[[Database], None]) -> None:
    """Tamper with a log, look at it, and have it as it was."""

    def work(connection: Connection) -> None:
        tamper(connection)
        look(InTransaction(connection))  # type: ignore[arg-type]
        raise Undo

    with pytest.raises(Undo):
        database.write_now(work)


def test_what_was_left_alone_is_whole(database: Database, filled: Checkpoints) -> None:
    """Also where rows were added since the last checkpoint."""
    fill(Audit(), database, 3)
    verdict = verify(database, filled)
    assert verdict.faults == []
    assert (verdict.rows, verdict.first_seq, verdict.last_seq) == (ROWS + 3, 1, ROWS + 3)
    assert (verdict.checkpoints, verdict.covered_seq) == (1, ROWS)
    assert verdict.is_whole


@pytest.mark.parametrize("tamper", TAMPERING)
def test_tampering_is_found(database: Database, filled: Checkpoints, tamper: Callable[..., None]) -> None:
    """A thousand times over all kinds and both databases: every single one."""
    chance = random.Random(tamper.__name__)

    def look(seen: Database) -> None:
        verdict = verify(seen, filled)
        assert not verdict.is_whole, f"{tamper.__name__} of row {seq} was not seen"

    for _ in range(84):
        seq = chance.randrange(1, ROWS + 1)
        _undone(database, partial(tamper, chance=chance, seq=seq), look)
    assert verify(database, filled).is_whole


def test_every_fault_names_its_row(database: Database, filled: Checkpoints) -> None:
    """Rows after it, which are as they were, are not blamed."""

    def tamper(connection: Connection) -> None:
        connection.execute(update(audit_entries).where(table.seq == 7).values(target="x"))
        connection.execute(delete(audit_entries).where(table.seq.in_([12, 13])))
        connection.execute(delete(audit_entries).where(table.seq >= 39))

    def look(seen: Database) -> None:
        assert verify(seen, filled).faults == [
            "row 7: was changed",
            "rows 12 to 13: missing",
            "row 40, of which there is a signed checkpoint, and all after 38 are gone",
        ]

    _undone(database, tamper, look)


def test_without_its_key_no_checkpoint_counts(database: Database, filled: Checkpoints) -> None:
    """Whoever puts another key into the database is found by the one in the folder."""
    key = database.read_now(public_key)

    def tamper(connection: Connection) -> None:
        connection.execute(delete(facts).where(facts.c.name == "audit_key"))
        _truncate(connection, random.Random(1), 20)

    def look(seen: Database) -> None:
        (fault,) = verify(seen, filled).faults
        assert "none of this database's key" in fault
        (fault,) = verify(seen, filled, trusted=key).faults
        assert "all after 19 are gone" in fault

    _undone(database, tamper, look)


def test_an_empty_log_is_whole(database: Database, tmp_path: Path) -> None:
    """With and without a folder."""
    assert verify(database, None).is_whole
    assert verify(database, Checkpoints(tmp_path / "none")).is_whole


def test_the_same_row_twice_in_what_was_signed_is_found(
    database: Database, filled: Checkpoints, sealer: Sealer
) -> None:
    """A database that was put back to an older state and went on is another one."""

    def back(connection: Connection) -> None:
        connection.execute(delete(audit_entries).where(table.seq > 10))

    database.write_now(back)
    fill(Audit(clock=lambda: 5.0), database, ROWS - 10)
    take(database, sealer, filled, at=2)
    assert any(
        "is not the one that a signed checkpoint speaks of" in fault for fault in verify(database, filled).faults
    )


def test_a_checkpoint_does_not_pass_for_rows_let_go(database: Database, filled: Checkpoints) -> None:
    """It is signed too: whoever deletes the oldest rows has nothing else that is."""
    checkpoint = next(filled.folder.glob("*.jsonl")).read_bytes().splitlines()[-1]
    fill(Audit(), database, 3)

    def tamper(connection: Connection) -> None:
        write_fact(connection, PRUNED, msgspec.json.decode(checkpoint))
        connection.execute(delete(audit_entries).where(table.seq <= ROWS))

    def look(seen: Database) -> None:
        faults = verify(seen, filled).faults
        assert "bears no valid signature" in faults[0]
        assert f"rows 1 to {ROWS}: missing" in faults

    _undone(database, tamper, look)


def test_checkpoints_count_without_their_public_key(database: Database, filled: Checkpoints) -> None:
    """The database has it too; a file that is gone or empty hides no tail that was cut off."""
    (pem,) = filled.folder.glob("*.pem")
    pem.unlink()

    def look(seen: Database) -> None:
        assert any("are gone" in fault for fault in verify(seen, filled).faults)

    _undone(database, partial(_truncate, chance=random.Random(1), seq=20), look)


@pytest.mark.parametrize(
    "values",
    [
        "previous_hash = 4611686018427387904",
        "hash = 'text'",
        "at = 1e300",
        "actor = CAST(x'ff' AS TEXT)",
        "details = CAST(x'ff' AS TEXT)",
        'details = \'{"number": 1e999, "more": 99999999999999999999999999}\'',
        "details = replace(hex(zeroblob(5000)), '00', '{\"a\":')",
    ],
)
def test_what_no_row_was_ever_written_with_is_a_fault(sealer: Sealer, tmp_path: Path, values: str) -> None:
    """SQLite keeps anything in any column; none of it ends the check in a fault of its own."""
    database = Database.open_now(None, data_dir=tmp_path / "data")
    fill(Audit(), database, 9)
    database.write_now(
        lambda connection: connection.exec_driver_sql(f"UPDATE audit_entries SET {values} WHERE seq = 5")  # noqa: S608
    )
    verdict = verify(database, None)
    database.close_now()
    assert verdict.faults
    assert all("row" in fault for fault in verdict.faults)
