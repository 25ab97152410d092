"""Limits: what they say, and what cannot hold in one."""

from __future__ import annotations

import pytest

from narthex.types.limits import Limit, Measure, Period, SubjectKind, problems_of
from tests.ledger.limits.making import limit


def problems(one: Limit) -> dict[str, str]:
    """Return what is wrong, by field."""
    return dict(problems_of(one))


def test_a_plain_limit_holds() -> None:
    """Nothing is wrong with what is usual, nor with zero."""
    assert problems(limit()) == {}
    assert problems(limit(amount=0)) == {}
    assert problems(limit(measure="cost_microusd", period="month", alert_percents=(50, 100))) == {}
    assert problems(limit(measure="parallel", period="total")) == {}
    assert problems(limit(window="rolling", burst=5)) == {}


@pytest.mark.parametrize(
    ("given", "field", "says"),
    [
        ({"amount": -1}, "amount", "below zero"),
        ({"amount": 2**60}, "amount", "exactly"),
        ({"amount": 10**13, "measure": "cost_microusd"}, "amount", "exactly"),
        ({"burst": 5}, "burst", "rolling"),
        ({"burst": 5, "window": "rolling", "period": "day"}, "burst", "rolling"),
        ({"burst": 0, "window": "rolling"}, "burst", "nothing pass"),
        ({"measure": "parallel"}, "period", "total"),
        ({"measure": "storage_bytes", "subject_kind": "workspace"}, "period", "total"),
        ({"measure": "storage_bytes", "period": "total"}, "subject_kind", "workspaces"),
        ({"measure": "documents", "period": "total", "subject_kind": "workspace"}, "measure", "nothing counts"),
        ({"window": "rolling", "period": "total"}, "window", "roll"),
        ({"subject": ""}, "subject", "1 to 200"),
        ({"subject": "a\nb"}, "subject", "1 to 200"),
        ({"subject": "red", "subject_kind": "tag"}, "subject", "name=value"),
        ({"subject": "=red", "subject_kind": "tag"}, "subject", "name=value"),
        ({"subject": "gpt-[45]", "subject_kind": "model"}, "subject", "no pattern"),
        ({"alert_percents": (0,), "period": "day"}, "alert_percents", "1 to 1000"),
        ({"alert_percents": (50,)}, "alert_percents", "an hour or more"),
    ],
)
def test_what_cannot_hold_is_named(given: dict[str, object], field: str, says: str) -> None:
    """Each contradiction is told at its field, with what would do."""
    assert says in problems(limit(**given))[field]


def test_money_is_counted_in_picodollars() -> None:
    """A limit of a microdollar holds a million picodollars; all else is counted as it is."""
    assert limit(measure="cost_microusd", amount=3).units == 3_000_000
    assert limit(amount=3).units == 3


def test_each_is_for_everybody_separately() -> None:
    """`*` is each separately, in tags behind the name."""
    assert limit(subject="*").is_each
    assert limit(subject="team=*", subject_kind="tag").is_each
    assert not limit(subject="team=red", subject_kind="tag").is_each
    assert not limit(subject="openai/*", subject_kind="model").is_each


def test_the_kinds_are_those_of_the_database() -> None:
    """Every word fits its column."""
    assert max(map(len, Measure)) <= 32
    assert max(map(len, [*Period, *SubjectKind])) <= 16
