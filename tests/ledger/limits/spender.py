"""A process that spends from a shared budget as fast as it can, for `test_shared`: prints how many calls passed."""

from __future__ import annotations

import asyncio
import sys

from narthex.errors import LimitExceeded
from narthex.ledger.limits.meters import Meters
from narthex.ledger.limits.shared import SharedMeters
from narthex.pipeline.gateway import TaskKeeper
from narthex.stores.link import LinkSettings
from tests.ledger.limits.making import ACCOUNT, limit

BUDGET = limit(measure="cost_microusd", amount=500, period="total")
EACH = 1_000_000
"""What a call reserves, in picodollars."""


async def spend(url: str, calls: int) -> int:
    """Make calls at once, and return how many passed."""
    tasks = TaskKeeper()
    shared = SharedMeters(LinkSettings(url=url, prefix="test", timeout_s=30), Meters([BUDGET]))
    tasks.spawn(shared.courier.run())
    await shared.courier.ready(10)
    while shared.courier.table is not None and not await known(shared):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.005)

    async def call(number: int) -> bool:
        try:
            reservation = await shared.reserve(ACCOUNT, picousd=EACH)
        except LimitExceeded:
            return False
        assert reservation is not None
        await asyncio.sleep(number % 7 / 1_000)
        reservation.settle(0, 0, EACH)
        return True

    passed = await asyncio.gather(*map(call, range(calls)))
    await shared.courier.flush()
    await tasks.aclose()
    return sum(passed)


async def known(shared: SharedMeters) -> bool:
    """Tell whether the ledger was read for the budget."""
    assert shared.courier.table is not None
    return await shared.courier.table.client.hlen("test:use:born") > 0


if __name__ == "__main__":
    sys.stdout.write(str(asyncio.run(spend(sys.argv[1], int(sys.argv[2])))))
