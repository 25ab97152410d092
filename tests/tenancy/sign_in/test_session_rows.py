"""Sessions as rows."""

from __future__ import annotations

from sqlalchemy import func, select

from narthex.stores.database import Database
from narthex.stores.database.schema import sessions
from narthex.tenancy.sign_in.session_rows import (
    end_sessions,
    every_session,
    id_token_of,
    keep_id_token,
    open_session,
    some_sessions,
    touch,
)
from narthex.tenancy.sign_in.sessions import Lifetimes, digest_of
from tests.tenancy.towns import NOW, Town

LIFETIMES = Lifetimes(idle_ms=1_000_000, longest_ms=10_000_000)


def opened(town: Town, user_id: str, now: int = NOW) -> tuple[str, str]:
    """Begin a session; return its ID and token."""
    who = town.by(now=now)
    one = town.do(
        lambda connection: open_session(
            connection, who, user_id=user_id, how="password", agent="x" * 999, lifetimes=LIFETIMES
        )
    )
    return one.session.id, one.token


def test_of_a_token_only_the_hash_is_kept(database: Database) -> None:
    """It has 256 bits, and is not among the rows."""
    town = Town(database)
    user = town.user(town.organisation())
    name, token = opened(town, user.id)
    (row,) = town.do(every_session)
    assert len(token) == 43
    assert row.digest == digest_of(token)
    assert row.id == name
    assert token not in repr(row)
    assert len(row.agent) == 200


def test_what_a_session_began_with_goes_with_it(database: Database) -> None:
    """It is read by nothing but what asks for it."""
    town = Town(database)
    user = town.user(town.organisation())
    name, _ = opened(town, user.id)
    assert town.do(id_token_of, name) is None
    town.do(keep_id_token, name, b"sealed")
    assert town.do(id_token_of, name) == b"sealed"
    assert "sealed" not in repr(town.do(every_session))
    town.do(end_sessions, town.by(), user.id)
    assert town.do(id_token_of, name) is None


def test_sessions_end_one_by_one_or_all(database: Database) -> None:
    """Of one user, and of nobody else."""
    town = Town(database)
    home = town.organisation()
    ada, grace = town.user(home).id, town.user(home).id
    first, second, third = (opened(town, ada)[0] for _ in range(3))
    theirs = opened(town, grace)[0]
    assert town.do(end_sessions, town.by(), ada, session_id=theirs) == 0
    assert town.do(end_sessions, town.by(), ada, session_id=first) == 1
    assert town.do(end_sessions, town.by(), ada, but=third) == 1
    assert {one.id for one in town.do(some_sessions, [first, second, third, theirs])} == {third, theirs}
    assert town.do(end_sessions, town.by(), ada) == 1


def test_a_use_is_kept_and_never_goes_back(database: Database) -> None:
    """Two processes may tell of it in any order."""
    town = Town(database)
    name, _ = opened(town, town.user(town.organisation()).id)
    town.do(touch, town.by(now=NOW + 500), name)
    town.do(touch, town.by(now=NOW + 400), name)
    (row,) = town.do(every_session)
    assert row.seen_at == NOW + 500


def test_what_is_over_is_cleared_away(database: Database) -> None:
    """At the next sign-in; and nobody has more than so many."""
    town = Town(database)
    user = town.user(town.organisation()).id
    for number in range(55):
        opened(town, user, NOW + number)
    count = select(func.count()).select_from(sessions)
    assert town.do(lambda connection: connection.execute(count).scalar_one()) == 50
    opened(town, user, NOW + 5_000_000)
    assert town.do(lambda connection: connection.execute(count).scalar_one()) == 1
