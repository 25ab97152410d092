"""Counting in Redis: by the same rules as in memory, at the same moments, call by call."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from narthex.errors import LimitExceeded
from narthex.ledger.limits.meters import Meters, Reservation
from narthex.ledger.limits.redis_table import RedisTable, Taken, Told, meter_of, read_told
from narthex.ledger.limits.spans import span
from narthex.types.limits import LENGTHS_S, Limit, Period
from tests.ledger.limits.making import ACCOUNT, NOON, limit, used_of
from tests.stores.servers import running_redis
from tests.stores.test_redis_shelf import client_of

HOLD_MS = 10_000_000_000


@asynccontextmanager
async def table_at(url: str) -> AsyncIterator[RedisTable]:
    """Give the scripts at a server, at noon."""
    async with client_of(url) as client:
        table = RedisTable(client, "test", now_us=int(NOON * 1_000_000))
        await table.prepare()
        yield table


async def reserved(table: RedisTable, one: Limit, need: int, name: str = "r", hold_ms: int = HOLD_MS) -> Told:
    """Ask for so much of one limit."""
    pipe = table.pipeline()
    table.reserve(pipe, name, hold_ms, [(meter_of(one, ""), need)])
    return read_told((await pipe.execute())[0])


async def settled(table: RedisTable, one: Limit, told: Told, *, held: int, used: int, name: str = "r") -> None:
    """Settle what was taken of one limit."""
    pipe = table.pipeline()
    table.settle(pipe, name, [(Taken(meter_of(one, ""), told.stands[0].slot, held), used)])
    await pipe.execute()


async def used(table: RedisTable, one: Limit) -> tuple[int, int]:
    """Return what is used and what is held."""
    gauge = (await reserved(table, one, 0, name="")).stands[0].gauge
    return gauge.used, gauge.reserved


SHAPES: list[dict[str, Any]] = [
    *({"period": period} for period in Period),
    *({"period": period, "window": "rolling"} for period in Period if period is not Period.TOTAL),
    {"period": "minute", "window": "rolling", "burst": 7},
    {"period": "second", "window": "rolling", "burst": 30},
]


class Twins:
    """One limit counted in Redis and in memory, at the same moments."""

    def __init__(self, table: RedisTable, one: Limit) -> None:
        self.table, self.limit = table, one
        self.now = NOON
        self.memory = Meters([one], wall=lambda: self.now, steady=lambda: self.now)
        self.chance = random.Random(str(one))
        self.under_way: list[tuple[str, int, Told, Reservation]] = []

    def pass_by(self) -> None:
        """Let any time pass."""
        length_s = LENGTHS_S.get(self.limit.period, 3_600)
        self.now = round(self.now + self.chance.choice((0, 0, 0.013, 0.2, 0.7, 1.1, 2.7)) * length_s / 4, 3)
        self.table.now_us = round(self.now * 1_000_000)

    async def settle(self) -> None:
        """Settle any call, at more or less than it reserved."""
        if self.under_way:
            name, held, told, reservation = self.under_way.pop(self.chance.randrange(len(self.under_way)))
            actual = self.chance.randrange(12)
            reservation.settle(actual, 0, 0)
            await settled(self.table, self.limit, told, held=held, used=actual, name=name)

    async def reserve(self, name: str) -> None:
        """Ask for any amount: both give it, or both refuse, for as long."""
        need = self.chance.randrange(9)
        told = await reserved(self.table, self.limit, need, name=name)
        if told.answer == "taken":
            reserving = self.memory.reserve(ACCOUNT, input_tokens=need)
            assert reserving is not None
            self.under_way.append((name, need, told, reserving))
        else:
            with pytest.raises(LimitExceeded) as refused:
                self.memory.reserve(ACCOUNT, input_tokens=need)
            assert told.stands[0].wait_s == pytest.approx(refused.value.retry_after_s, abs=0.01)

    async def compare(self) -> None:
        """Both say the same of how it stands; a bucket is read to the nearest unit."""
        gauge = next(self.memory.usage()).gauge
        there = await used(self.table, self.limit)
        if self.limit.burst is None:
            assert there == (gauge.used, gauge.reserved)
        else:
            assert sum(there) == pytest.approx(gauge.used + gauge.reserved, abs=1)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, shape.values())))
async def test_it_counts_as_memory_does(tmp_path: Path, shape: dict[str, Any]) -> None:
    """Over hundreds of calls at any moments both give and refuse the same, and say the same of how it stands."""
    one = limit(measure="tokens", amount=20, **shape)
    with running_redis(tmp_path) as server:
        async with table_at(server.url) as table:
            await table.restore(meter_of(one, "").shape[2], [])
            twins = Twins(table, one)
            for number in range(250):
                twins.pass_by()
                if twins.chance.random() < 0.4:
                    await twins.settle()
                await twins.reserve(str(number))
                await twins.compare()


async def test_months_are_those_of_the_calendar(tmp_path: Path) -> None:
    """Over a hundred years, leap years and all."""
    one = limit(measure="tokens", period="month", amount=1)
    with running_redis(tmp_path) as server:
        async with table_at(server.url) as table:
            await table.restore(meter_of(one, "").shape[2], [])
            for day in range(0, 365 * 100, 13):
                moment = day * 86_400 + 5.0
                table.now_us = int(moment * 1_000_000)
                stand = (await reserved(table, one, 0, name="")).stands[0]
                start, end = span(Period.MONTH, moment)
                assert (int(stand.slot), stand.gauge.resets_s) == (start * 1000, end - moment)


async def test_a_settlement_counts_once(tmp_path: Path) -> None:
    """Told twice, it is charged once."""
    one = limit(measure="tokens")
    with running_redis(tmp_path) as server:
        async with table_at(server.url) as table:
            told = await reserved(table, one, 5)
            for _ in range(3):
                await settled(table, one, told, held=5, used=7)
            assert await used(table, one) == (7, 0)


async def test_what_nobody_settles_lapses(tmp_path: Path) -> None:
    """After its time it is given back; whoever settles it later is charged all the same, and renewing puts it off."""
    one = limit(measure="tokens")
    with running_redis(tmp_path) as server:
        async with table_at(server.url) as table:
            assert table.now_us is not None
            told = await reserved(table, one, 5, hold_ms=1_000)
            table.now_us += 900_000
            pipe = table.pipeline()
            table.renew(pipe, 1_000, ["r", "other"])
            await pipe.execute()
            table.now_us += 900_000
            assert await used(table, one) == (0, 5)
            table.now_us += 200_000
            assert await used(table, one) == (0, 0)
            for _ in range(2):
                await settled(table, one, told, held=5, used=6)
            assert await used(table, one) == (6, 0)


async def test_one_process_reads_the_ledger(tmp_path: Path) -> None:
    """Until it has, nothing is said of the limit; what it found is there then, and counts once."""
    one = limit(measure="tokens", period="day", amount=100)
    rolling = limit(id="lim_2", measure="tokens", period="day", amount=100, window="rolling")
    with running_redis(tmp_path) as server:
        async with table_at(server.url) as table:
            assert table.now_us is not None
            for each in (one, rolling):
                meter = meter_of(each, "")
                assert (await reserved(table, each, 1)).answer == "unknown"
                assert [await table.claim(meter), await table.claim(meter)] == [True, False]
                table.now_us += 31_000_000
                assert await table.claim(meter)
                number = table.now_us // 3_600_000_000 - 2
                for _ in range(2):
                    await table.restore(meter.shape[2], [(meter, 40, number)])
                assert not await table.claim(meter)
                assert await used(table, each) == (40, 0)
                assert (await reserved(table, each, 61, name="a")).answer == "refused"
                assert (await reserved(table, each, 60, name=each.id)).answer == "taken"


async def charged(table: RedisTable, one: Limit, used: int, name: str) -> object:
    """Charge so much of one limit without a reservation."""
    pipe = table.pipeline()
    table.charge(pipe, name, [(meter_of(one, ""), used)])
    return (await pipe.execute())[0]


async def test_what_was_not_reserved_is_charged_as_in_memory(tmp_path: Path) -> None:
    """Of every kind of limit, beyond what passes too, and told twice it counts once."""
    with running_redis(tmp_path) as server:
        async with table_at(server.url) as table:
            for number, shape in enumerate(SHAPES):
                one = limit(id=f"lim_{number}", measure="tokens", amount=20, **shape)
                memory = Meters([one], wall=lambda: NOON, steady=lambda: NOON)
                if one.lasts:
                    assert await charged(table, one, 5, f"early {number}") == 0
                await table.restore(meter_of(one, "").shape[2], [])
                for amount in (5, 0, 30):
                    for _ in range(2):
                        assert await charged(table, one, amount, f"{number} {amount}") == 1
                    memory.charge(used_of(memory.matching.limits, (1, amount, 0, amount, 0, 0)))
                gauge = next(memory.usage()).gauge
                assert await used(table, one) == (gauge.used, gauge.reserved)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, shape.values())))
async def test_a_clock_that_jumps_lets_nobody_pass_more(tmp_path: Path, shape: dict[str, Any]) -> None:
    """Set back and forth it finds what was counted there: no period has more than its amount, and none is negative."""
    one = limit(measure="tokens", amount=20, **shape)
    chance = random.Random(str(shape))
    length_s = LENGTHS_S.get(one.period, 3_600)
    passed: dict[float, int] = {}
    with running_redis(tmp_path) as server:
        async with table_at(server.url) as table:
            await table.restore(meter_of(one, "").shape[2], [])
            under_way: list[tuple[str, int, Told]] = []
            for number in range(150):
                # Within the days for which the counts of a period outlive it.
                moment = NOON + round(chance.uniform(-1.5, 1.5) * min(length_s, 200_000), 3)
                table.now_us = int(moment * 1_000_000)
                if under_way and chance.random() < 0.4:
                    name, held, told = under_way.pop(chance.randrange(len(under_way)))
                    await settled(table, one, told, held=held, used=held, name=name)
                need = chance.randrange(1, 9)
                told = await reserved(table, one, need, name=str(number))
                if told.answer == "taken":
                    start = span(one.period, moment)[0]
                    passed[start] = passed.get(start, 0) + need
                    under_way.append((str(number), need, told))
                assert min(await used(table, one)) >= 0
    if one.window == "calendar":
        assert max(passed.values()) <= 20


async def test_what_ran_out_before_it_was_settled_counts_once(tmp_path: Path) -> None:
    """However late it is told, and told again, and whatever was swept in between: until its process heard of it."""
    with running_redis(tmp_path) as server:
        async with table_at(server.url) as table:
            for number, shape in enumerate(SHAPES):
                one = limit(id=f"lim_{number}", measure="tokens", amount=10_000_000, **shape)
                await table.restore(meter_of(one, "").shape[2], [])
                for hold_ms in (0, HOLD_MS):
                    name = f"{number} {hold_ms}"
                    before = (await used(table, one))[0]
                    told = await reserved(table, one, 7, name=name, hold_ms=hold_ms)
                    for _ in range(3):
                        # Sweeps what ran out.
                        await reserved(table, one, 0, name="")
                        await settled(table, one, told, held=7, used=5, name=name)
                        assert await used(table, one) == (before + 5, 0)
            pipe = table.pipeline()
            table.forget(pipe, ["0 0", f"0 {HOLD_MS}", "never told"])
            await pipe.execute()
            left = await table.client.hkeys("test:use:holds")
            assert len(left) == 2 * len(SHAPES) - 2


async def test_what_is_told_again_days_later_counts_once(tmp_path: Path) -> None:
    """As by a process to which the server was away all that time."""
    one = limit(measure="tokens", amount=10, period="total")
    with running_redis(tmp_path) as server:
        async with table_at(server.url) as table:
            await table.restore(meter_of(one, "").shape[2], [])
            told = await reserved(table, one, 7, hold_ms=120_000)
            for _ in range(3):
                await settled(table, one, told, held=7, used=5)
                assert await used(table, one) == (5, 0)
                table.now_us = (table.now_us or 0) + 2 * 86_400 * 1_000_000
                await reserved(table, one, 0, name="")
