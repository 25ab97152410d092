"""Room for members, counted where they are written."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import Connection, select

from narthex.errors import LimitExceeded
from narthex.stores.database import Database
from narthex.stores.database.schema import alerts
from narthex.tenancy.limit_records import StoredAlert
from narthex.tenancy.limits import NewLimit, create_limit
from narthex.tenancy.members import add_member, remove_member
from narthex.tenancy.records import Organisation
from narthex.tenancy.rows import columns_of, records
from narthex.types.limits import Measure, Period, SubjectKind
from tests.tenancy.towns import Town


def limited(town: Town, home: Organisation, amount: int, kind: str, subject: str, **more: object) -> None:
    """Limit the collaborators of somebody."""
    wish = NewLimit(
        organisation_id=home.id,
        subject_kind=SubjectKind(kind),
        subject=subject,
        measure=Measure.COLLABORATORS,
        amount=amount,
        period=Period.TOTAL,
        **more,  # type: ignore[arg-type]  # a test's own
    )
    town.do(lambda connection: create_limit(connection, town.by(), wish))


def test_a_workspace_has_as_many_members_as_may_be(database: Database) -> None:
    """Who leaves makes room; other workspaces, limits that only tell and those switched off are no concern of it."""
    town = Town(database)
    home = town.organisation()
    one, other = town.workspace(home), town.workspace(home)
    limited(town, home, 2, "workspace", one.id)
    limited(town, home, 1, "workspace", "*", hard=False)
    limited(town, home, 1, "workspace", "*", enabled=False)
    first = town.member(one)
    town.member(one)
    with pytest.raises(LimitExceeded, match="2 are there; remove a member") as refused:
        town.member(one)
    assert refused.value.facts is not None
    assert (refused.value.facts.subject, refused.value.retry_after_s) == (one.id, None)
    for _ in range(3):
        town.member(other)
    town.do(lambda c: remove_member(c, town.by(), workspace_id=one.id, user_id=first.id))
    town.member(one)


def test_of_an_organisation_each_counts_once(database: Database) -> None:
    """In however many workspaces they are, and also where the limit was lowered below what is there."""
    town = Town(database)
    home = town.organisation()
    one, other = town.workspace(home), town.workspace(home)
    limited(town, home, 1, "organisation", home.id)
    person = town.member(one)
    town.do(lambda c: add_member(c, town.by(), workspace_id=other.id, user_id=person.id, role="member"))
    with pytest.raises(LimitExceeded, match="organisation"):
        town.member(other)


def test_who_come_at_once_do_not_pass_it(database: Database) -> None:
    """Of two that both fit alone one is in."""
    town = Town(database)
    home = town.organisation()
    where = town.workspace(home)
    limited(town, home, 3, "workspace", where.id)
    people = [town.user(home) for _ in range(6)]

    def join(user_id: str) -> None:
        def work(connection: Connection) -> None:
            database.exclusively(connection, "accounts")
            add_member(connection, town.by(), workspace_id=where.id, user_id=user_id, role="viewer")

        try:
            database.write_now(work)
        except LimitExceeded:
            refused.append(user_id)

    refused: list[str] = []
    threads = [threading.Thread(target=join, args=(person.id,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(refused), len(town.directory().members)) == (3, 3)


def test_who_comes_near_a_limit_is_told(database: Database) -> None:
    """Each threshold once a day, of limits that only tell too; what is refused leaves nothing behind."""
    town = Town(database)
    home = town.organisation()
    where = town.workspace(home)
    limited(town, home, 2, "workspace", where.id, alert_percents=(50, 100))
    limited(town, home, 1, "organisation", "*", alert_percents=(200,), hard=False)
    limited(town, home, 0, "organisation", "*", alert_percents=(80,), hard=False)
    first = town.member(where)
    assert [(row.percent, row.used) for row in told(database)] == [(50, 1)]
    town.member(where)
    for _ in range(2):
        town.do(lambda c: remove_member(c, town.by(), workspace_id=where.id, user_id=first.id))
        town.do(lambda c: add_member(c, town.by(), workspace_id=where.id, user_id=first.id, role="member"))
    with pytest.raises(LimitExceeded):
        town.member(where)
    rows = told(database)
    assert sorted((row.percent, row.used, row.amount) for row in rows) == [(50, 1, 2), (100, 2, 2), (200, 2, 1)]
    assert {row.organisation_id for row in rows} == {home.id}


def told(database: Database) -> list[StoredAlert]:
    """Return the alerts that are written down."""
    query = select(*columns_of(StoredAlert, alerts)).order_by(alerts.c.at, alerts.c.id)
    return list(database.read_now(lambda connection: records(connection, query, StoredAlert)))
