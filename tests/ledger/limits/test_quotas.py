"""Limits of what is there at one time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from narthex.errors import LimitExceeded, LimitsUnreachable
from narthex.ledger.limits.meters import Meters
from narthex.ledger.limits.quotas import Holding, Quotas
from narthex.ledger.limits.shared import SharedPolicy
from narthex.types.accounts import Account
from narthex.types.limits import Limit, Measure, SubjectKind
from tests.ledger.limits.making import ACCOUNT, limit
from tests.ledger.limits.test_shared import opened
from tests.stores.servers import running_redis
from tests.stores.test_redis_shelf import until

TASKS = Measure.TASKS
OTHER = Account(organisation_id="org_1", workspace_id="ws_2")


def stock(amount: int, measure: str = "tasks", **given: object) -> Limit:
    """Return a limit of what a workspace may have."""
    shape = {"subject_kind": "workspace", "subject": "ws_1", "period": "total", "organisation_id": "org_1"}
    return limit(measure=measure, amount=amount, **{**shape, **given})


async def full(quotas: Quotas, account: Account = ACCOUNT, amount: int = 1, measure: Measure = TASKS) -> LimitExceeded:
    """Return why there is no room."""
    with pytest.raises(LimitExceeded) as refused:
        await quotas.reserve(account, measure, amount)
    return refused.value


async def test_there_is_no_more_than_may_be() -> None:
    """Who is refused is told which limit, whose, how much is there and how to make room; what is gone makes some."""
    quotas = Quotas(Meters([stock(2)]))
    held = [await quotas.reserve(ACCOUNT, TASKS) for _ in range(2)]
    error = await full(quotas)
    assert error.message == (
        'the limit of 2 tasks under way for workspace "ws_1" (lim_1) is reached: 2 are there; '
        "wait until one has ended, or cancel one, or have it raised"
    )
    assert error.facts is not None
    assert (error.facts.used, error.facts.subject, error.status, error.retry_after_s) == (2, "ws_1", 429, 1.0)
    (await quotas.reserve(OTHER, TASKS)).release()
    for _ in range(2):
        held[0].release()
    await quotas.reserve(ACCOUNT, TASKS)
    await full(quotas)
    assert [(one.limit.id, one.gauge.used) for one in quotas.usage()] == [("lim_1", 2)]


async def test_organisations_and_each_workspace_have_limits_too() -> None:
    """All that concern somebody must allow it; a soft one tells only, and of bytes the size counts."""
    whole = stock(5, "storage_bytes", id="lim_o", subject_kind="organisation", subject="org_1")
    each = stock(3, "storage_bytes", id="lim_e", subject="*")
    soft = stock(1, "storage_bytes", id="lim_s", hard=False)
    quotas = Quotas(Meters([whole, each, soft]))
    first = await quotas.reserve(ACCOUNT, Measure.STORAGE, 3)
    assert "leaves 0" not in (await full(quotas, measure=Measure.STORAGE)).message
    await quotas.reserve(OTHER, Measure.STORAGE, 2)
    assert "lim_o" in (await full(quotas, OTHER, measure=Measure.STORAGE)).message
    first.settle(1)
    assert "leaves 1, and 2 are to be added" in (await full(quotas, OTHER, 2, Measure.STORAGE)).message
    assert "add less" in (await full(quotas, amount=9, measure=Measure.STORAGE)).message
    await quotas.reserve(OTHER, Measure.STORAGE, 1)
    first.release()
    first.settle(9)
    assert (quotas.used(ACCOUNT, Measure.STORAGE), quotas.used(OTHER, Measure.STORAGE)) == (0, 3)


async def test_what_is_elsewhere_counts_as_what_is_here() -> None:
    """In what is refused, told and shown; and it is noted of whom more or less is here, for who tells the others."""
    quotas = Quotas(Meters([stock(5, alert_percents=(80,), subject="*")]))
    told: list[int] = []
    quotas.on_passed = lambda one: told.append(one.used)
    mine, theirs = ((TASKS, SubjectKind.WORKSPACE, name) for name in ("ws_1", "ws_3"))
    quotas.elsewhere |= {mine: 3, theirs: 1}
    quotas.count(ACCOUNT, TASKS)
    quotas.changed = set()
    assert told == [4]
    assert "leaves 1, and 2 are to be added: 4 are there" in (await full(quotas, amount=2)).message
    assert [(one.value, one.gauge.used) for one in quotas.usage()] == [("ws_1", 4), ("ws_3", 1)]
    assert (quotas.used(ACCOUNT, TASKS), quotas.counted(mine), quotas.counted(theirs)) == (1, 1, 0)
    assert quotas.changed == set()
    quotas.count(OTHER, TASKS).release()
    assert {whose for _, _, whose in quotas.changed} == {"org_1", "ws_2"}
    assert {whose for _, _, whose in quotas.scopes(TASKS)} == {"org_1", "ws_1"}


async def test_a_limit_that_is_made_later_knows_what_is_there() -> None:
    """As what was there before a restart is known when it is told again."""
    meters = Meters()
    quotas = Quotas(meters)
    quotas.count(ACCOUNT, TASKS, 3)
    await quotas.reserve(ACCOUNT, TASKS)
    meters.adopt([stock(4)])
    await full(quotas)


async def test_who_comes_near_a_limit_is_told() -> None:
    """Each threshold once a day, of limits that only tell too, and of one that is made below what is there."""
    told: list[tuple[str, int, int]] = []
    now, meters = [86_400.0 * 9 + 5], Meters([stock(4, alert_percents=(50, 100), hard=False)])
    quotas = Quotas(meters, wall=lambda: now[0])
    quotas.on_passed = lambda one: told.append((one.limit.id, one.percent, one.used))
    held = [await quotas.reserve(ACCOUNT, TASKS) for _ in range(5)]
    assert told == [("lim_1", 50, 2), ("lim_1", 100, 4)]
    held.pop().release()
    held.pop().release()
    (await quotas.reserve(OTHER, TASKS)).settle(9)
    quotas.count(ACCOUNT, TASKS, 1)
    assert len(told) == 2
    meters.adopt([*meters.matching.levels, stock(1, id="lim_2", alert_percents=(100,), subject="*")])
    quotas.count(ACCOUNT, TASKS, 1)
    assert told[2:] == [("lim_2", 100, 5)]
    now[0] += 86_400
    held[0].settle(2)
    assert told[3:] == [("lim_1", 50, 6), ("lim_1", 100, 6), ("lim_2", 100, 6)]


@given(some.lists(some.tuples(some.sampled_from(["reserve", "settle", "release"]), some.integers(0, 6)), max_size=60))
def test_what_is_held_is_what_is_counted(steps: list[tuple[str, int]]) -> None:
    """Whatever happens in which order; and what was reserved never passes the limit."""

    async def work() -> None:
        quotas, held = Quotas(Meters([stock(10, "documents")])), list[Holding]()
        for step, amount in steps:
            before = sum(one.amount for one in held)
            if step == "reserve":
                try:
                    held.append(await quotas.reserve(ACCOUNT, Measure.DOCUMENTS, amount))
                    assert before + amount <= 10
                except LimitExceeded:
                    assert before + amount > 10
            elif held and step == "settle":
                held[amount % len(held)].settle(amount)
            elif held:
                held.pop(amount % len(held)).release()
            assert quotas.used(ACCOUNT, Measure.DOCUMENTS) == sum(one.amount for one in held)

    asyncio.run(work())


async def test_several_processes_share_them(tmp_path: Path) -> None:
    """At once they hold as much as may be there, and no more; while the server is away the policy holds."""
    limits = [stock(5, alert_percents=(80,)), limit(id="lim_r")]
    with running_redis(tmp_path) as server:
        closed = SharedPolicy(rates="closed")
        async with (
            opened(server.url, *limits, timeout_s=2) as one,
            opened(server.url, *limits, policy=closed, timeout_s=2) as other,
        ):
            both = [Quotas(Meters(limits)) for _ in range(2)]
            both[0].shared, both[1].shared = one, other
            told: list[int] = []
            one.on_passed = other.on_passed = lambda passed: told.append(passed.used)
            asked = [quotas.reserve(ACCOUNT, TASKS) for quotas in both * 6]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            held = [answer for answer in answers if isinstance(answer, Holding)]
            assert (len(held), 4 in told) == (5, True)
            assert "5 are there" in (await full(both[1])).message
            held[0].release()
            await one.courier.flush()
            await other.courier.flush()
            await both[1].reserve(ACCOUNT, TASKS)
            server.kill()
            await until(lambda: one.courier.table is None and other.courier.table is None)
            await Quotas(Meters(limits)).reserve(ACCOUNT, TASKS)
            with pytest.raises(LimitsUnreachable):
                await both[1].reserve(ACCOUNT, TASKS)
