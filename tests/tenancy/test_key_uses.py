"""When keys were used, as the database and the audit log have it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import Connection, select

from narthex.audit import Audit
from narthex.audit.levels import Level
from narthex.audit.personal import Pseudonyms
from narthex.stores.database import Database
from narthex.stores.database.schema import api_keys, audit_entries
from narthex.stores.sealing import Sealer
from narthex.tenancy import key_uses as module
from narthex.tenancy.issuing import key
from narthex.tenancy.key_uses import KnownAddresses, write_uses
from narthex.tenancy.sightings import Use
from tests.tenancy.towns import Town

Rows = list[tuple[str, str, str, dict[str, object]]]


class _Node:
    """One that writes uses down."""

    def __init__(self, database: Database, sealer: Sealer, level: Level = "detailed") -> None:
        self._database = database
        self.audit = Audit(level)
        self.audit.attach(database, sealer, writing=False)
        self.addresses = KnownAddresses(Pseudonyms(sealer)) if level == "detailed" else None

    def write(self, uses: Mapping[str, Use]) -> None:
        """Write uses down."""
        self._database.write_now(partial(write_uses, uses=uses, audit=self.audit, addresses=self.addresses))


def _rows(database: Database) -> Rows:
    c = audit_entries.c
    query = select(c.action, c.actor, c.address, c.details).where(c.action.in_((module.FIRST, module.ELSEWHERE)))

    def read(connection: Connection) -> Rows:
        return [(a, b, address, dict(details)) for a, b, address, details in connection.execute(query.order_by(c.seq))]

    return database.read_now(read)


def _times(database: Database, key_id: str) -> tuple[int | None, int | None, int]:
    one = database.read_now(lambda connection: key(connection, key_id))
    return one.first_used_at, one.last_used_at, one.version


@pytest.fixture
def key_id(database: Database) -> str:
    """A key that nobody has used."""
    town = Town(database)
    return town.key(town.workspace(town.organisation()))[1].id


def test_the_earliest_and_the_latest_use_stay(database: Database, sealer: Sealer, key_id: str) -> None:
    """Whichever of several nodes writes first; the first use has one row, and the version stays what it was."""
    one, other = _Node(database, sealer), _Node(database, sealer)
    one.write({key_id: Use(5_000, 6_000, {"192.0.2.1": 5_000})})
    other.write({key_id: Use(4_000, 5_500, {"192.0.2.1": 4_000})})
    assert _times(database, key_id) == (4_000, 6_000, 1)
    other.write({key_id: Use(7_000, 9_000)})
    assert _times(database, key_id) == (4_000, 9_000, 1)
    (only,) = _rows(database)
    assert (only[0], only[1], only[3]) == ("key.first_use", key_id, {"at": 5_000})
    assert only[2].startswith("per_")


def test_nodes_that_write_at_once_do_not_fight(database: Database, sealer: Sealer) -> None:
    """Of every key there is one first use, and its last one is that of them all."""
    town = Town(database)
    where = town.workspace(town.organisation())
    keys = [town.key(where)[1].id for _ in range(20)]

    def write(number: int) -> None:
        node, order = _Node(database, sealer), keys if number % 2 else list(reversed(keys))
        for turn in range(3):
            at = 1_000 * (turn + 1) + number
            node.write({one: Use(at, at, {"192.0.2.1": at}) for one in order})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert sorted(row[1] for row in _rows(database)) == sorted(keys)
    assert {_times(database, one)[1] for one in keys} == {3_003}


def test_an_address_is_new_once(database: Database, sealer: Sealer, key_id: str) -> None:
    """For every key by itself; the log is remembered by, so a node that begins now knows it as well."""
    node = _Node(database, sealer)
    node.write({key_id: Use(1, 1, {"192.0.2.1": 1})})
    node.write({key_id: Use(2, 3, {"192.0.2.1": 2, "2001:db8::1": 3})})
    node.write({key_id: Use(4, 4, {"2001:db8::1": 4})})
    _Node(database, sealer).write({key_id: Use(5, 5, {"2001:db8::1": 5, "192.0.2.1": 5})})
    rows = _rows(database)
    assert [(row[0], row[3]) for row in rows] == [("key.first_use", {"at": 1}), ("key.new_address", {"at": 3})]
    assert len({row[2] for row in rows}) == 2
    assert "192.0.2.1" not in str(rows)


def test_many_new_addresses_are_told_in_few_rows(
    database: Database, sealer: Sealer, key_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one up to a number, the rest as a count; and what is known of them in memory is bounded."""
    monkeypatch.setattr(module, "MOST_TOLD", 3)
    monkeypatch.setattr(module, "_MOST_KNOWN", 2)
    monkeypatch.setattr(module, "_MOST_ASKED", 4)
    node = _Node(database, sealer)
    node.write({key_id: Use(0, 0, {"192.0.2.0": 0})})
    node.write({key_id: Use(0, 9, {f"192.0.2.{number}": number for number in range(10)})})
    assert [row[3] for row in _rows(database)[1:]] == [{"at": 1}, {"at": 2}, {"at": 3}, {"more": 6}]
    node.write({key_id: Use(9, 9, {f"192.0.2.{number}": 9 for number in range(5)})})
    assert [row[3] for row in _rows(database)[5:]] == [{"at": 9}]


@pytest.mark.parametrize(("level", "actions"), [("minimal", []), ("standard", ["key.first_use"])])
def test_the_level_decides_what_is_written(
    database: Database, sealer: Sealer, key_id: str, level: Level, actions: list[str]
) -> None:
    """The times are written at each of them."""
    node = _Node(database, sealer, level)
    node.write({key_id: Use(1, 1, {"192.0.2.1": 1})})
    node.write({key_id: Use(2, 2, {"192.0.2.2": 2})})
    assert [row[0] for row in _rows(database)] == actions
    assert all(row[2].startswith("per_") for row in _rows(database))
    assert _times(database, key_id) == (1, 2, 1)


def test_a_key_that_is_no_more_is_passed_over(database: Database, sealer: Sealer) -> None:
    """Nothing is written of it."""
    _Node(database, sealer).write({"key_gone": Use(1, 1)})
    assert _rows(database) == []
    assert database.read_now(lambda one: one.scalars(select(api_keys.c.id)).all()) == []
