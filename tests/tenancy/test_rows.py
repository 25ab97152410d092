"""Rows, to records and back."""

from __future__ import annotations

from narthex.stores.database import Database
from narthex.tenancy.directory import subject_of
from narthex.tenancy.rows import read_all, read_some
from tests.tenancy.towns import Town


def test_some_are_read_as_all_are(database: Database) -> None:
    """Those that are named are the same as among all, and names of nothing find nothing."""
    town = Town(database)
    workspace = town.workspace(town.organisation())
    person = town.member(workspace)
    town.key(workspace, tags={"team": "a"}, user_id=person.id)
    everything = database.read_now(read_all)
    assert {kind for kind, rows in everything.items() if rows} == set(everything) - {"role"}
    for kind, rows in everything.items():
        names = [*(subject_of(one) for one in rows), "none/of/these"]
        found = town.do(read_some, kind, names)
        assert sorted(found, key=subject_of) == sorted(rows, key=subject_of)


def test_many_are_read_in_parts(database: Database) -> None:
    """More names than fit into a statement are looked for all the same."""
    town = Town(database)
    one = town.organisation()
    names = [f"org_{number}" for number in range(1_200)] + [one.id]
    assert database.read_now(lambda connection: read_some(connection, "organisation", names)) == [one]
