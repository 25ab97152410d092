"""Limits that count what the ledger was corrected by."""

from __future__ import annotations

from pathlib import Path

import pytest

from narthex.errors import BudgetExceeded
from narthex.ledger.entries import Entry
from narthex.ledger.limits.correcting import count_corrections
from narthex.ledger.limits.meters import Meters
from narthex.types.limits import Limit
from tests.ledger.calls import entry
from tests.ledger.limits.making import ACCOUNT, NOON, limit
from tests.ledger.limits.test_shared import opened, stands
from tests.stores.servers import running_redis

HOUR_MS = 3_600_000
BUDGET = limit(
    measure="cost_microusd", amount=10, period="day", subject_kind="workspace", subject="ws_1", organisation_id="org_1"
)


def correction(cost_microusd: int, *, hours_ago: int = 1, **changes: object) -> Entry:
    """Return a correction."""
    at = int(NOON * 1_000) - hours_ago * HOUR_MS
    place = {"organisation_id": "org_1", "workspace_id": "ws_1", "key_id": "", "kind": "correction"}
    return entry(0, at=at, cost_picousd=cost_microusd * 1_000_000, input_tokens=0, **{**place, **changes})


def counted(meters: Meters, *entries: Entry) -> list[str]:
    """Count corrections at noon."""
    return list(count_corrections(entries, meters, None, now=NOON))


def test_a_budget_counts_them() -> None:
    """What is too much gives room again; another day, another workspace and other measures are no concern of it."""
    rate = limit(id="lim_2", measure="cost_microusd", amount=100)
    tokens = limit(id="lim_3", measure="input_tokens", amount=5, period="day", subject_kind="workspace", subject="ws_1")
    meters = Meters([BUDGET, rate, tokens], wall=lambda: NOON, steady=lambda: NOON)
    assert counted(meters, correction(9), correction(50, hours_ago=13), correction(50, workspace_id="ws_2")) == [
        "lim_1"
    ]
    with pytest.raises(BudgetExceeded):
        meters.reserve(ACCOUNT, picousd=2_000_000)
    counted(meters, correction(-4))
    assert meters.reserve(ACCOUNT, picousd=4_000_000) is not None


async def test_of_several_processes_it_counts_once(tmp_path: Path) -> None:
    """Though each of them tells it."""
    total: Limit = limit(measure="cost_microusd", amount=10, period="total", subject_kind="workspace", subject="ws_1")
    with running_redis(tmp_path) as server:
        async with opened(server.url, total) as one, opened(server.url, total) as other:
            for shared in (one, other):
                meters = Meters([total])
                assert list(count_corrections([correction(7)], meters, shared, now=NOON)) == ["lim_1"]
                await shared.courier.flush()
            assert await stands(one) == {"lim_1": (7_000_000, 0)}
