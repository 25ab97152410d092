"""Calls that nobody has made yet."""

from __future__ import annotations

import asyncio

import pytest

from narthex.config.cache_settings import PredictiveSettings
from narthex.errors import Cancelled, Overloaded
from narthex.pipeline.early_calls import PAUSE_S, TAG, EarlyCalls, NotSent, budget_limit
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.predicted_calls import Again
from narthex.streams.stream import Stream
from narthex.tenancy.keys import LOCAL
from narthex.testing.clock import FakeClock
from narthex.types.dialects import Dialect, Operation
from narthex.types.priorities import PRIORITIES

CALL = Again(Dialect.OPENAI_CHAT, Operation.CHAT, b"{}", {b"x-narthex-tags": b"team=a"}, "up/m")


class Sender:
    """What takes calls through the chain: it answers, fails, or waits."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.sent = list[Exchange]()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.clock = FakeClock()
        self.calls = EarlyCalls(parallel=2, clock=self.clock)
        self.calls.handle = self.handle

    async def handle(self, exchange: Exchange) -> Stream:
        """Answer."""
        self.sent.append(exchange)
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        return Stream.of(b"{}", Dialect.OPENAI_CHAT)

    async def send(self) -> Exchange:
        """Send the call."""
        return await self.calls.send(CALL, b"key", LOCAL, None)


async def test_they_are_made_in_the_name_of_who_is_likely_to_make_them() -> None:
    """Urgent to nobody, and marked as what they are: the budget is a limit on that mark."""
    sender = Sender()
    made = await sender.send()
    assert (made.caller, made.prefetches, sender.sent) == (LOCAL, b"key", [made])
    assert made.headers[b"x-narthex-priority"].decode() in PRIORITIES
    assert made.headers[b"x-narthex-tags"] == f"team=a, {TAG}={LOCAL.account.workspace_id}".encode()
    (limit,) = budget_limit(PredictiveSettings(enabled=True, budget_usd_per_day=0.5))
    assert (limit.subject, limit.amount) == (f"{TAG}=*", 500_000)
    assert budget_limit(PredictiveSettings()) == ()


async def test_only_so_many_are_under_way() -> None:
    """And none to a model that has no room."""
    sender = Sender()
    sender.go_on.clear()
    tasks = [asyncio.create_task(sender.send()) for _ in range(2)]
    await asyncio.sleep(0)
    assert not sender.calls.has_room("up/m")
    sender.go_on.set()
    await asyncio.gather(*tasks)
    assert sender.calls.has_room("up/m")
    sender.calls.available = lambda name: name != "up/m"
    assert (sender.calls.has_room("up/m"), sender.calls.has_room("other/m")) == (False, True)


async def test_a_model_that_fails_is_left_alone_for_a_while() -> None:
    """One whose question would be another by now has not failed."""
    sender = Sender(Overloaded("no"))
    with pytest.raises(NotSent, match="refused"):
        await sender.send()
    assert (sender.calls.has_room("up/m"), sender.calls.has_room("other/m")) == (False, True)
    await sender.clock.advance(PAUSE_S)
    assert sender.calls.has_room("up/m")
    sender.error = Cancelled("another")
    with pytest.raises(NotSent, match="changed"):
        await sender.send()
    assert sender.calls.has_room("up/m")
