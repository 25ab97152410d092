"""Tries of signing in, as rows."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select

from narthex.stores.database import Database
from narthex.stores.database.schema import sign_in_tries
from narthex.tenancy.sign_in.throttling import Names
from narthex.tenancy.sign_in.tries import count_try, forgive, paused_until
from tests.stores.databases import doing

NOW = 1_700_000_000_000
ADA = Names(user=b"u" * 32, user_there=b"t" * 32, home=b"h" * 32, address=b"a" * 32)
NOBODY = ADA._replace(user=None)


def rows(connection: Connection) -> int:
    """Count what is kept."""
    return connection.execute(select(func.count()).select_from(sign_in_tries)).scalar_one()


def test_a_try_that_is_too_early_is_not_counted(database: Database) -> None:
    """So that who waits as told gets in, however often they have asked meanwhile."""
    for _ in range(5):
        assert database.write_now(lambda c: count_try(c, ADA, NOW)) == 0
    until = database.write_now(lambda c: count_try(c, ADA, NOW))
    assert until == NOW + 2_000
    assert [database.write_now(lambda c: count_try(c, ADA, NOW + 1_000)) for _ in range(3)] == [until] * 3
    assert database.read_now(lambda c: paused_until(c, ADA, until)) == until
    assert database.write_now(lambda c: count_try(c, ADA, until)) == 0


def test_an_address_alone_has_no_home(database: Database) -> None:
    """Only tries from it are counted, and what is forgiven is taken off there."""
    database.write_now(lambda c: count_try(c, NOBODY, NOW))
    database.write_now(lambda c: forgive(c, NOBODY, NOW))
    assert database.read_now(rows) == 1
    database.write_now(lambda c: forgive(c, ADA, NOW))
    assert database.read_now(rows) == 2


def test_what_is_old_is_cleared_away(database: Database) -> None:
    """With each try some of it, so that the table does not grow."""
    old = [{"name": b"%032d" % number, "count": 1, "until": 0, "forget_at": NOW - number} for number in range(250)]
    database.write_now(doing(insert(sign_in_tries), old))
    for _ in range(2):
        database.write_now(lambda c: count_try(c, ADA, NOW))
    assert database.read_now(rows) == 2
