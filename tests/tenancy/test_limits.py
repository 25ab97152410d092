"""Limits in the database."""

from __future__ import annotations

import pytest

from narthex.errors import InvalidRequest, NotFound, VersionConflict
from narthex.stores.database import Database
from narthex.tenancy.limit_records import StoredLimit, read_limits
from narthex.tenancy.limits import NewLimit, create_limit, delete_limit, limit, update_limit
from narthex.types.limits import Limit, Measure, Period, SubjectKind
from tests.tenancy.towns import Town


def wish(organisation_id: str, **given: object) -> NewLimit:
    """Return a limit that is to be made: a dollar a day for each key, but for what is given."""
    fields: dict[str, object] = {
        "organisation_id": organisation_id,
        "subject_kind": SubjectKind.KEY,
        "subject": "*",
        "measure": Measure.COST,
        "amount": 1_000_000,
        "period": Period.DAY,
    }
    return NewLimit(**(fields | given))  # type: ignore[arg-type]  # a test's own


def test_a_limit_is_made_changed_and_taken_away(database: Database) -> None:
    """Each is written down with what was done, and other processes are told."""
    town = Town(database)
    organisation = town.organisation()
    made = town.do(create_limit, town.by(), wish(organisation.id, alert_percents=(80, 100)))
    assert database.read_now(read_limits) == (made.limit,)
    assert made.alert_percents == (80, 100)
    changed = town.do(update_limit, town.by(), made.id, {"amount": 5, "hard": False}, version=1)
    assert (changed.amount, changed.hard, changed.version) == (5, False, 2)
    with pytest.raises(VersionConflict):
        town.do(update_limit, town.by(), made.id, {"amount": 6}, version=1)
    with pytest.raises(VersionConflict):
        town.do(delete_limit, town.by(), made.id, version=1)
    town.do(delete_limit, town.by(), made.id)
    with pytest.raises(NotFound):
        database.read_now(lambda connection: limit(connection, made.id))
    assert town.audit.actions[-3:] == ["limit.create", "limit.update", "limit.delete"]


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"amount": -1}, "amount"),
        ({"burst": 5}, "burst"),
        ({"measure": Measure.PARALLEL}, "period"),
        ({"subject": "key_no"}, "subject"),
        ({"subject": "plain"}, "subject"),
        ({"subject_kind": SubjectKind.WORKSPACE, "subject": "ws_no"}, "subject"),
        ({"subject_kind": SubjectKind.MEMBER, "subject": "usr_no"}, "subject"),
        ({"subject_kind": SubjectKind.ORGANISATION, "subject": "org_no"}, "subject"),
        ({"subject_kind": SubjectKind.TAG, "subject": "red"}, "subject"),
        ({"workspace_id": "ws_no"}, "workspace_id"),
    ],
)
def test_what_cannot_hold_is_not_made(database: Database, given: dict[str, object], param: str) -> None:
    """The field at fault is named, and nothing is written."""
    town = Town(database)
    organisation = town.organisation()
    with pytest.raises(InvalidRequest) as raised:
        town.do(create_limit, town.by(), wish(organisation.id, **given))
    assert raised.value.param == param
    assert database.read_now(read_limits) == ()


def test_a_subject_is_its_organisations(database: Database) -> None:
    """Another organisation's workspace, person or key is not there; one's own is, and what nobody need know."""
    town = Town(database)
    own, other = town.organisation(), town.organisation()
    workspace, person = town.workspace(own), town.user(own)
    key = town.key(workspace)[1]
    for kind, subject in (
        (SubjectKind.WORKSPACE, workspace.id),
        (SubjectKind.MEMBER, person.id),
        (SubjectKind.KEY, key.id),
        (SubjectKind.ORGANISATION, own.id),
    ):
        given = {"subject_kind": kind, "subject": subject}
        town.do(create_limit, town.by(), wish(own.id, **given))
        with pytest.raises(InvalidRequest):
            town.do(create_limit, town.by(), wish(other.id, **given))
    for kind, subject in ((SubjectKind.KEY, "config:app"), (SubjectKind.END_USER, "ann"), (SubjectKind.MODEL, "a/*")):
        town.do(create_limit, town.by(), wish(other.id, subject_kind=kind, subject=subject))


def test_a_row_has_all_of_a_limit() -> None:
    """Nothing that is counted by is lost in the database."""
    assert set(Limit.__struct_fields__) < set(StoredLimit.__struct_fields__)
