"""Failure everywhere: each call meets a fault by chance, many at once, and no caller is deceived or left waiting."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from narthex.resilience.hedges import HedgeEnd
from narthex.testing import Wall
from narthex.testing.callers import Question, ask
from narthex.testing.trials import Gateway, Trial
from tests.proof.chaos import HEDGING, REPLY, UNIT_S, House, Result, drawn, house, run
from tests.proof.waiting import until

_LOG = logging.getLogger(__name__)

SEED = 20
FEW = 400
ROUNDS = 10
ROUND = 1_000
"""Calls of a round of the long run: few enough for the wall to remember each of its visits."""

GROWTH_BYTES = 8 * 1024 * 1024
"""What the gateway may hold more after many calls than after the first: room for what is bounded to fill."""

LOST_SHARE = 0.05
"""How many of the calls a slow machine may take too long to rescue."""


@pytest.fixture
def chaos(monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A gateway before a wall, which tells in its log what it forgets to close."""
    monkeypatch.setenv("PYTHONWARNINGS", "always::ResourceWarning")
    with house() as one:
        yield one


async def ready(one: House) -> None:
    """Make sure that both wires work, and take what the gateway holds then as its own."""
    assert await Trial(one.gateway_on_trial, one.wall).greet() == []
    one.settle()


async def survives(one: House, count: int, seed: int) -> Result:
    """Every answer is whole and right, or tells that it is not; then nothing of any call is left."""
    one.wall.visits.clear()
    result = await run(one.gateway_on_trial, one.wall, drawn(one.wall, one.gateway_on_trial, count, seed))
    assert len(result.outcomes) == count
    assert result.lies == []
    assert one.left_over() == {}
    assert result.asked <= {visit.fault for visit in one.wall.visits.all()}, "a fault was never met"
    assert len(result.lost) < LOST_SHARE * count, result.lost
    return result


async def rounds(one: House) -> AsyncIterator[Result]:
    """Yield the rounds of the long run."""
    for number in range(ROUNDS):
        yield await survives(one, ROUND, SEED + number)


async def test_no_caller_is_deceived_or_left_waiting(chaos: House) -> None:
    """Hundreds of calls under random faults end in the truth within their deadline, and leave nothing behind."""
    await ready(chaos)
    await survives(chaos, FEW, SEED)
    assert chaos.complaints() == ""


@pytest.mark.soak
async def test_thousands_of_calls_leave_no_trace(chaos: House) -> None:
    """Nothing is deceived, stuck or leaked in ten thousand calls, and memory stays as it was after the first."""
    await ready(chaos)
    await survives(chaos, ROUND, SEED + ROUNDS)
    before_bytes = chaos.memory_bytes()
    async for result in rounds(chaos):
        _LOG.info("%s %s; %.1f MiB", result, result.lost, chaos.memory_bytes() / 2**20)
    assert chaos.memory_bytes() - before_bytes < GROWTH_BYTES
    assert chaos.complaints() == ""


async def test_two_attempts_at_a_call_are_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where calls are asked of a second model too, under faults, the truth is told and no loser stays."""
    monkeypatch.setenv("PYTHONWARNINGS", "always::ResourceWarning")
    with house(hedging=HEDGING) as one:
        await ready(one)
        await survives(one, FEW, SEED)
        ended = {end: one.metric(f'narthex_hedges_total{{event="{end}"}}') for end in HedgeEnd}
        assert one.metric('narthex_hedges_total{event="begun"}') == sum(ended.values()) > FEW / 20
        assert min(ended[HedgeEnd.WON], ended[HedgeEnd.LOST]) > 0
        assert one.complaints() == ""


async def test_the_same_calls_deceive_where_nothing_is_between() -> None:
    """Asked of the wall itself they hang, break and end too early: what finds nothing wrong could have."""
    with Wall(unit_s=UNIT_S, reply=REPLY) as wall:
        nothing_between = Gateway(url=wall.url, model="{model}", deadline_s=1.0)
        result = await run(nothing_between, wall, drawn(wall, nothing_between, FEW, SEED))
    reasons = "\n".join(result.lies)
    assert "hung" in reasons
    assert "cut" in reasons
    assert "without a reason to finish" in reasons
    assert len(result.lost) > LOST_SHARE * FEW


async def test_a_call_that_goes_on_is_seen_to_be_left(chaos: House) -> None:
    """While a provider keeps silent, its request, answer and connection count; once the call is over, none does."""
    await ready(chaos)
    # The first time takes long: more than the call does.
    assert await asyncio.to_thread(chaos.left_over) == {}
    question = Question(wire="openai", model="wall-openai/fault-no-answer", prompt="waiting")
    call = asyncio.create_task(ask(chaos.gateway.url, question, deadline_s=60))
    came = await asyncio.to_thread(chaos.wall.visits.wait_for, lambda: bool(chaos.wall.visits.of("waiting")), 5.0)
    assert came
    # Between two attempts it waits, and holds no place for a moment.
    await asyncio.to_thread(
        until, lambda: set(chaos.left()) >= {"active requests", "places at models", "answers that go on"}
    )
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
    assert chaos.left_over() == {}
