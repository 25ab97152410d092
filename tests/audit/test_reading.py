"""The log is listed from its end and exported from its start."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, update

from narthex.audit import Audit, reading
from narthex.audit.reading import Filter, Told, all_entries, entries, told
from narthex.stores.database import Database
from narthex.stores.database.schema import persons
from narthex.stores.sealing import Sealer
from tests.audit.filling import ADA, fill


def _found(database: Database, wanted: Filter, limit: int = 100, sealer: Sealer | None = None) -> list[Told]:
    return database.read_now(lambda connection: entries(connection, wanted, limit=limit, sealer=sealer))


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Filter(), 30),
        (Filter(organisation_id="org_a"), 30),
        (Filter(organisation_id="org_b"), 0),
        (Filter(organisation_id="org_a", workspace_ids=["ws_1", "ws_2"]), 20),
        (Filter(organisation_id="org_a", workspace_ids=[]), 0),
        (Filter(actor="usr_ada"), 30),
        (Filter(action="key"), 30),
        (Filter(action="key.create"), 30),
        (Filter(action="ke"), 0),
        (Filter(action="%"), 0),
        (Filter(target="key_7"), 1),
        (Filter(outcome="denied"), 0),
        (Filter(since=5_000), 30),
        (Filter(since=5_001), 0),
        (Filter(until=5_000), 0),
    ],
)
def test_filters_narrow_it_down(database: Database, wanted: Filter, count: int) -> None:
    """Each of them, in lists and exports alike."""
    fill(Audit(clock=lambda: 5.0), database, 30)
    assert len(_found(database, wanted)) == count
    assert len([*all_entries(database, wanted)]) == count


def test_an_export_is_read_in_parts(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every entry once, the oldest first."""
    monkeypatch.setattr(reading, "_GROUP", 7)
    fill(Audit(), database, 30)
    assert [one.entry.seq for one in all_entries(database, Filter())] == [*range(1, 31)]
    assert [one.entry.seq for one in _found(database, Filter(), limit=3)] == [30, 29, 28]


def test_persons_are_told_where_it_is_asked_and_can_be(database: Database, sealer: Sealer) -> None:
    """Not one that was erased, nor one whose record was tampered with."""
    audit = Audit("detailed")
    audit.attach(database, sealer, writing=False)

    def work(connection: Connection) -> None:
        details = {"email": "ada@example.com", "others": ["bob@example.com"]}
        audit.write(connection, "user.create", actor=ADA, details=details, address="203.0.113.7")

    database.write_now(work)
    (one,) = _found(database, Filter(), sealer=sealer)
    assert set(one.persons.values()) == {"ada@example.com", "bob@example.com", "203.0.113.7"}
    assert told(one)["persons"] == one.persons
    assert _found(database, Filter())[0].persons == {}

    email = one.entry.details["email"]

    def lose(connection: Connection) -> None:
        connection.execute(update(persons).where(persons.c.pseudonym == email).values(identity_sealed=None))
        broken = update(persons).where(persons.c.pseudonym == one.entry.address)
        connection.execute(broken.values(identity_sealed=sealer.seal(b"x", binding="persons:other")))

    database.write_now(lose)
    assert set(_found(database, Filter(), sealer=sealer)[0].persons.values()) == {"bob@example.com"}
