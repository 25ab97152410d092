"""Each row holds the hash of the one before, whoever writes at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgspec
from sqlalchemy import Connection, select

from narthex.audit import Audit
from narthex.audit.chain import head_of
from narthex.audit.records import START, Entry, hash_of
from narthex.stores.database import Database
from narthex.stores.database.schema import audit_entries
from tests.audit.filling import ADA, fill


def _rows(connection: Connection) -> list[tuple[Entry, bytes, bytes]]:
    rows = connection.execute(select(audit_entries).order_by(audit_entries.c.seq)).mappings().all()
    names = {field.name for field in msgspec.structs.fields(Entry)}
    return [(Entry(**{n: row[n] for n in names}), bytes(row["previous_hash"]), bytes(row["hash"])) for row in rows]


def _is_whole(database: Database) -> int:
    previous, count = START, 0
    for entry, before, hashed in database.read_now(_rows):
        count += 1
        assert entry.seq == count
        assert before == previous
        assert hashed == hash_of(previous, entry)
        previous = hashed
    assert database.read_now(head_of) == (count, previous)
    return count


def test_rows_follow_one_another(database: Database) -> None:
    """From the start on, each with the hash of what is in it."""
    fill(Audit(), database, 5)
    assert _is_whole(database) == 5


def test_many_writers_make_one_chain(database: Database) -> None:
    """Threads with an audit log each, as processes would have: no row is lost, and none stands twice."""
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(fill, Audit(), database, 12) for _ in range(8)]:
            done.result()
    assert _is_whole(database) == 96


def test_what_is_undone_leaves_no_row(database: Database) -> None:
    """The action and its row are one."""
    audit = Audit()
    fill(audit, database, 1)

    def work(connection: Connection) -> None:
        audit.write(connection, "key.create", actor=ADA)
        raise ZeroDivisionError

    try:
        database.write_now(work)
    except ZeroDivisionError:
        fill(audit, database, 1)
    assert _is_whole(database) == 2
