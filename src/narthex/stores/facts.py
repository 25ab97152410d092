"""What an installation knows of itself, under a name each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from sqlalchemy import Connection, delete, insert, select, update

from narthex.stores.database.schema import facts


def fact(connection: Connection, name: str) -> dict[str, object] | None:
    """Return what is known under a name; None if nothing is."""
    value = connection.scalar(select(facts.c.value).where(facts.c.name == name))
    return None if value is None else dict(cast("Mapping[str, object]", value))


def write_fact(connection: Connection, name: str, value: Mapping[str, object]) -> None:
    """Keep something under a name, in place of what was known."""
    changed = connection.execute(update(facts).where(facts.c.name == name).values(value=dict(value)))
    if changed.rowcount == 0:
        connection.execute(insert(facts).values(name=name, value=dict(value)))


def forget_fact(connection: Connection, name: str) -> None:
    """Keep nothing under a name any more."""
    connection.execute(delete(facts).where(facts.c.name == name))
