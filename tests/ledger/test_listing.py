"""The entries themselves."""

from __future__ import annotations

import random
from collections.abc import Sequence

from narthex.ledger.entries import Entry
from narthex.ledger.listing import every, newest
from narthex.ledger.rows import add_entries
from narthex.ledger.usage import question
from narthex.stores.database import Database
from tests.ledger.calls import entry

BEGIN = 1_790_000_000_000


def _written(database: Database, count: int = 40) -> Sequence[Entry]:
    chance = random.Random(3)
    keys = ("key_a", "key_b")
    entries = [entry(n, at=BEGIN + chance.randrange(6), key_id=chance.choice(keys)) for n in range(count)]
    database.write_now(lambda connection: add_entries(connection, entries))
    return sorted(entries, key=lambda one: (one.at, one.id))


def test_pages_tell_every_entry_once_newest_first(database: Database) -> None:
    """However many have the same time, and though more are written meanwhile."""
    entries = _written(database)
    asked = question(since=0, until=BEGIN + 100)
    found: list[Entry] = []
    after = None
    while True:
        place = after
        page, after = database.read_now(lambda connection: newest(connection, asked, limit=7, after=place))  # noqa: B023
        found += page
        if after is None:
            break
        late = entry(1_000 + len(found), at=BEGIN + 50)
        database.write_now(lambda connection: add_entries(connection, [late]))  # noqa: B023
    assert found == list(reversed(entries))


def test_a_last_page_that_is_full_is_the_last(database: Database) -> None:
    """No empty page follows it."""
    entries = _written(database, 7)
    asked = question(since=0, until=BEGIN + 100)
    page, after = database.read_now(lambda connection: newest(connection, asked, limit=7))
    assert (len(page), after) == (len(entries), None)


def test_filters_and_times_hold(database: Database) -> None:
    """For one request and for a key."""
    entries = _written(database)
    for where, expected in (
        ({"key": ["key_a"]}, [one for one in entries if one.key_id == "key_a"]),
        ({"request": ["req_3"]}, [one for one in entries if one.request_id == "req_3"]),
    ):
        asked = question(since=BEGIN, until=BEGIN + 4, where=where)
        found, _ = database.read_now(lambda connection: newest(connection, asked, limit=100))  # noqa: B023
        assert list(reversed(found)) == [one for one in expected if one.at < BEGIN + 4]


def test_all_of_them_come_in_parts(database: Database) -> None:
    """In order of time, each once."""
    entries = _written(database)
    parts = list(every(database.read_now, question(since=0, until=BEGIN + 100), at_once=9))
    assert [len(part) for part in parts] == [9, 9, 9, 9, 4]
    assert [one for part in parts for one in part] == list(entries)
