"""What is held for a further target is held beside what was held before, and settled once."""

from __future__ import annotations

import pytest

from narthex.errors import LimitExceeded
from narthex.ledger.limits.meters import Meters
from narthex.ledger.limits.uses import Passed
from narthex.types.limits import Limit
from tests.ledger.limits.making import ACCOUNT, NOON, limit

TOKENS = limit(measure="tokens", amount=10, alert_percents=(50,))
PARALLEL = limit(id="lim_2", measure="parallel", amount=1)


def meters(*limits: Limit) -> Meters:
    """Return meters whose time stands still."""
    return Meters(limits, wall=lambda: NOON, steady=lambda: NOON)


def stands(some: Meters) -> dict[str, tuple[int, int]]:
    """Return what is used and what is reserved, by limit."""
    return {one.limit.id: (one.gauge.used, one.gauge.reserved) for one in some.usage()}


def test_what_is_held_beside_is_settled_limit_by_limit() -> None:
    """Once; the threshold that it passes is told."""
    some = meters(TOKENS, PARALLEL)
    told: list[Passed] = []
    some.on_passed = told.append
    first = some.reserve(ACCOUNT, input_tokens=4)
    assert first is not None
    more = some.reserve_further(((TOKENS, "", 6),))
    assert stands(some) == {"lim_1": (0, 10), "lim_2": (0, 1)}
    assert [(one.id, amount) for one, _, amount in more.holds()] == [("lim_1", 6)]
    assert [(one.id, amount) for one, _, amount in first.holds()] == [("lim_1", 4), ("lim_2", 1)]
    used = {"lim_1": 7}
    for _ in range(2):
        for held in (first, more):
            held.settle_each(lambda one, _value: used.pop(one.id, 0))
    assert stands(some) == {"lim_1": (7, 0), "lim_2": (0, 0)}
    assert [one.percent for one in told] == [50]


def test_what_does_not_fit_is_held_nowhere() -> None:
    """Where one limit refuses, nothing more is held of the others."""
    some = meters(TOKENS, PARALLEL)
    with pytest.raises(LimitExceeded, match="10 tokens"):
        some.reserve_further(((PARALLEL, "", 1), (TOKENS, "", 11)))
    assert stands(some) == {"lim_1": (0, 0), "lim_2": (0, 0)}
    more = some.reserve_further(((TOKENS, "", 10),))
    more.release()
    more.release()
    assert stands(some) == {"lim_1": (0, 0), "lim_2": (0, 0)}


def test_a_limit_that_only_tells_refuses_nothing() -> None:
    """It counts what goes beyond it."""
    soft = limit(measure="tokens", amount=1, hard=False)
    some = meters(soft)
    some.reserve_further(((soft, "", 5),)).settle_each(lambda *_: 5)
    assert stands(some) == {"lim_1": (5, 0)}
