"""What an installation knows of itself is kept under names."""

from __future__ import annotations

from functools import partial

from narthex.stores.database import Database
from narthex.stores.facts import fact, forget_fact, write_fact


def test_a_fact_is_kept_replaced_and_forgotten(database: Database) -> None:
    """One under each name."""
    assert database.read_now(lambda connection: fact(connection, "colour")) is None
    for value in ({"is": "red"}, {"is": "blue"}):
        database.write_now(partial(write_fact, name="colour", value=value))
        assert database.read_now(lambda connection: fact(connection, "colour")) == value
    database.write_now(lambda connection: forget_fact(connection, "colour"))
    assert database.read_now(lambda connection: fact(connection, "colour")) is None
