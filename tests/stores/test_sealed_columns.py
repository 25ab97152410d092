"""After a change of master key everything that is sealed opens with the new one alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import LargeBinary, insert, select, update

from narthex.config.audit_settings import SecretsSettings
from narthex.errors import MasterKeyUnusable
from narthex.stores.database import Database
from narthex.stores.database.schema import metadata, persons, secrets
from narthex.stores.master_keys import key_id, master_keys
from narthex.stores.sealed_columns import SEALED, rewrap
from narthex.stores.sealing import Sealer, begin_sealing
from tests.stores.databases import doing


def test_every_sealed_column_is_in_the_list() -> None:
    """A column of this name that is in no list would be lost with the old key."""
    named = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary) and "sealed" in column.name
    }
    assert {(one.sealed.table.name, one.sealed.name) for one in SEALED} == named


def _sealed(database: Database, sealer: Sealer, count: int) -> None:
    """Seal some secrets and a person."""
    common = {"organisation_id": "o", "workspace_id": "w", "purpose": "test", "created_at": 1, "version": 1}
    names = [f"sec_{number:04}" for number in range(count)]
    rows = [{"id": name, "sealed": sealer.seal(name.encode(), binding=f"secrets:{name}"), **common} for name in names]
    database.write_now(doing(insert(secrets), rows))
    person = {"pseudonym": "per_1", "identity_sealed": sealer.seal(b"Ada", binding="persons:per_1"), "created_at": 1}
    gone = {"pseudonym": "per_2", "identity_sealed": None, "created_at": 1}
    database.write_now(doing(insert(persons), [person, gone]))


def test_all_is_wrapped_anew_and_the_old_key_can_go(database: Database, tmp_path: Path) -> None:
    """Rows of every table, and the facts; keys for hashes stay what they were."""
    keys = master_keys(SecretsSettings(), tmp_path)
    sealer = database.write_now(lambda connection: begin_sealing(connection, keys))
    before, old = sealer.mac_key("hashes"), keys.newest()
    _sealed(database, sealer, 1_203)
    keys.add()
    assert database.write_now(lambda connection: rewrap(connection, sealer)) == 1_203 + 1 + 1
    assert database.write_now(lambda connection: rewrap(connection, sealer)) == 0
    keys.keep_newest()
    assert keys.with_id(key_id(old)) is None

    fresh = database.write_now(lambda connection: begin_sealing(connection, master_keys(SecretsSettings(), tmp_path)))
    assert fresh.mac_key("hashes") == before
    for name, sealed in database.read_now(lambda c: c.execute(select(secrets.c.id, secrets.c.sealed)).all()):
        assert fresh.open(sealed, binding=f"secrets:{name}") == name.encode()
    person = select(persons.c.identity_sealed).where(persons.c.pseudonym == "per_1")
    sealed_person = database.read_now(lambda c: c.scalars(person).one())
    assert sealed_person is not None
    assert fresh.open(sealed_person, binding="persons:per_1") == b"Ada"


def test_a_change_without_the_old_key_changes_nothing(database: Database, tmp_path: Path) -> None:
    """It is refused as a whole."""
    keys = master_keys(SecretsSettings(), tmp_path)
    sealer = database.write_now(lambda connection: begin_sealing(connection, keys))
    facts_before = database.read_now(lambda c: c.exec_driver_sql("SELECT name, value FROM facts ORDER BY name").all())
    keys.add()
    keys.keep_newest()
    with pytest.raises(MasterKeyUnusable):
        database.write_now(lambda connection: rewrap(connection, sealer))
    after = database.read_now(lambda c: c.exec_driver_sql("SELECT name, value FROM facts ORDER BY name").all())
    assert after == facts_before


def test_what_is_erased_meanwhile_does_not_come_back(database: Database, tmp_path: Path) -> None:
    """Between the look at a record and its change another transaction may write it, on PostgreSQL."""
    keys = master_keys(SecretsSettings(), tmp_path)
    sealer = database.write_now(lambda connection: begin_sealing(connection, keys))
    _sealed(database, sealer, 3)
    ada = select(persons.c.identity_sealed).where(persons.c.pseudonym == "per_1")
    of_ada = bytes(database.read_now(lambda c: c.scalars(ada).one()) or b"")
    erased: list[str] = []

    class Disturbed(Sealer):
        """Another one erases the person while records are looked at."""

        def rewrapped(self, sealed: bytes) -> bytes | None:
            if not erased and bytes(sealed) == of_ada:
                erased.append("per_1")
                database.write_now(doing(update(persons).values(identity_sealed=None)))
            return super().rewrapped(sealed)

    keys.add()
    if database.address.kind == "postgresql":
        database.write_now(lambda connection: rewrap(connection, Disturbed(keys)))
        assert erased
        assert database.read_now(lambda c: c.scalars(ada).one()) is None
