"""What others have changed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, update

from narthex.stores.database import Database
from narthex.stores.database.schema import changes
from narthex.tenancy.changes import last_change, prune_changes, read_changes
from narthex.tenancy.listening import Listener
from tests.tenancy.towns import Town


def test_each_is_told_what_concerns_it_once(database: Database) -> None:
    """In order, by kind, each subject once however often it changed; what nobody listens to is passed over."""
    town = Town(database)
    told: list[tuple[Sequence[str], object]] = []

    def read(connection: Connection, subjects: Sequence[str]) -> object:
        return [one.upper() for one in subjects]

    listener = Listener(read=read, take=lambda subjects, rows: told.append((subjects, rows)))
    by = town.by()
    town.do(by.changed, "key", "a", "b")
    town.do(by.changed, "user", "u")
    town.do(by.changed, "key", "b", "c")
    town.do(by.changed, "role", "r")
    news = database.read_now(lambda one: read_changes(one, 0, {"key": listener, "role": listener}))
    for one, subjects, rows in news.told:
        one.take(subjects, rows)
    assert told == [(["a", "b", "c"], ["A", "B", "C"]), (["r"], ["R"])]
    assert news.last == database.read_now(last_change)
    again = database.read_now(lambda one: read_changes(one, news.last, {"key": listener}))
    assert (again.last, again.told) == (news.last, [])


def test_there_is_none_at_first(database: Database) -> None:
    """An empty list has the number before the first."""
    assert database.read_now(last_change) == 0


def test_what_all_have_read_goes(database: Database) -> None:
    """All of before a moment but the last of it; the numbers go on, and who has read so far misses nothing."""
    town = Town(database)
    for number in range(4):
        town.do(town.by(now=number * 1_000).changed, "key", f"k{number}")
    before = database.read_now(last_change)
    assert town.do(prune_changes, before=2_500) == 2
    assert town.do(prune_changes, before=2_500) == 0
    assert town.do(prune_changes, before=9_000) == 1
    town.do(town.by(now=9_000).changed, "key", "k4")
    listener = Listener(read=lambda _connection, subjects: subjects, take=lambda subjects, rows: None)
    news = database.read_now(lambda one: read_changes(one, before, {"key": listener}))
    assert (news.is_whole, news.last, [one[1] for one in news.told]) == (True, before + 1, [["k4"]])


def test_who_was_away_is_told_that_something_is_missing(database: Database) -> None:
    """As soon as anything is new; a number that was never given is no gap."""
    town = Town(database)
    for number in range(5):
        town.do(town.by(now=number * 1_000).changed, "key", f"k{number}")
    town.do(prune_changes, before=4_500)
    last = database.read_now(last_change)
    for after in range(last - 1):
        assert not database.read_now(lambda one, after=after: read_changes(one, after, {})).is_whole  # type: ignore[misc]
    assert database.read_now(lambda one: read_changes(one, last - 1, {})).is_whole
    town.do(town.by(now=9_000).changed, "key", "k5")
    town.do(lambda one: one.execute(update(changes).where(changes.c.seq > last).values(seq=last + 7)))
    assert database.read_now(lambda one: read_changes(one, last, {})) == (last + 7, [], True)
