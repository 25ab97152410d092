"""The clock that stands still."""

from __future__ import annotations

import asyncio

from narthex.testing import FakeClock


async def test_time_passes_when_told() -> None:
    """The clock shows what it was set to, and what was advanced."""
    clock = FakeClock(5.0)
    assert clock() == 5.0
    await clock.advance(2.5)
    assert clock() == 7.5
    clock.set(1.0)
    assert clock() == 1.0


async def test_sleepers_wake_in_order_at_their_times() -> None:
    """Each sleeper sees the clock at its own time, and may sleep again within one advance."""
    clock = FakeClock(0.0)
    seen: list[tuple[str, float]] = []

    async def sleeper(name: str, *naps: float) -> None:
        for nap in naps:
            await clock.sleep(nap)
            seen.append((name, clock()))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("slow", 3))
        group.create_task(sleeper("quick", 1, 1, 5))
        await asyncio.sleep(0)
        assert clock.sleeping == 2
        await clock.advance(4)
        assert seen == [("quick", 1), ("quick", 2), ("slow", 3)]
        await clock.advance(10)
    assert seen[-1] == ("quick", 7)


async def test_no_time_is_no_sleep() -> None:
    """Sleeping for nothing only lets others run."""
    clock = FakeClock()
    await clock.sleep(0)
    await clock.sleep(-1)
    assert clock.sleeping == 0


async def test_cancelled_sleepers_are_passed_over() -> None:
    """A sleeper that was cancelled does not hold the clock up."""
    clock = FakeClock(0.0)
    task = asyncio.ensure_future(clock.sleep(1))
    await asyncio.sleep(0)
    task.cancel()
    await clock.advance(2)
    assert clock.sleeping == 0
    assert task.cancelled()
    assert clock() == 2
