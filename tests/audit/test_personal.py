"""No person stands in the audit log by name."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, select, update

from narthex.audit import Actor, Audit
from narthex.audit.levels import Level
from narthex.audit.personal import Pseudonyms
from narthex.errors import MasterKeyUnusable
from narthex.stores.database import Database
from narthex.stores.database.erasures import ErasedNames, erasure, note_erased
from narthex.stores.database.schema import audit_entries, persons
from narthex.stores.sealing import Sealer
from tests.audit.filling import ADA


def _write(database: Database, sealer: Sealer | None, level: Level = "standard", **fields: object) -> dict[str, object]:
    audit = Audit(level)
    if sealer is not None:
        audit.attach(database, sealer, writing=False)
    given: dict[str, object] = {"actor": ADA, **fields}
    action = str(given.pop("action", "user.create"))
    database.write_now(lambda connection: audit.write(connection, action, **given))  # type: ignore[arg-type]
    newest = select(audit_entries).order_by(audit_entries.c.seq.desc()).limit(1)
    return dict(database.read_now(lambda connection: connection.execute(newest).mappings().one()))


def test_who_stands_in_details_stands_there_under_a_pseudonym(database: Database, sealer: Sealer) -> None:
    """Addresses of mail wherever they are, names where it is about people; and it can be told who it was."""
    details = {"email": "Ada@example.com", "name": "Ada", "why": "asked by ada@example.com, twice", "role": "admin"}
    row = _write(database, sealer, target="ada@example.com", details=details)
    told = row["details"]
    assert isinstance(told, dict)
    assert "example.com" not in str(row)
    assert "Ada" not in str(told)
    assert told["role"] == "admin"
    assert row["target"] == told["email"]
    assert told["why"] == f"asked by {told['email']}, twice"
    person = database.read_now(
        lambda c: c.scalar(select(persons.c.identity_sealed).where(persons.c.pseudonym == told["name"]))
    )
    assert person is not None
    assert sealer.open(person, binding=f"persons:{told['name']}") == b"Ada"


def test_the_name_of_a_thing_is_no_persons(database: Database, sealer: Sealer) -> None:
    """A workspace may be called anything; a key is often called after a person."""
    told = _write(database, sealer, action="workspace.create", details={"name": "production"})["details"]
    assert told == {"name": "production"}
    assert "Ada" not in str(_write(database, sealer, action="key.create", details={"name": "Ada's laptop"}))


@pytest.mark.parametrize(
    ("level", "begins", "known"), [("minimal", "", 0), ("standard", "per_", 0), ("detailed", "per_", 1)]
)
def test_addresses_are_written_as_the_level_says(
    database: Database, sealer: Sealer, level: Level, begins: str, known: int
) -> None:
    """Not at all, under a pseudonym, or so that it can be told."""
    row = _write(database, sealer, level, address="203.0.113.7")
    assert str(row["address"])[:4] == begins
    assert len(database.read_now(lambda connection: connection.execute(select(persons)).all())) == known
    assert "203.0.113.7" not in str(row)


def test_the_same_address_of_two_users_has_two_pseudonyms(database: Database, sealer: Sealer) -> None:
    """Erasing one leaves the other; the same user has the same one always."""
    one, again = (_write(database, sealer, address="203.0.113.7")["address"] for _ in range(2))
    other = _write(database, sealer, address="203.0.113.7", actor=Actor("user", "usr_bob"))["address"]
    assert one == again != other


def test_each_organisation_has_pseudonyms_of_its_own(database: Database, sealer: Sealer) -> None:
    """Nobody finds out in one who is known in another, and erasing there changes nothing here."""
    events = {
        where: _write(
            database,
            sealer,
            organisation_id=where,
            target="ada@example.com",
            address="203.0.113.7",
            actor=Actor("cli", ""),
        )
        for where in ("org_a", "org_b", "")
    }
    assert len({str(one["target"]) for one in events.values()}) == 3
    assert len({str(one["address"]) for one in events.values()}) == 3


def test_an_address_met_after_its_user_was_erased_is_not_kept(database: Database, sealer: Sealer) -> None:
    """As that of a call which was under way."""
    mark = ErasedNames(sealer).mark("actor", "usr_ada")
    database.write_now(lambda connection: note_erased(connection, [erasure(mark, "erased", 1)]))
    row = _write(database, sealer, "detailed", address="203.0.113.7", actor=Actor("user", "usr_ada"))
    assert str(row["address"]).startswith("per_")
    assert database.read_now(lambda connection: connection.execute(select(persons)).all()) == []


def test_who_was_erased_stays_erased(database: Database, sealer: Sealer) -> None:
    """A row that names them again does not bring them back."""

    def erase(connection: Connection) -> None:
        connection.execute(update(persons).values(identity_sealed=None, erased_at=1))

    _write(database, sealer, target="ada@example.com")
    database.write_now(erase)
    _write(database, sealer, target="ada@example.com")
    assert [tuple(row)[1:] for row in database.read_now(lambda c: c.execute(select(persons)).all())] == [
        (None, row_at, 1) for row_at in database.read_now(lambda c: c.scalars(select(persons.c.created_at)).all())
    ]


def test_nothing_is_written_in_plain_for_want_of_a_key(database: Database) -> None:
    """It fails instead."""
    with pytest.raises(MasterKeyUnusable):
        _write(database, None, target="ada@example.com")


@pytest.mark.parametrize(
    ("actor", "told"),
    [
        (Actor("user", "usr_ada"), "usr_ada"),
        (Actor("key", "config:app"), "config:app"),
        (Actor("local", "local"), "local"),
        (Actor("system", "retention"), "system:retention"),
        (Actor("cli", ""), "cli"),
    ],
)
def test_who_did_it_is_told_in_a_word(database: Database, actor: Actor, told: str) -> None:
    """An ID, or the kind of who it was."""
    assert _write(database, None, actor=actor)["actor"] == told


def test_the_account_of_an_operator_stands_under_a_pseudonym(database: Database, sealer: Sealer) -> None:
    """Names of accounts on a machine are mostly those of people."""
    actor = str(_write(database, sealer, actor=Actor("cli", "ada.lovelace"))["actor"])
    assert actor.startswith("cli:per_")
    assert len(actor) < 64


def test_anything_can_be_a_detail(database: Database) -> None:
    """What neither database nor canonical JSON carries is written as a text that they do."""
    details = {"big": 2**60, "part": 0.5, "nothing": None, "yes": True, "nul": "a\0b", "half": "\ud800", "ä": {3, 1}}
    deep: list[object] = []
    for _ in range(20):
        deep = [deep]
    row = _write(database, None, action="key.create", details={**details, "deep": deep, "bytes": b"x"})
    told = row["details"]
    assert isinstance(told, dict)
    assert told["big"] == str(2**60)
    assert told["part"] == "0.5"
    assert told["nothing"] is None
    assert told["yes"] is True
    assert told["nul"] == "a\ufffdb"
    assert told["half"] == "?"
    assert told["\\xe4"] == [1, 3]


def test_case_makes_no_other_mail(sealer: Sealer) -> None:
    """Two spellings of one mailbox are one person."""
    pseudonyms = Pseudonyms(sealer)
    assert pseudonyms.of("email", "ADA@example.com") == pseudonyms.of("email", "ada@example.com")
    assert pseudonyms.of("name", "ada@example.com") != pseudonyms.of("email", "ada@example.com")
