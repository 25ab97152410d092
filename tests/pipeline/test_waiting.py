"""A place is waited for within the call's time, and given back with what the end says about the load."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from narthex.errors import (
    Cancelled,
    Failure,
    InvalidRequest,
    NarthexError,
    Overloaded,
    ProviderFailed,
    ProviderLimited,
    ProviderOverloaded,
)
from narthex.pipeline.waiting import give_back, wait_for_place
from narthex.resilience.concurrency import AdaptiveLimit, LimitPolicy
from tests.pipeline.doubles import CHAT, exchange

ONE = LimitPolicy(adaptive=False, maximum=1)


@pytest.mark.parametrize(
    ("error", "crowded"),
    [
        (ProviderLimited(provider="up", failure=Failure.RATE_LIMITED), 1),
        (ProviderOverloaded(provider="up", failure=Failure.OVERLOADED), 1),
        (ProviderFailed(provider="up", failure=Failure.UPSTREAM_ERROR), 0),
        (Overloaded(), 0),
        (InvalidRequest(), 0),
        (Cancelled(), 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_only_who_says_that_it_is_too_much_is_asked_less(error: NarthexError, crowded: int) -> None:
    """The limit falls for rate limits and overload of the provider, and for nothing else; the place is free again."""
    limit = AdaptiveLimit()
    place = limit.try_acquire()
    assert place is not None
    give_back(place, error)
    give_back(place, ProviderOverloaded(provider="up", failure=Failure.OVERLOADED))
    assert (limit.report().in_flight, limit.report().crowded) == (0, crowded)


def test_the_time_that_the_provider_asks_for_is_kept() -> None:
    """A rate limit with a time is told on with it."""
    limit = AdaptiveLimit(LimitPolicy(queue=0))
    for place in [limit.try_acquire(), limit.try_acquire()]:
        assert place is not None
        give_back(place, ProviderLimited(provider="up", failure=Failure.RATE_LIMITED, retry_after_s=20.0))
    limit.try_acquire()
    with pytest.raises(NarthexError) as refused:
        limit.acquire().send(None)
    assert (refused.value.code, refused.value.status) == ("rate_limited", 429)
    assert 15 < (refused.value.retry_after_s or 0) <= 20


async def test_the_wait_is_taken_from_the_time_of_the_call() -> None:
    """Attempts after a wait have what the wait left."""
    limit, call = AdaptiveLimit(ONE), exchange(CHAT)
    held = limit.try_acquire()
    assert held is not None
    deadline_s = monotonic() + 20
    waiting = asyncio.ensure_future(wait_for_place(call, limit, deadline_s=deadline_s, others=False))
    await asyncio.sleep(0.01)
    held.succeeded()
    (await waiting).succeeded()
    assert call.total_s is not None
    assert 0 < call.total_s <= 19.99


@pytest.mark.parametrize("others", [False, True])
async def test_half_of_the_time_is_left_for_others(others: bool) -> None:
    """Where somebody else can be asked, a call gives up in time for it."""
    limit, call = AdaptiveLimit(ONE), exchange(CHAT)
    assert limit.try_acquire() is not None
    begun_s = monotonic()
    with pytest.raises(Overloaded):
        await wait_for_place(call, limit, deadline_s=begun_s + 0.2, others=others)
    remaining_s = begun_s + 0.2 - monotonic()
    assert (remaining_s > 0) is others
    assert limit.report().waiting == 0


async def test_the_most_urgent_is_served_first() -> None:
    """The priority of the call says who is next."""
    limit, order = AdaptiveLimit(ONE), list[int]()
    held = limit.try_acquire()
    assert held is not None

    async def call(priority: int) -> None:
        made = exchange(CHAT)
        made.priority = priority
        with await wait_for_place(made, limit, deadline_s=monotonic() + 10, others=False):
            order.append(priority)

    async with asyncio.TaskGroup() as tasks:
        for priority in (-1, 0, 1):
            tasks.create_task(call(priority))
        await asyncio.sleep(0)
        held.succeeded()
    assert order == [1, 0, -1]
