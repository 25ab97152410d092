"""Which limits are in force."""

from __future__ import annotations

import pytest

from narthex.errors import LimitExceeded
from narthex.ledger.limits.in_force import InForce
from narthex.ledger.limits.meters import Meters
from tests.ledger.limits.making import ACCOUNT, limit


async def test_those_of_the_file_and_of_the_database_hold_together() -> None:
    """A change of the one leaves the others, and their counts, alone."""
    meters = Meters()
    limits, changes = InForce(meters), list[int]()
    limits.when_changed = lambda: changes.append(1)
    limits.configure([limit(id="cap:a", amount=1)])
    limits.store([limit(id="lim_1", amount=5)])
    assert meters.reserve(ACCOUNT) is not None
    limits.store([limit(id="lim_1", amount=6), limit(id="lim_2")])
    with pytest.raises(LimitExceeded, match="cap:a"):
        meters.reserve(ACCOUNT)
    assert {one.limit.id: one.gauge.reserved for one in await limits.usage()} == {"cap:a": 1, "lim_1": 1, "lim_2": 0}
    assert [one.id for one in limits.configured] == ["cap:a"]
    assert len(changes) == 3
