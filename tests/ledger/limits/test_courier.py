"""Carrying questions and settlements to a real Redis."""

from __future__ import annotations

import asyncio
from pathlib import Path

from narthex.ledger.limits.courier import Courier
from narthex.ledger.limits.redis_table import Taken, meter_of
from narthex.pipeline.gateway import TaskKeeper
from narthex.stores.link import LinkSettings
from tests.ledger.limits.making import limit
from tests.stores.servers import redis_server, running_redis

METER = meter_of(limit(amount=500), "")


async def test_many_questions_go_together(tmp_path: Path) -> None:
    """Each gets its own answer, in the order in which they were asked; what is settled is told before."""
    with running_redis(tmp_path) as server:
        tasks, courier = TaskKeeper(), Courier(LinkSettings(url=server.url, timeout_s=20), hold_s=60)
        tasks.spawn(courier.run())
        await courier.ready(5)
        said = await asyncio.gather(*(courier.ask(((METER, 1),)) for _ in range(600)))
        answers = [one[1].answer for one in said if one is not None]
        assert answers == ["taken"] * 500 + ["refused"] * 100
        first = said[0]
        assert first is not None
        courier.tell(first[0], [(Taken(METER, first[1].stands[0].slot, 1), 0)])
        again = await courier.ask(((METER, 1),))
        assert again is not None
        assert again[1].answer == "taken"
        assert list(courier.lines())[-1] == "narthex_limits_unsettled 0"
        await tasks.aclose()


async def test_without_a_server_nobody_is_asked(tmp_path: Path) -> None:
    """Who asks is told so at once; what is settled waits."""
    courier = Courier(LinkSettings(url=redis_server(tmp_path).url), hold_s=60)
    assert await courier.ask(((METER, 1),)) is None
    courier.tell("a", [(Taken(METER, "0", 1), 1)])
    assert list(courier.lines())[-1] == "narthex_limits_unsettled 1"
    await courier.flush()


async def test_the_server_keeps_no_mark_of_what_it_is_known_to_have_heard(tmp_path: Path) -> None:
    """But of what several processes may tell; and what was not heard of is told again."""
    with running_redis(tmp_path) as server:
        tasks, courier = TaskKeeper(), Courier(LinkSettings(url=server.url, timeout_s=20), hold_s=60)
        tasks.spawn(courier.run())
        await courier.ready(5)
        assert courier.table is not None
        for name in ("", "correction"):
            courier.charge(((METER, 1),), name=name)
        for _ in range(2):
            said = await courier.ask(((METER, 1),))
            assert said is not None
            courier.tell(said[0], [(Taken(METER, said[1].stands[0].slot, 1), 1)])
        await courier.flush()
        said = await courier.ask(((METER, 1),))
        assert said is not None
        assert set(await courier.table.client.hkeys("narthex:use:holds")) == {b"correction", said[0].encode()}
        await tasks.aclose()
