"""Limits of the database, as they are held in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from narthex.stores.database import Database
from narthex.tenancy.limit_records import StoredAlert, StoredLimit, follow_limits, read_limits
from narthex.tenancy.limits import create_limit, delete_limit
from narthex.tenancy.listening import Listener
from narthex.types.limits import Limit
from tests.tenancy.test_limits import wish
from tests.tenancy.towns import Town

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from narthex.tenancy.office import Office


class Follower:
    """An office that only takes down who wants to be told."""

    def also(self, kinds: list[str], listener: Listener, load: Callable[[Connection], Callable[[], None]]) -> None:
        """Take it down."""
        self.kinds, self.listener, self.load = kinds, listener, load


def test_who_follows_has_all_limits_at_all_times(database: Database) -> None:
    """Those that there are at the start, and again all whenever one of them changes."""
    town, office, told = Town(database), Follower(), list[tuple[Limit, ...]]()
    organisation = town.organisation()
    follow_limits(cast("Office", office), told.append)
    assert office.kinds == ["limit"]
    one = town.do(create_limit, town.by(), wish(organisation.id))
    database.read_now(office.load)()
    other = town.do(create_limit, town.by(), wish(organisation.id, amount=7))
    office.listener.take([other.id], database.read_now(lambda connection: office.listener.read(connection, [])))
    town.do(delete_limit, town.by(), one.id)
    assert told[0] == (one.limit,)
    assert set(told[1]) == {one.limit, other.limit}
    assert database.read_now(read_limits) == (other.limit,)


def test_records_are_columns() -> None:
    """Both are read by the names of their fields."""
    from narthex.stores.database.schema import alerts, limits  # noqa: PLC0415 - as the room does

    assert {*StoredLimit.__struct_fields__} <= {*limits.c.keys()}
    assert {*StoredAlert.__struct_fields__} <= {*alerts.c.keys()}
