"""Calls held back by what their target tells of its rate limits."""

from __future__ import annotations

import asyncio
import time
from collections import deque

import pytest

from narthex.errors import NarthexError, RateLimited
from narthex.providers.contract import Call, Reply, WholeReply
from narthex.resilience.concurrency import LimitPolicy
from narthex.testing.wires import openai_answer, openai_error
from narthex.wire.rate_limits import Side, Told
from tests.pipeline.doubles import Double, House, exchange

WINDOW_S = 0.2
AMOUNT = 10


class Strict(Double):
    """A provider that takes ten calls in any fifth of a second, tells how many are left, and refuses more."""

    def __init__(self, name: str = "up") -> None:
        super().__init__(name=name)
        self._taken: deque[float] = deque()
        self.refused = 0

    async def send(self, call: Call) -> Reply:
        """Answer, or refuse."""
        self.calls.append(call)
        now = time.monotonic()
        while self._taken and self._taken[0] <= now - WINDOW_S:
            self._taken.popleft()
        fits = len(self._taken) < AMOUNT
        if fits:
            self._taken.append(now)
        resets_s = self._taken[-1] + WINDOW_S - now
        headers = {
            "x-ratelimit-limit-requests": str(AMOUNT),
            "x-ratelimit-remaining-requests": str(AMOUNT - len(self._taken)),
            "x-ratelimit-reset-requests": f"{resets_s * 1_000:.1f}ms",
        }
        await asyncio.sleep(0.001)
        if fits:
            return WholeReply(200, headers, openai_answer("A"))
        self.refused += 1
        return WholeReply(429, headers, openai_error("Slow down.", code="rate_limit_exceeded"))


async def crowd(house: House, calls: int) -> list[object]:
    """Make calls, four at once, and return what became of each."""
    left = list(range(calls))
    ended: list[object] = []

    async def worker() -> None:
        while left:
            left.pop()
            try:
                ended.append((await house.engine.handle(exchange({"model": "up/m", "messages": []}))).body)
            except NarthexError as error:
                ended.append(error)

    await asyncio.gather(*(worker() for _ in range(4)))
    return ended


async def test_fewer_calls_are_refused() -> None:
    """Whoever goes by the headers waits for what comes in; whoever does not is refused again and again."""
    counts = {}
    for follows in (True, False):
        provider = Strict()
        house = House(provider)
        house.recovery.places.adopt(LimitPolicy(adaptive=False, follows=follows), {})
        ended = await crowd(house, 36)
        counts[follows] = (provider.refused, sum(isinstance(one, NarthexError) for one in ended))
    assert counts[False][1] >= 20
    assert counts[True][0] <= 8
    assert counts[True][0] * 3 < counts[False][0]


async def test_a_call_goes_elsewhere_rather_than_wait_for_long() -> None:
    """And where nobody else is there it is told when to come back, if that is too late for it."""
    first, second = Double(name="up"), Strict(name="other")
    house = House(first, second)
    house.fallbacks = ("other/m",)
    house.recovery.places.allowances.hear("up/m", Told(Side(1, 0, 3_000.0), None), refused=True)
    answered = exchange({"model": "up/m", "messages": []})
    await house.engine.handle(answered)
    assert (len(first.calls), len(second.calls)) == (0, 1)
    house.recovery.places.allowances.hear("other/m", Told(Side(1, 0, 3_000.0), None), refused=True)
    with pytest.raises(RateLimited) as refused:
        await house.engine.handle(exchange({"model": "up/m", "messages": []}))
    assert (refused.value.retry_after_s or 0) > 2_000
    report = house.recovery.places.allowances.snapshot()["up/m"]
    assert (report.held, report.passed_on) == (0, 2)
