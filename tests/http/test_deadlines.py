"""Slow clients and idle connections: each is ended when its time is over, and none before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from narthex.http import deadlines
from narthex.http.deadlines import SWEEP_S, Limits, Phase, Sweeper
from narthex.testing.clock import FakeClock

LIMITS = Limits(header_s=3.0, body_s=5.0, keep_alive_s=7.0, write_s=4.0)


@dataclass(eq=False)
class Line:
    """A connection that notes how it was ended."""

    phase: Phase
    since: float = 0.0
    stalled_since: float | None = None
    expired: list[Phase] = field(default_factory=list)

    def expire(self, phase: Phase) -> None:
        """Note it, and be closed."""
        self.expired.append(phase)
        self.phase = Phase.SERVING
        self.stalled_since = None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The time that the sweeper sees."""
    one = FakeClock()
    monkeypatch.setattr(deadlines, "time", SimpleNamespace(monotonic=one))
    monkeypatch.setattr(deadlines, "asyncio", SimpleNamespace(sleep=one.sleep))
    return one


@asynccontextmanager
async def watching(lines: Collection[object]) -> AsyncIterator[Sweeper]:
    """Have these connections watched, from time 0 on."""
    sweeper = Sweeper(LIMITS)
    task = asyncio.ensure_future(sweeper.run(lines))
    await asyncio.sleep(0)
    yield sweeper
    assert not task.done()
    task.cancel()
    await asyncio.wait({task})


@pytest.mark.parametrize(
    ("phase", "limit_s"),
    [
        (Phase.HEAD, LIMITS.header_s),
        (Phase.BODY, LIMITS.body_s),
        (Phase.IDLE, LIMITS.keep_alive_s),
        (Phase.CLOSING, LIMITS.closing_s),
    ],
)
async def test_each_phase_has_its_time(clock: FakeClock, phase: Phase, limit_s: float) -> None:
    """A connection is ended one sweep after its time in a phase is over, and not while that lasts."""
    line = Line(phase)
    async with watching([line]):
        await clock.advance(limit_s)
        assert line.expired == []
        await clock.advance(SWEEP_S)
        assert line.expired == [phase]


async def test_a_served_client_is_waited_for(clock: FakeClock) -> None:
    """While we are at work no time runs against the client."""
    line = Line(Phase.SERVING)
    async with watching([line]):
        await clock.advance(1_000)
    assert line.expired == []


async def test_progress_begins_the_time_anew(clock: FakeClock) -> None:
    """A body that keeps coming is waited for, however long it takes as a whole."""
    line = Line(Phase.BODY)
    async with watching([line]) as sweeper:
        for _ in range(10):
            await clock.advance(LIMITS.body_s - 1)
            line.since = sweeper.now
        assert line.expired == []
        await clock.advance(LIMITS.body_s + SWEEP_S)
    assert line.expired == [Phase.BODY]


@pytest.mark.parametrize("phase", list(Phase))
async def test_a_client_that_takes_nothing_is_ended(clock: FakeClock, phase: Phase) -> None:
    """A client that reads nothing of what is written to it is cut off, whatever it does besides."""
    line = Line(phase, since=1_000.0, stalled_since=0.0)
    async with watching([line]):
        await clock.advance(LIMITS.write_s)
        assert line.expired == []
        await clock.advance(SWEEP_S)
    assert line.expired == [Phase.SERVING]


async def test_a_client_that_reads_on_is_kept(clock: FakeClock) -> None:
    """A client that paused shorter than the limit keeps its connection."""
    line = Line(Phase.SERVING, stalled_since=0.0)
    async with watching([line]):
        await clock.advance(LIMITS.write_s - SWEEP_S)
        line.stalled_since = None
        await clock.advance(100)
    assert line.expired == []


async def test_a_standstill_of_ours_is_not_held_against_clients(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the process stood still (a laptop asleep), clients get the rest of their time, not the end."""
    line = Line(Phase.HEAD)
    async with watching([line]) as sweeper:
        await clock.advance(1)
        monkeypatch.setattr(deadlines, "time", SimpleNamespace(monotonic=lambda: clock() + 3_600))
        await clock.advance(SWEEP_S)
        assert sweeper.now <= 1 + 2 * SWEEP_S
        assert line.expired == []
        await clock.advance(LIMITS.header_s)
    assert line.expired == [Phase.HEAD]


async def test_connections_come_and_go_while_they_are_looked_at(clock: FakeClock) -> None:
    """A connection may leave the books while it is ended, and new ones are watched from the next sweep on."""
    lines: set[object] = set()

    class Leaving(Line):
        def expire(self, phase: Phase) -> None:
            super().expire(phase)
            lines.discard(self)

    first = [Leaving(Phase.HEAD) for _ in range(3)]
    lines.update(first)
    async with watching(lines) as sweeper:
        await clock.advance(LIMITS.header_s + SWEEP_S)
        assert lines == set()
        late = Leaving(Phase.HEAD, since=sweeper.now)
        lines.add(late)
        await clock.advance(LIMITS.header_s + SWEEP_S)
    assert [line.expired for line in (*first, late)] == [[Phase.HEAD]] * 4


async def test_a_fault_at_one_connection_leaves_the_others_watched(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """If ending one connection fails, the log says so and all others are looked after as before."""

    class Broken(Line):
        def expire(self, phase: Phase) -> None:
            super().expire(phase)
            raise RuntimeError("no way to end it")

    broken, whole = Broken(Phase.HEAD), Line(Phase.IDLE)
    with caplog.at_level(logging.ERROR, logger="narthex"):
        async with watching([broken, whole]):
            await clock.advance(LIMITS.keep_alive_s + SWEEP_S)
    assert (broken.expired, whole.expired) == ([Phase.HEAD], [Phase.IDLE])
    assert "no way to end it" in caplog.text
