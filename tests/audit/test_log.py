"""What is noted is written in order, holds nobody up, and outlasts a database that is away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import pytest
from sqlalchemy import Connection, select

from narthex.audit import Actor, Audit
from narthex.errors import StoreUnreachable
from narthex.stores.database import Database
from narthex.stores.database.schema import audit_entries
from narthex.stores.sealing import Sealer
from tests.audit.filling import ADA

T = TypeVar("T")


class Away:
    """A database that is away until it is let back."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.back = threading.Event()
        self.asked = threading.Event()

    def write_now(self, work: Callable[[Connection], T]) -> T:
        """Do it, or say why not."""
        self.asked.set()
        if not self.back.is_set():
            raise StoreUnreachable
        return self.database.write_now(work)


def _written(database: Database) -> list[tuple[str, str, object]]:
    columns = select(audit_entries.c.action, audit_entries.c.target, audit_entries.c.details)
    return [tuple(row) for row in database.read_now(lambda c: c.execute(columns.order_by(audit_entries.c.seq)).all())]


def test_what_is_noted_is_written_in_order(database: Database, sealer: Sealer) -> None:
    """Also what was noted before the database was open."""
    audit = Audit()
    for number in range(1_200):
        audit.note("session.sign_in", actor=ADA, target=f"ses_{number}")
        if number == 600:
            audit.attach(database, sealer)
    audit.close()
    assert [target for _, target, _ in _written(database)] == [f"ses_{number}" for number in range(1_200)]
    assert audit.written == 1_200


def test_a_database_that_is_away_loses_nothing(database: Database, sealer: Sealer) -> None:
    """It waits, and is written when the database is back."""
    audit, away = Audit(), Away(database)
    audit.attach(away, sealer)  # type: ignore[arg-type]
    audit.note("session.sign_in", actor=ADA, target="first")
    assert away.asked.wait(10)
    audit.note("session.sign_in", actor=ADA, target="second")
    away.back.set()
    assert audit.flush(patience_s=10)
    audit.close()
    assert [target for _, target, _ in _written(database)] == ["first", "second"]


def test_what_finds_no_place_is_counted_and_told(database: Database, sealer: Sealer) -> None:
    """The chain itself says that entries are missing, how many, and since when."""
    audit, away = Audit(max_waiting=100, clock=lambda: 7.0), Away(database)
    for number in range(130):
        audit.note("session.sign_in", actor=ADA, target=str(number))
    away.back.set()
    audit.attach(away, sealer)  # type: ignore[arg-type]
    audit.close()
    written = _written(database)
    assert [target for _, target, _ in written[:100]] == [str(number) for number in range(100)]
    assert written[100:] == [("audit.dropped", "", {"entries": 30, "since": 7_000})]
    assert audit.dropped == 30
    assert "narthex_audit_dropped_total 30" in "\n".join(audit.lines())


def test_one_entry_that_cannot_be_written_holds_up_none(
    database: Database, sealer: Sealer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is counted, and the count is written."""
    audit = Audit()
    append = audit._append

    def refusing(connection: Connection, events: list[object]) -> None:
        if any(getattr(event, "target", "") == "bad" for event in events):
            raise ValueError("no database takes this")
        append(connection, events)  # type: ignore[arg-type]

    monkeypatch.setattr(audit, "_append", refusing)
    for target in ("good", "bad", "better"):
        audit.note("session.sign_in", actor=ADA, target=target)
    audit.attach(database, sealer)
    audit.close()
    assert [(action, target) for action, target, _ in _written(database)] == [
        ("session.sign_in", "good"),
        ("session.sign_in", "better"),
        ("audit.dropped", ""),
    ]
    assert "no database takes this" in caplog.text


def test_what_is_below_the_level_is_not_written(database: Database, sealer: Sealer) -> None:
    """Neither noted nor in a transaction."""
    audit = Audit("minimal")
    audit.note("key.first_use", actor=ADA)
    database.write_now(lambda connection: audit.write(connection, "key.new_address", actor=ADA))
    audit.note("key.create", actor=Actor("cli", ""))
    audit.attach(database, sealer)
    audit.close()
    assert [action for action, _, _ in _written(database)] == ["key.create"]


def test_stopping_with_the_database_away_ends(
    database: Database, sealer: Sealer, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said how much is lost."""
    audit = Audit()
    audit.note("session.sign_in", actor=ADA)
    audit.attach(Away(database), sealer)  # type: ignore[arg-type]
    audit.close()
    assert "1 entries of the audit log could not be written" in caplog.text


def test_a_database_that_goes_away_while_one_is_left_out_loses_nothing(database: Database, sealer: Sealer) -> None:
    """What had no turn before it went keeps its place."""
    away = Away(database)
    tries: list[str] = []

    def write_now(work: Callable[[Connection], T]) -> T:
        tries.append("one")
        if len(tries) == 1:
            raise ValueError("what no database takes")
        if not away.back.is_set() and len(tries) > 2:
            away.asked.set()
            raise StoreUnreachable
        return database.write_now(work)

    away.write_now = write_now  # type: ignore[method-assign]
    audit = Audit()
    for number in range(5):
        audit.note("session.sign_in", actor=ADA, target=f"ses_{number}")
    audit.attach(away, sealer)  # type: ignore[arg-type]
    assert away.asked.wait(10)
    away.back.set()
    audit.close()
    assert [target for _, target, _ in _written(database)] == [f"ses_{number}" for number in range(5)]
    assert audit.dropped == 0
