"""Who does something, and what is written about it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from narthex.errors import PermissionDenied
from narthex.stores.database import Database
from narthex.stores.database.schema import changes
from tests.tenancy.towns import NOW, Town


def test_nobody_gives_more_than_they_have() -> None:
    """What is missing is named; who may do everything gives everything."""
    town = Town.__new__(Town)
    town.audit = None  # type: ignore[assignment]  # not asked
    acting = Town.by(town, frozenset({"keys:read"}))
    acting.may_give(frozenset({"keys:read"}))
    with pytest.raises(PermissionDenied, match="usage:read"):
        acting.may_give(frozenset({"keys:read", "usage:read"}))
    Town.by(town).may_give(frozenset({"usage:read"}))


def test_what_was_done_is_written_with_it(database: Database) -> None:
    """The list of changes and the audit log know of it, or neither does."""
    town = Town(database)

    def work(connection: object) -> None:
        town.by().changed(connection, "key", "key_a", "key_b")  # type: ignore[arg-type]
        town.by().note(connection, "key.create", target="key_a", organisation_id="org")  # type: ignore[arg-type]

    town.do(work)
    rows = database.read_now(lambda one: one.execute(select(changes.c.kind, changes.c.subject, changes.c.at)).all())
    assert [tuple(row) for row in rows] == [("key", "key_a", NOW), ("key", "key_b", NOW)]
    assert town.audit.actions == ["key.create"]
