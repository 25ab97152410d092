"""The line serves by priority, then by patience, and holds no more than it may."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narthex.resilience.queueing import PATIENT, Waiter, WaitingLine


def join(line: WaitingLine, priority: int = 0, deadline_s: float = math.inf) -> Waiter:
    """Stand in a line that has room."""
    waiter = line.join(priority=priority, deadline_s=deadline_s)
    assert waiter is not None
    return waiter


def served(line: WaitingLine, waiters: list[Waiter], now_s: float = 0.0) -> list[int]:
    """Serve everybody, and return who got a place, in order."""
    order: list[int] = []
    while line.serve(now_s):
        order += [index for index, waiter in enumerate(waiters) if waiter.has_place and index not in order]
    return order


async def test_the_urgent_go_first_and_then_the_longest_waiting() -> None:
    """Places go by priority, and among equals in the order of arrival."""
    line = WaitingLine(10)
    waiters = [join(line, priority) for priority in (0, 5, 0, -1, 5)]
    assert [line.ahead_of(priority) for priority in (5, 0, -2)] == [2, 4, 5]
    assert served(line, waiters) == [1, 4, 0, 2, 3]
    assert len(line) == 0


async def test_the_patient_are_served_too() -> None:
    """However many urgent calls come, one place of eight goes to who has waited longest."""
    line = WaitingLine(100)
    waiters = [join(line, -1), join(line, 0)]
    served_at = []
    for places in range(1, 4 * PATIENT):
        join(line, 1)
        assert line.serve(0.0)
        served_at += [places for waiter in waiters if waiter.has_place and places]
        waiters = [waiter for waiter in waiters if not waiter.has_place]
    assert served_at == [PATIENT, 2 * PATIENT]


@given(st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=60), st.integers(0, 20))
def test_nobody_starves(priorities: list[int], before: int) -> None:
    """Whoever is the k-th to have come is served within 8 k places, whoever comes meanwhile."""
    asyncio.run(everybody_is_served(priorities, before))


async def everybody_is_served(priorities: list[int], before: int) -> None:
    """Have as many urgent calls come as there are places, and see who is served."""
    line = WaitingLine(1000)
    for _ in range(before):
        join(line)
        line.serve(0.0)
    waiters = [join(line, priority) for priority in priorities]
    for places in range(1, PATIENT * len(waiters) + 1):
        join(line, 2)
        line.serve(0.0)
        assert all(waiter.has_place for waiter in waiters[: places // PATIENT])


async def test_a_full_line_takes_only_the_more_urgent() -> None:
    """In a full line the last of the least urgent is turned away for a more urgent call, and for no other."""
    line = WaitingLine(2)
    early, late = join(line), join(line)
    assert line.full
    assert line.join(priority=0, deadline_s=math.inf) is None
    urgent = join(line, 1)
    assert late.place.result() is False
    assert list(line) == [urgent, early]


async def test_a_line_without_room_takes_nobody() -> None:
    """A line of length zero refuses even the most urgent."""
    assert WaitingLine(0).join(priority=100, deadline_s=math.inf) is None


async def test_nobody_is_served_too_late() -> None:
    """A call whose deadline has passed gets no place, and the one behind it does."""
    line = WaitingLine(10)
    waiters = [join(line, 1, deadline_s=5.0), join(line, 0, deadline_s=6.0)]
    assert served(line, waiters, now_s=5.0) == [1]
    assert waiters[0].place.result() is False


async def test_those_who_left_are_passed_over() -> None:
    """A place never goes to a call that left, was cancelled, or was turned away."""
    line = WaitingLine(10)
    waiters = [join(line) for _ in range(4)]
    line.leave(waiters[0])
    line.leave(waiters[0])
    waiters[1].place.cancel()
    line.turn_away(waiters[2])
    line.turn_away(waiters[2])
    assert served(line, waiters) == [3]
    assert [waiter.has_place for waiter in waiters] == [False, False, False, True]
    with pytest.raises(asyncio.CancelledError):
        waiters[1].place.result()
