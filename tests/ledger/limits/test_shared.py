"""Limits that several processes share, on a real Redis."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from narthex.errors import BudgetExceeded, LimitExceeded, LimitsUnreachable
from narthex.ledger.limits.headers import OPENAI
from narthex.ledger.limits.meters import Meters, Reservation
from narthex.ledger.limits.shared import SharedMeters, SharedPolicy, SharedReservation
from narthex.ledger.limits.uses import Passed, Spent
from narthex.pipeline.gateway import TaskKeeper
from narthex.stores.link import LinkSettings
from narthex.types.limits import Limit
from tests.ledger.limits.making import ACCOUNT, limit, used_of
from tests.ledger.limits.spender import BUDGET
from tests.stores.servers import RedisServer, redis_server, running_redis
from tests.stores.test_redis_shelf import until

MICRO = 1_000_000
DAILY = limit(measure="cost_microusd", amount=10, period="day", alert_percents=(50, 100))
RATE = limit(id="lim_2", amount=3)


@asynccontextmanager
async def opened(
    url: str, *limits: Limit, policy: SharedPolicy | None = None, timeout_s: float = 5.0
) -> AsyncIterator[SharedMeters]:
    """Give meters at a server, which know that nothing was used before."""
    tasks = TaskKeeper()
    shared = SharedMeters(LinkSettings(url=url, prefix="test", timeout_s=timeout_s), Meters(limits), policy)
    tasks.spawn(shared.courier.run())
    try:
        await shared.courier.ready(5)
        if shared.courier.table is not None:
            await ready(shared)
        yield shared
    finally:
        await tasks.aclose()


async def ready(shared: SharedMeters) -> None:
    """Wait until what is asked is answered."""
    async with asyncio.timeout(20):
        while True:
            reservation = await tried(shared)
            if isinstance(reservation, SharedReservation):
                reservation.release()
                await shared.courier.flush()
                return
            if isinstance(reservation, Reservation):
                reservation.release()
            if isinstance(reservation, LimitExceeded):
                return
            await asyncio.sleep(0.005)


async def tried(shared: SharedMeters) -> object:
    """Reserve nothing in particular, or return why that cannot be."""
    try:
        return await shared.reserve(ACCOUNT)
    except (LimitsUnreachable, LimitExceeded) as error:
        return error


async def stands(shared: SharedMeters) -> dict[str, tuple[int, int]]:
    """Return what is used and what is reserved, by limit."""
    return {one.limit.id: (one.gauge.used, one.gauge.reserved) for one in await shared.usage()}


def spent_by_processes(url: str, calls: tuple[int, ...]) -> list[int]:
    """Have processes make so many calls each, all at once, and return how many of each passed."""
    command = [sys.executable, "-m", "tests.ledger.limits.spender", url]
    root = Path(__file__).parents[3]
    processes = [subprocess.Popen([*command, str(many)], stdout=subprocess.PIPE, cwd=root) for many in calls]
    return [int(process.communicate()[0]) for process in processes]


async def test_a_budget_is_passed_by_nobody(tmp_path: Path) -> None:
    """A thousand calls at once from three processes: just as many pass as the budget pays for."""
    with running_redis(tmp_path) as server:
        passed = await asyncio.to_thread(spent_by_processes, server.url, (334, 333, 333))
        assert sum(passed) == 500
        async with opened(server.url, BUDGET) as shared:
            assert await stands(shared) == {"lim_1": (500 * MICRO, 0)}


async def test_what_one_reserves_the_other_cannot(tmp_path: Path) -> None:
    """What is settled or given back is told at once; where one limit refuses nothing is held of the other."""
    with running_redis(tmp_path) as server:
        async with opened(server.url, DAILY, RATE) as one, opened(server.url, DAILY, RATE) as other:
            first = await one.reserve(ACCOUNT, picousd=8 * MICRO)
            assert first is not None
            with pytest.raises(BudgetExceeded, match=r"0\.000008 USD reserved"):
                await other.reserve(ACCOUNT, picousd=3 * MICRO)
            assert await stands(other) == {"lim_1": (0, 8 * MICRO), "lim_2": (0, 1)}
            first.settle(0, 0, 5 * MICRO)
            first.settle(0, 0, 9 * MICRO)
            await one.courier.flush()
            second = await other.reserve(ACCOUNT, picousd=5 * MICRO)
            assert second is not None
            assert dict(second.headers(OPENAI))["x-ratelimit-remaining-requests"] == "1"
            second.release()
            await other.courier.flush()
            assert await stands(one) == {"lim_1": (5 * MICRO, 0), "lim_2": (1, 0)}


def reading(shared: SharedMeters, tasks: TaskKeeper) -> None:
    """Have meters find that the ledger has nothing of any limit."""

    def unknown(one: Limit, _: str | None) -> None:
        tasks.spawn(shared.restored(one, []))

    shared.on_unknown = unknown


async def test_the_first_call_waits_until_it_is_known_what_was_used(tmp_path: Path) -> None:
    """Though nobody has asked before, nor the ledger was read: it is counted with all others, also of a rate."""
    daily = limit(amount=3, period="day")
    with running_redis(tmp_path) as server:
        tasks = TaskKeeper()
        both = [SharedMeters(LinkSettings(url=server.url, timeout_s=20), Meters([daily])) for _ in range(2)]
        for one in both:
            reading(one, tasks)
            tasks.spawn(one.courier.run())
        held = await asyncio.gather(*(one.reserve(ACCOUNT) for one in (*both, both[0])))
        assert all(isinstance(one, SharedReservation) for one in held)
        with pytest.raises(LimitExceeded):
            await both[1].reserve(ACCOUNT)
        await tasks.aclose()


async def test_whom_no_limit_concerns_asks_nobody(tmp_path: Path) -> None:
    """Nor does it matter then whether the server is there."""
    async with opened(redis_server(tmp_path).url, limit(subject="key_2")) as shared:
        assert await shared.reserve(ACCOUNT) is None


async def test_while_the_server_is_away_the_policy_holds(tmp_path: Path) -> None:
    """Budgets refuse, and rates are counted here alone; or as it is set. It goes on when the server is back."""
    with running_redis(tmp_path) as server:
        async with opened(server.url, DAILY, RATE) as both, opened(server.url, RATE) as rate:
            server.kill()
            await until(lambda: both.courier.table is None and rate.courier.table is None)
            with pytest.raises(LimitsUnreachable, match="lim_1 is shared"):
                await both.reserve(ACCOUNT)
            for _ in range(3):
                assert isinstance(await rate.reserve(ACCOUNT), Reservation)
            with pytest.raises(LimitExceeded):
                await rate.reserve(ACCOUNT)
            both.adopt(SharedPolicy(money="open"))
            assert isinstance(await both.reserve(ACCOUNT), Reservation)
            rate.adopt(SharedPolicy(rates="closed"))
            with pytest.raises(LimitsUnreachable):
                await rate.reserve(ACCOUNT)
            server.start()
            await until(lambda: rate.courier.table is not None)
            assert isinstance(await rate.reserve(ACCOUNT), SharedReservation)


async def test_a_server_that_says_nothing_is_away(tmp_path: Path) -> None:
    """Nobody waits longer than the timeout; what was reserved for nobody is given back."""
    with running_redis(tmp_path) as server:
        async with opened(server.url, DAILY, timeout_s=0.3) as shared, opened(server.url, DAILY) as other:
            server.pause()
            with pytest.raises(LimitsUnreachable):
                await shared.reserve(ACCOUNT, picousd=MICRO)
            server.resume()
            await until(lambda: shared.courier.table is not None)
            await other.courier.flush()
            assert (await stands(other))["lim_1"][0] == 0


async def test_who_leaves_while_it_is_asked_holds_nothing(tmp_path: Path) -> None:
    """A call that is cancelled gives back what was reserved for it meanwhile."""
    with running_redis(tmp_path) as server:
        async with opened(server.url, DAILY) as shared:
            for turns in range(6):
                task = asyncio.create_task(shared.reserve(ACCOUNT, picousd=MICRO))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            async with asyncio.timeout(10):
                while await stands(shared) != {"lim_1": (0, 0)}:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.01)


async def test_what_is_settled_while_the_server_is_away_is_told_later(tmp_path: Path) -> None:
    """Also where the server has lost everything: what the ledger has is there, and what was told since."""
    with running_redis(tmp_path) as server:
        async with opened(server.url, DAILY, timeout_s=0.5) as shared:
            asked: list[str] = []
            shared.on_unknown = lambda one, _: asked.append(one.id)
            reservation = await shared.reserve(ACCOUNT, picousd=MICRO)
            assert reservation is not None
            await lose(server, shared)
            reservation.settle(0, 0, 2 * MICRO)
            await until(lambda: shared.courier.table is not None and asked != [])
            await shared.courier.flush()
            with pytest.raises(LimitsUnreachable):
                await shared.reserve(ACCOUNT, picousd=MICRO)
            await shared.restored(DAILY, [Spent(value="", at=0.0, used=6 * MICRO)])
            assert await stands(shared) == {"lim_1": (6 * MICRO, 0)}
            with pytest.raises(BudgetExceeded):
                await shared.reserve(ACCOUNT, picousd=5 * MICRO)


async def test_who_dies_holds_nothing_for_long(tmp_path: Path) -> None:
    """What a process has reserved lapses after `hold_s`; a process that lives renews what it holds."""
    with running_redis(tmp_path) as server:
        policy = SharedPolicy(hold_s=1.5)
        async with opened(server.url, DAILY, policy=policy) as living:
            async with opened(server.url, DAILY, policy=policy) as dying:
                assert await dying.reserve(ACCOUNT, picousd=3 * MICRO) is not None
            held = await living.reserve(ACCOUNT, picousd=2 * MICRO)
            assert held is not None
            async with asyncio.timeout(20):
                while await stands(living) != {"lim_1": (0, 2 * MICRO)}:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.05)
            await asyncio.sleep(1.6)
            assert await stands(living) == {"lim_1": (0, 2 * MICRO)}


async def test_thresholds_are_told_by_what_is_settled(tmp_path: Path) -> None:
    """Once each, when what passes them is settled."""
    with running_redis(tmp_path) as server:
        async with opened(server.url, DAILY) as shared:
            told: list[Passed] = []
            shared.on_passed = told.append
            for used in (4, 2, 1, 3):
                reservation = await shared.reserve(ACCOUNT, picousd=MICRO)
                assert reservation is not None
                reservation.settle(0, 0, used * MICRO)
                await shared.courier.flush()
            await until(lambda: len(told) == 2)
            assert [(one.percent, one.used) for one in told] == [(50, 6 * MICRO), (100, 10 * MICRO)]


async def lose(server: RedisServer, shared: SharedMeters) -> None:
    """Have a server lose everything."""
    server.kill()
    await until(lambda: shared.courier.table is None)
    server.start()


async def test_what_was_not_reserved_is_charged(tmp_path: Path) -> None:
    """As copies for models on trial are: at the server, for all processes, and here while it is away."""
    with running_redis(tmp_path) as server:
        async with opened(server.url, DAILY, RATE, timeout_s=0.5) as one, opened(server.url, DAILY, RATE) as other:
            one.charge(used_of([DAILY, RATE], (0, 1, 1, 2, 9 * MICRO, 0)))
            await one.courier.flush()
            assert await stands(other) == {"lim_1": (9 * MICRO, 0), "lim_2": (0, 0)}
            with pytest.raises(BudgetExceeded):
                await other.reserve(ACCOUNT, picousd=2 * MICRO)
            server.kill()
            await until(lambda: one.courier.table is None)
            one.charge(used_of([DAILY, RATE], (1, 1, 1, 2, 0, 0)))
            assert await stands(one) == {"lim_1": (0, 0), "lim_2": (1, 0)}


async def test_what_a_call_needs_more_is_held_beside(tmp_path: Path) -> None:
    """At the server, where one limit refuses all of it; here while it is away, as far as that may be passed."""
    with running_redis(tmp_path) as server:
        async with opened(server.url, DAILY, RATE, timeout_s=0.5) as shared:
            first = await shared.reserve(ACCOUNT, picousd=4 * MICRO)
            assert first is not None
            more = await shared.reserve_further(((DAILY, "", 6 * MICRO),))
            assert await stands(shared) == {"lim_1": (0, 10 * MICRO), "lim_2": (0, 1)}
            with pytest.raises(BudgetExceeded):
                await shared.reserve_further(((RATE, "", 1), (DAILY, "", 1)))
            used = {"lim_1": 7 * MICRO, "lim_2": 1}
            for held in (first, more, more):
                held.settle_each(lambda one, _value: used.pop(one.id, 0))
            await shared.courier.flush()
            assert await stands(shared) == {"lim_1": (7 * MICRO, 0), "lim_2": (1, 0)}
            server.kill()
            await until(lambda: shared.courier.table is None)
            with pytest.raises(LimitsUnreachable):
                await shared.reserve_further(((DAILY, "", 1),))
            (await shared.reserve_further(((RATE, "", 1),))).release()


async def test_what_is_charged_early_waits_for_the_ledger(tmp_path: Path) -> None:
    """It counts beside what was used before, once that is known."""
    with running_redis(tmp_path) as server:
        tasks = TaskKeeper()
        shared = SharedMeters(LinkSettings(url=server.url, timeout_s=20), Meters([DAILY]))
        read = asyncio.Event()

        async def restore(one: Limit) -> None:
            await read.wait()
            await shared.restored(one, [Spent(value="", at=0.0, used=3 * MICRO)])

        def unknown(one: Limit, _: str | None) -> None:
            tasks.spawn(restore(one))

        shared.on_unknown = unknown
        tasks.spawn(shared.courier.run())
        await shared.courier.ready(5)
        shared.charge(used_of([DAILY], (1, 0, 0, 0, 4 * MICRO, 0)))
        await shared.courier.flush()
        assert await stands(shared) == {"lim_1": (0, 0)}
        read.set()
        async with asyncio.timeout(20):
            while await stands(shared) != {"lim_1": (7 * MICRO, 0)}:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
        await tasks.aclose()


@pytest.mark.parametrize("many", [2**63 - 1, 10**19, 10**40])
async def test_no_number_is_too_large_for_the_server(tmp_path: Path, many: int) -> None:
    """Whatever a request or a provider says: it counts as more than there is, and limits are there for all others."""
    soft = limit(id="lim_s", measure="output_tokens", amount=10, period="day", hard=False)
    rolling = limit(id="lim_r", measure="output_tokens", amount=10, period="day", window="rolling", hard=False)
    budget = limit(id="lim_m", measure="cost_microusd", amount=10, period="month", hard=False)
    with running_redis(tmp_path) as server:
        async with opened(server.url, soft, rolling, budget, RATE, timeout_s=1.0) as shared:
            for used in (many, 5):
                reservation = await shared.reserve(ACCOUNT, output_tokens=many, picousd=many)
                assert isinstance(reservation, SharedReservation)
                reservation.settle(0, used, used)
                await shared.courier.flush()
            shared.charge(used_of([soft, rolling, budget, RATE], (1, 0, many, many, many, 0)))
            await shared.courier.flush()
            assert shared.courier._link.status().losses == 0
            found = await stands(shared)
            assert all(used > 10**15 and not held for used, held in (found[one] for one in ("lim_s", "lim_r", "lim_m")))
            assert found["lim_2"] == (3, 0)
