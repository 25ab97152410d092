"""Entries of calls that had begun before somebody was erased are written without the name."""

from __future__ import annotations

from sqlalchemy import Connection, select

from narthex.ledger.forgetting import as_erased, without_names
from narthex.ledger.rows import LedgerRows
from narthex.stores.database import Database
from narthex.stores.database.erasures import ErasedNames, erasure, note_erased
from narthex.stores.database.schema import ledger_entries
from narthex.stores.sealing import Sealer
from tests.ledger.calls import entry


def test_the_database_is_asked_where_it_is_written(database: Database, sealer: Sealer) -> None:
    """Also entries that a process which was killed has left behind, of many at once."""
    names = ErasedNames(sealer)
    mark = names.mark("end_user", "ann", "org_a")
    database.write_now(lambda c: note_erased(c, [erasure(mark, "gone", entry(0).at)]))
    entries = [entry(0, end_user="ann"), entry(1, end_user="bob"), entry(2)]
    later = entry(3, end_user="ann", at=entry(0).at + 1_000_000)
    many = [entry(number, end_user=f"user-{number}") for number in range(10, 400)]
    LedgerRows(database.write_now, sealer).add([*entries, later, *many])

    def told(connection: Connection) -> list[str]:
        where = ledger_entries.c.request_id.in_(["req_0", "req_1", "req_2", "req_3", "req_399"])
        return list(connection.scalars(select(ledger_entries.c.end_user).where(where).order_by(ledger_entries.c.at)))

    assert sorted(database.read_now(told)) == ["", "ann", "bob", "gone", "user-399"]
    nobody = [entry(4)]
    assert database.read_now(lambda c: as_erased(c, sealer, nobody)) is nobody


def test_entries_of_others_are_the_same(sealer: Sealer) -> None:
    """Nothing of them is copied."""
    names = ErasedNames(sealer)
    one = entry(0, end_user="bob")
    assert without_names(names, [one])[0] is one
